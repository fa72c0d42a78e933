package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seawall-go/seawall/spike"
)

// played replaces playOnce: it hands out made-up runs and notes who was asked.
type played struct {
	asked []string
	lag   []float64 // seconds, of the runs in order; the last for all others
	fail  error
	bad   string // scenario in which seawall misses a target
	badBy uint64 // with this seed only, if not 0
}

func (p *played) play(_ context.Context, live display, c contender, sc spike.Scenario) (*run, error) {
	p.asked = append(p.asked, fmt.Sprintf("%s/%s/%d", sc.Name, c.name, sc.Load.Seed))
	if p.fail != nil {
		return nil, p.fail
	}
	r := &run{Seed: sc.Load.Seed, Figures: perfect(targets)[0].of(c.name).Median}
	r.Figures.Scenario, r.Figures.Contender = sc.Name, c.name
	if sc.Name == p.bad && c.name == seawallName && (p.badBy == 0 || p.badBy == sc.Load.Seed) {
		r.Figures.Critical = 0.5
	}
	if n := len(p.lag); n > 0 {
		r.Figures.LagP99 = spike.Number(p.lag[min(len(p.asked), n)-1])
	}
	live.done(c.name, r)
	return r, nil
}

// demonstrated is the output of a demonstration with made-up runs.
func demonstrated(t *testing.T, p *played, args ...string) (code int, out string, err error) {
	t.Helper()
	o := parsed(t, append(args, "-svg", "", "-json", filepath.Join(t.TempDir(), "x.json"))...)
	o.player, o.measure = p.play, func(context.Context) (float64, error) { return 400, nil }
	var b bytes.Buffer
	code, err = o.demonstrate(t.Context(), &b)
	return code, b.String(), err
}

func TestPlaysEveryCrowdAtEveryContender(t *testing.T) {
	p := &played{}
	code, out, err := demonstrated(t, p, "-scenario", "calm,10x", "-seeds", "2", "-seed", "7", "-contenders", "bare,seawall")
	if err != nil || code != exitOK {
		t.Fatalf("exit code %d, %v", code, err)
	}
	want := "calm/bare/7 calm/seawall/7 calm/bare/8 calm/seawall/8 10x/bare/7 10x/seawall/7 10x/bare/8 10x/seawall/8"
	if got := strings.Join(p.asked, " "); got != want {
		t.Errorf("played %s, want %s", got, want)
	}
	if !strings.Contains(out, "8 crowds to run") || !strings.Contains(out, "medians of 2 crowds") || strings.Contains(out, "targets") {
		t.Errorf("said\n%s", out)
	}
}

func TestCheckPasses(t *testing.T) {
	p := &played{}
	code, out, err := demonstrated(t, p, "-check")
	if err != nil || code != exitOK || !strings.Contains(out, fmt.Sprintf("All %d targets met.", len(targets))) {
		t.Errorf("exit code %d, %v\n%s", code, err, out)
	}
	if len(p.asked) != 39 {
		t.Errorf("%d runs, want 39", len(p.asked))
	}
}

func TestCheckFailsByName(t *testing.T) {
	code, out, err := demonstrated(t, &played{bad: "cold"}, "-check")
	if err != nil || code != exitFailed || !strings.Contains(out, "targets missed:\n  cold: Critical of seawall\n") {
		t.Errorf("exit code %d, %v\n%s", code, err, out)
	}
	code, out, err = demonstrated(t, &played{bad: "10x"}, "-check", "-short", "-quiet")
	if err != nil || code != exitFailed || !strings.Contains(out, "targets missed:\n  10x: Critical of seawall\n") {
		t.Errorf("exit code %d, %v\n%s", code, err, out)
	}
}

// A check repeats a run of a busy machine, twice at most, and says so.
func TestBusyMachine(t *testing.T) {
	for _, c := range []struct {
		lag   []float64
		args  string
		runs  int
		notes int
		last  string
	}{
		{[]float64{0.02}, "-check -scenario calm -seeds 1", 2, 0, ""},
		{[]float64{0.021, 0.001}, "-check -scenario calm -seeds 1", 3, 1, "repeating the run"},
		{[]float64{0.5, 0.5, 0.001}, "-check -scenario calm -seeds 1", 4, 2, "repeating the run"},
		{[]float64{0.5, 0.5, 0.5, 0.001}, "-check -scenario calm -seeds 1", 4, 3, "too busy"},
		{[]float64{0.5}, "-scenario calm -contenders bare", 1, 1, "too busy"},
	} {
		p := &played{lag: c.lag}
		_, out, err := demonstrated(t, p, strings.Fields(c.args)...)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.asked) != c.runs || strings.Count(out, "note: ") != c.notes {
			t.Errorf("%s, lags of %v s: %d runs and %d notes, want %d and %d\n%s", c.args, c.lag, len(p.asked), strings.Count(out, "note: "), c.runs, c.notes, out)
		}
		notes := strings.Split(out, "note: ")
		if last := notes[len(notes)-1]; !strings.Contains(last, c.last) {
			t.Errorf("%s, lags of %v s: the last note is %q", c.args, c.lag, last)
		}
	}
}

func TestRepetitionsAreRecorded(t *testing.T) {
	o := parsed(t, "-check", "-scenario", "calm", "-seeds", "1")
	o.player = (&played{lag: []float64{0.5, 0.001}}).play
	blocks, err := o.play(t.Context(), quiet{&bytes.Buffer{}})
	if err != nil {
		t.Fatal(err)
	}
	if got := blocks[0].of(bareName).Runs[0].Repeated; got != 1 {
		t.Errorf("repeated %d times, want 1", got)
	}
}

// Of runs that were all disturbed the best one counts.
func TestTheLeastDisturbedRunCounts(t *testing.T) {
	o := parsed(t, "-check", "-scenario", "calm", "-seeds", "1")
	o.player = (&played{lag: []float64{0.5, 0.03, 0.4, 0.001}}).play
	blocks, err := o.play(t.Context(), quiet{&bytes.Buffer{}})
	if err != nil {
		t.Fatal(err)
	}
	if r := blocks[0].of(bareName).Runs[0]; r.Figures.LagP99 != 0.03 || r.Repeated != 2 {
		t.Errorf("lag %v after %d repetitions, want 0.03 and 2", r.Figures.LagP99, r.Repeated)
	}
}

func TestFailuresNameTheRun(t *testing.T) {
	_, _, err := demonstrated(t, &played{fail: errors.New("no more ports")})
	if err == nil || err.Error() != "10x, bare: no more ports" {
		t.Errorf("error %v", err)
	}
}

func TestMedianOf(t *testing.T) {
	runs := []run{{Figures: spike.Figures{Goodput: 0.1}}, {Figures: spike.Figures{Goodput: 0.9}}, {Figures: spike.Figures{Goodput: 0.8}}}
	if got := medianOf(runs).Goodput; got != 0.8 {
		t.Errorf("got %v, want 0.8", got)
	}
}

func TestNothingIsWrittenAfterAFailure(t *testing.T) {
	dir := t.TempDir()
	o := parsed(t, "-svg", filepath.Join(dir, "x.svg"), "-json", filepath.Join(dir, "x.json"), "-quiet")
	o.player = (&played{fail: errors.New("x")}).play
	if code, err := o.demonstrate(t.Context(), &bytes.Buffer{}); code != exitFailed || err == nil {
		t.Errorf("exit code %d, %v", code, err)
	}
	if files, _ := os.ReadDir(dir); len(files) > 0 {
		t.Errorf("%d files", len(files))
	}
}
