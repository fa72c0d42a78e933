package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/seawall-go/seawall/spike"
)

// played replaces playOnce: it hands out made-up runs and notes who was asked.
type played struct {
	asked  []string
	lag    []float64               // seconds, of the runs in order; the last for all others
	points map[string]spike.Number // by contender; 100 for the others
	fail   error
}

func (p *played) play(_ context.Context, c contender, sc spike.Scenario) (*run, error) {
	p.asked = append(p.asked, fmt.Sprintf("%s/%s/%d", sc.Name, c.name, sc.Load.Seed))
	if p.fail != nil {
		return nil, p.fail
	}
	r := &run{Seed: sc.Load.Seed, Figures: spike.Figures{Scenario: sc.Name, Contender: c.name, Goodput: 0.5, Critical: 0.25, Value: 100}}
	if v, ok := p.points[c.name]; ok {
		r.Figures.Value = v
	}
	if n := len(p.lag); n > 0 {
		r.Figures.LagP99 = spike.Number(p.lag[min(len(p.asked), n)-1])
	}
	return r, nil
}

func TestPlaysEveryCrowdAtEveryContender(t *testing.T) {
	p := &played{}
	o := parsed(t, "-scenario", "calm,10x", "-seeds", "2", "-seed", "7", "-contenders", "bare,seawall")
	o.player = p.play
	var out bytes.Buffer
	if code, err := o.compare(t.Context(), &out); err != nil || code != exitOK {
		t.Fatalf("exit code %d, %v", code, err)
	}
	want := "calm/bare/7 calm/seawall/7 calm/bare/8 calm/seawall/8 10x/bare/7 10x/seawall/7 10x/bare/8 10x/seawall/8"
	if got := strings.Join(p.asked, " "); got != want {
		t.Errorf("played %s, want %s", got, want)
	}
	if text := out.String(); !strings.HasPrefix(text, "8 runs, about 1m58s in all.\n") || !strings.Contains(text, "seawall         goodput 50.0 %, Critical 25.0 %") {
		t.Errorf("said\n%s", text)
	}
}

// -check is about value, and only about those who do not know the capacity.
func TestCheck(t *testing.T) {
	for _, c := range []struct {
		points map[string]spike.Number
		code   int
		says   string
	}{
		{map[string]spike.Number{"bare": 20}, exitOK, "seawall is first in all 2 scenarios."},
		{map[string]spike.Number{"rate": 200, "conns": 200}, exitOK, "seawall is first in all 2 scenarios."},
		{map[string]spike.Number{seawallName: 99.8}, exitOK, "seawall is first"}, // a tie
		{map[string]spike.Number{seawallName: 99}, exitFailed, "not first in\n  calm: seawall 0.990, the best 1.000\n  3x: seawall 0.990, the best 1.000\n"},
		{map[string]spike.Number{oracleName: 0}, exitFailed, "not first in\n  calm: seawall -, the best -\n"},
	} {
		o := parsed(t, "-check", "-scenario", "calm,3x")
		o.player = (&played{points: c.points}).play
		var out bytes.Buffer
		code, err := o.compare(t.Context(), &out)
		if err != nil || code != c.code || !strings.Contains(out.String(), c.says) {
			t.Errorf("%v: exit code %d, %v, want %d and %q\n%s", c.points, code, err, c.code, c.says, out.String())
		}
	}
}

// A check repeats a run of a busy machine, twice at most, and the least
// disturbed of them counts.
func TestBusyMachine(t *testing.T) {
	for _, c := range []struct {
		lag      []float64
		check    bool
		runs     int
		notes    int
		repeated int
		kept     float64
	}{
		{[]float64{0.02}, true, 1, 0, 0, 0.02},
		{[]float64{0.021, 0.001}, true, 2, 1, 1, 0.001},
		{[]float64{0.5, 0.03, 0.4, 0.001}, true, 3, 3, 2, 0.03},
		{[]float64{0.5, 0.001}, false, 1, 1, 0, 0.5},
	} {
		p := &played{lag: c.lag}
		o := parsed(t)
		o.check, o.player = c.check, p.play
		var out bytes.Buffer
		r, err := o.playSteadily(t.Context(), &out, contenders[0], o.scenarios[0])
		if err != nil {
			t.Fatal(err)
		}
		if len(p.asked) != c.runs || strings.Count(out.String(), "note: ") != c.notes || r.Repeated != c.repeated || float64(r.Figures.LagP99) != c.kept {
			t.Errorf("lags of %v s: %d runs, repeated %d, kept %v s\n%s", c.lag, len(p.asked), r.Repeated, r.Figures.LagP99, out.String())
		}
	}
}

func TestFailuresNameTheRun(t *testing.T) {
	o := parsed(t)
	o.player = (&played{fail: errors.New("no more ports")}).play
	if _, err := o.play(t.Context(), io.Discard); err == nil || err.Error() != "10x, bare: no more ports" {
		t.Errorf("error %v", err)
	}
}

// The value is the median of the ratios, each within one crowd.
func TestValue(t *testing.T) {
	runs := func(points ...spike.Number) (r []run) {
		for i, p := range points {
			r = append(r, run{Figures: spike.Figures{Goodput: spike.Number(i), Value: p}})
		}
		return r
	}
	b := block{Results: []result{
		{Contender: "bare", Runs: runs(10, 60, 90)},
		{Contender: oracleName, Runs: runs(100, 200, 300), Knows: true},
	}}
	b.sum()
	if got := b.Results[0]; got.Value != 0.3 || got.Median.Goodput != 1 {
		t.Errorf("value %v, goodput %v, want 0.3 and 1", got.Value, got.Median.Goodput)
	}
	if got := b.Results[1].Value; got != 1 {
		t.Errorf("the oracle's own value is %v", got)
	}
	b.Results[1].Runs[0].Figures.Value = 0 // nothing to compare with
	if b.sum(); b.Results[0].Value != 0.3 {
		t.Errorf("of the two that compare %v, want 0.3", b.Results[0].Value)
	}
	b.Results = b.Results[:1]
	b.sum()
	if got := float64(b.Results[0].Value); !math.IsNaN(got) {
		t.Errorf("without an oracle the value is %v", got)
	}
}
