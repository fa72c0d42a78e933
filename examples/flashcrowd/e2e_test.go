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
func TestDemonstration(t *testing.T) {
	dir := t.TempDir()
	svg, data := filepath.Join(dir, "x.svg"), filepath.Join(dir, "x.json")
	var out, errs bytes.Buffer
	args := []string{"-duration", "1400ms", "-backend", "4x10ms", "-peak", "3", "-svg", svg, "-json", data}
	if code := realMain(t.Context(), args, &out, &errs); code != exitOK || errs.Len() > 0 {
		t.Fatalf("exit code %d\n%s%s", code, out.String(), errs.String())
	}
	for _, want := range []string{
		"3 crowds to run", "3x: step to 3x", "4 slots of 10ms: 400 requests/s, seed 1", "  bare       1.0 s", "  seawall    1.0 s", "  oracle   done: goodput",
		"goodput", "Without seawall: ", "With seawall, ", "written: ",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	picture, err := os.ReadFile(svg)
	if err != nil {
		t.Fatal(err)
	}
	readSVG(t, picture)
	text, err := os.ReadFile(data)
	if err != nil {
		t.Fatal(err)
	}
	var doc document
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Blocks) != 1 || len(doc.Blocks[0].Results) != 3 {
		t.Fatalf("results: %+v", doc.Blocks)
	}
	for _, r := range doc.Blocks[0].Results {
		one := r.Runs[0]
		if f := one.Figures; f.Requests < 300 || !(f.Before > 0) || f.Scenario != "3x" || f.Contender != r.Contender {
			t.Errorf("%s: figures %+v", r.Contender, f)
		}
		if len(one.Timeline) != 14 || len(one.Shares) != 3 {
			t.Errorf("%s: %d buckets and %d shares", r.Contender, len(one.Timeline), len(one.Shares))
		}
		if (len(one.Looks) > 3) != (r.Contender != bareName) {
			t.Errorf("%s: %d looks", r.Contender, len(one.Looks))
		}
	}
}

func TestCheckOnSockets(t *testing.T) {
	var out, errs bytes.Buffer
	args := []string{"-check", "-short", "-scenario", "calm", "-duration", "1s", "-backend", "4x10ms", "-json", "", "-quiet"}
	code := realMain(t.Context(), args, &out, &errs)
	if errs.Len() > 0 {
		t.Fatal(errs.String())
	}
	for _, name := range []string{"calm: success of seawall", "calm: p99 over unloaded of seawall"} {
		if !strings.Contains(out.String(), name) {
			t.Errorf("no %q in\n%s", name, out.String())
		}
	}
	if all := strings.Contains(out.String(), "All 2 targets met."); all != (code == exitOK) {
		t.Errorf("exit code %d, but\n%s", code, out.String())
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

// Ctrl-C in the middle of a crowd ends child and servers (the leak check of
// this package sees what stays behind) and writes nothing.
func TestInterrupt(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	out := &stopAt{text: "  bare       1.0 s", stop: cancel}
	var errs bytes.Buffer
	code := realMain(ctx, []string{"-duration", "1h", "-svg", filepath.Join(dir, "x.svg"), "-json", filepath.Join(dir, "x.json")}, out, &errs)
	if code != exitInterrupted || errs.String() != "flashcrowd: interrupted; nothing was written\n" {
		t.Errorf("exit code %d, %q", code, errs.String())
	}
	if files, _ := os.ReadDir(dir); len(files) > 0 {
		t.Errorf("%d files", len(files))
	}
	if strings.Contains(out.out.String(), "goodput") {
		t.Errorf("figures of half a run:\n%s", out.out.String())
	}
}

// A crowd that cannot start is an error with the run's name.
func TestPlayOnceFails(t *testing.T) {
	sc := scene(t, "10x")
	sc.End = sc.Start
	_, err := playOnce(t.Context(), quiet{&bytes.Buffer{}}, contenders[0], sc)
	if err == nil || !strings.Contains(err.Error(), "End must be") {
		t.Errorf("error %v", err)
	}
	sc = scene(t, "10x")
	sc.Load.Profile = spike.Profile{}
	if _, err := playOnce(t.Context(), quiet{&bytes.Buffer{}}, contenders[0], sc); err == nil {
		t.Error("a load without a profile: no error")
	}
}
