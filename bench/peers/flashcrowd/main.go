package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/seawall-go/seawall/spike"
)

// Exit codes.
const (
	exitOK          = 0
	exitFailed      = 1 // a run failed, or seawall was not first
	exitUsage       = 2
	exitInterrupted = 130
)

func main() {
	spike.ChildMain() // the crowd: this program, started once more
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends it at once
	os.Exit(realMain(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func realMain(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parseFlags(args, stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err == nil && o.list:
		err = printList(stdout, o)
		if err == nil {
			return exitOK
		}
	}
	if err != nil {
		fmt.Fprintf(stderr, "flashcrowd: %v (-help shows all flags)\n", err)
		return exitUsage
	}
	code, err := o.compare(ctx, stdout)
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "flashcrowd: interrupted; nothing was written")
		return exitInterrupted
	case err != nil:
		fmt.Fprintf(stderr, "flashcrowd: %v\n", err)
		return exitFailed
	}
	return code
}

// compare runs everything and says what came of it.
func (o *options) compare(ctx context.Context, out io.Writer) (code int, err error) {
	started := time.Now()
	fmt.Fprintf(out, "%d runs, about %v in all.\n", o.runs(), o.estimate().Round(time.Second))
	blocks, err := o.play(ctx, out)
	if err != nil {
		return exitFailed, err
	}
	for i := range blocks {
		fmt.Fprintf(out, "\n%s", table(&blocks[i]))
	}
	fmt.Fprintf(out, "\n%s", summary(blocks))
	if o.check {
		text, first := verdict(blocks)
		fmt.Fprintf(out, "\n%s\n", text)
		if !first {
			code = exitFailed
		}
	}
	if o.json == "" {
		return code, nil
	}
	return code, o.write(blocks, started)
}

// document is the file of -json.
type document struct {
	Format  string    `json:"format"`
	Started time.Time `json:"started"`
	Go      string    `json:"go"`
	Arch    string    `json:"arch"`
	CPUs    int       `json:"cpus"`
	Blocks  []block   `json:"scenarios"`
}

const documentFormat = "seawall peers flashcrowd 1"

func (o *options) write(blocks []block, started time.Time) error {
	data, err := json.MarshalIndent(document{
		documentFormat, started, runtime.Version(), runtime.GOARCH, runtime.NumCPU(), blocks,
	}, "", " ")
	if err != nil {
		return fmt.Errorf("-json: %w", err)
	}
	if err := os.WriteFile(o.json, append(data, '\n'), 0o644); err != nil { //nolint:gosec // to be shown to others
		return fmt.Errorf("-json: %w", err)
	}
	return nil
}
