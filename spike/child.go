package spike

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime/debug"
	"strings"
	"sync"
	"time"
)

// childEnv marks the child process.
const childEnv = "SEAWALL_SPIKE_CHILD"

// errorTail is how much of what a child says on its standard error is kept.
const errorTail = 4 << 10

// childJob is what the child reads from its standard input.
type childJob struct {
	Load Load   `json:"load"`
	URL  string `json:"url"`
}

// recordMark is the line that ends the progress reports, before the record.
const recordMark = "record"

// RunChild runs the load against url, with an HTTPTarget, in a child process:
// this program started again, whose main function (or TestMain) must call
// ChildMain before anything else. The child is killed when ctx ends, and ends
// by itself when this process dies. Errors carry what the child said.
//
// A load generator in the server's process would share its heap, its garbage
// collector and its scheduler, and would be slowed by what it measures.
func RunChild(ctx context.Context, l Load, url string, progress func(Progress)) (*Record, error) {
	if os.Getenv(childEnv) != "" { // or every child would start one more
		return nil, errors.New("seawall/spike: main must call ChildMain before RunChild")
	}
	if err := l.Validate(); err != nil {
		return nil, err
	}
	job, err := json.Marshal(childJob{Load: l, URL: url})
	if err != nil {
		return nil, fmt.Errorf("seawall/spike: load: %w", err)
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("seawall/spike: child: %w", err)
	}
	cmd := exec.CommandContext(ctx, exe) //nolint:gosec // ourselves, again
	cmd.Env = append(os.Environ(), childEnv+"=1")
	cmd.WaitDelay = 5 * time.Second
	said := &tail{}
	cmd.Stderr = said
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("seawall/spike: child: %w", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("seawall/spike: child: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("seawall/spike: child: %w", err)
	}
	// The pipe stays open until the child has ended: its end tells the child that
	// its parent is no more.
	_, writeErr := stdin.Write(append(job, '\n'))
	rec, readErr := readChild(stdout, progress)
	if readErr != nil {
		_ = cmd.Process.Kill() // it may still be writing
	}
	err = cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err == nil && readErr == nil:
		return rec, nil
	}
	if text := said.String(); text != "" {
		return nil, fmt.Errorf("seawall/spike: child: %s", text)
	}
	return nil, fmt.Errorf("seawall/spike: child: %w", errors.Join(err, writeErr, readErr))
}

// readChild reads progress lines, the mark and the record.
func readChild(r io.Reader, progress func(Progress)) (*Record, error) {
	br := bufio.NewReader(r)
	for {
		line, err := br.ReadSlice('\n')
		if err != nil {
			return nil, fmt.Errorf("reading progress: %w", noEOF(err))
		}
		line = bytes.TrimSpace(line)
		if string(line) == recordMark {
			return ReadRecord(br)
		}
		var p Progress
		if err := json.Unmarshal(line, &p); err != nil {
			return nil, fmt.Errorf("reading progress: %w", err)
		}
		if progress != nil {
			progress(p)
		}
	}
}

// ChildMain does the work of the child process that RunChild starts, and exits;
// in any other process it returns at once. Call it first in main: what comes
// before it runs in the child as well.
func ChildMain() {
	if os.Getenv(childEnv) == "" {
		return
	}
	// The child's heap is bounded by MaxRequests and MaxInFlight: rather some
	// megabytes more than a collection in the middle of a spike.
	debug.SetGCPercent(400)
	// Ctrl-C reaches the whole process group; the parent decides, and its end
	// ends the child.
	signal.Ignore(os.Interrupt)
	if err := child(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// child reads a job from in, runs it, and writes progress and record to out.
// The end of in cancels the run.
func child(in io.Reader, out io.Writer) error {
	dec := json.NewDecoder(in)
	dec.DisallowUnknownFields()
	var job childJob
	if err := dec.Decode(&job); err != nil {
		return fmt.Errorf("seawall/spike: reading the load: %w", err)
	}
	target, err := NewHTTPTarget(HTTPConfig{URL: job.URL})
	if err != nil {
		return err
	}
	defer target.Close()
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	go func() { // ends with the process
		_, _ = io.Copy(io.Discard, in)
		cancel(errors.New("seawall/spike: the parent process has gone"))
	}()
	w := bufio.NewWriter(out)
	lines := json.NewEncoder(w)
	rec, err := job.Load.Run(ctx, target.Do, func(p Progress) {
		if lines.Encode(p) != nil || w.Flush() != nil {
			cancel(errors.New("seawall/spike: the parent process does not listen"))
		}
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(w, recordMark)
	if _, err := rec.WriteTo(w); err != nil {
		return err
	}
	return w.Flush()
}

// tail keeps the end of what is written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if extra := len(t.buf) - errorTail; extra > 0 {
		t.buf = append(t.buf[:0], t.buf[extra:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimPrefix(strings.TrimSpace(string(t.buf)), "seawall/spike: ")
}
