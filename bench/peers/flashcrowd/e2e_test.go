package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/seawall-go/seawall/spike"
)

// The whole of it on real sockets and with a real child process, small: what
// is asserted is that everything is there, not how good the figures are.
func TestComparison(t *testing.T) {
	data := filepath.Join(t.TempDir(), "x.json")
	var out, errs bytes.Buffer
	args := []string{"-scenario", "3x", "-duration", "1s", "-backend", "4x10ms", "-json", data}
	if code := realMain(t.Context(), args, &out, &errs); code != exitOK || errs.Len() > 0 {
		t.Fatalf("exit code %d\n%s%s", code, out.String(), errs.String())
	}
	for _, want := range append(strings.Split(everybody, ","), "10 runs, about 17s in all.", "3x: step to 3x the capacity\n", "Sheddable", "first in", "oracle *") {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "the server logged") {
		t.Errorf("a server complained:\n%s", out.String())
	}
	text, err := os.ReadFile(data)
	if err != nil {
		t.Fatal(err)
	}
	var doc document
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Format != documentFormat || len(doc.Blocks) != 1 || len(doc.Blocks[0].Results) != len(contenders) {
		t.Fatalf("results: %+v", doc)
	}
	for _, r := range doc.Blocks[0].Results {
		one := r.Runs[0]
		if f := one.Figures; f.Requests < 300 || !(f.Before > 0.5) || f.Scenario != "3x" || f.Contender != r.Contender {
			t.Errorf("%s: figures %+v", r.Contender, f)
		}
		if !(r.Value > 0) {
			t.Errorf("%s: value %v", r.Contender, r.Value)
		}
	}
}

// stopAt cancels when the output has a text.
type stopAt struct {
	mu   sync.Mutex
	out  bytes.Buffer
	text string
	stop func()
}

func (s *stopAt) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out.Write(p)
	if strings.Contains(s.out.String(), s.text) {
		s.stop()
	}
	return len(p), nil
}

// Ctrl-C ends child and servers (the leak check of this package sees what stays
// behind) and writes nothing.
func TestInterrupt(t *testing.T) {
	data := filepath.Join(t.TempDir(), "x.json")
	ctx, cancel := context.WithCancel(t.Context())
	out := &stopAt{text: "seed 1", stop: cancel}
	var errs bytes.Buffer
	code := realMain(ctx, []string{"-duration", "1h", "-json", data}, out, &errs)
	if code != exitInterrupted || errs.String() != "flashcrowd: interrupted; nothing was written\n" {
		t.Errorf("exit code %d, %q", code, errs.String())
	}
	if _, err := os.Stat(data); err == nil || strings.Contains(out.out.String(), "goodput") {
		t.Errorf("figures of half a run:\n%s", out.out.String())
	}
}

// A crowd that cannot start is an error, and the server is gone.
func TestPlayOnceFails(t *testing.T) {
	sc := parsed(t).scenarios[0]
	sc.End = sc.Start
	if _, err := playOnce(t.Context(), contenders[0], sc); err == nil || !strings.Contains(err.Error(), "End must be") {
		t.Errorf("error %v", err)
	}
	sc.Load.Profile = spike.Profile{}
	if _, err := playOnce(t.Context(), contenders[0], sc); err == nil {
		t.Error("a load without a profile: no error")
	}
	sc.Backend.Slots = -1
	if _, err := playOnce(t.Context(), contenders[0], sc); err == nil {
		t.Error("a backend without slots: no error")
	}
}

func TestServerLog(t *testing.T) {
	var l firstLine
	if l.complaint() != "" {
		t.Error("a complaint about nothing")
	}
	l.Write([]byte("too many\n"))
	l.Write([]byte("more\n"))
	if got := l.complaint(); got != "the server logged 2 lines, first: too many" {
		t.Errorf("got %q", got)
	}
}
