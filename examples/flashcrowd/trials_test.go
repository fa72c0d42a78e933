package main

import (
	"bytes"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/seawall-go/seawall/spike"
)

// Every backend and every crowd, in the time that was promised.
func TestAllTrials(t *testing.T) {
	o := parsed(t, "-check", "-all")
	least, soon := o.runs(2)
	most, late := o.runs(3)
	if o.seeds != 3 || soon > 22*time.Minute || late > 32*time.Minute {
		t.Errorf("%d to %d runs of %d seeds in %v to %v", least, most, o.seeds, soon, late)
	}
	if want := fmt.Sprintf("%d to %d crowds to run, ", least, most); !strings.HasPrefix(o.plan(), want) {
		t.Errorf("the plan is %q", o.plan())
	}
	n := 0
	for i := range o.trials {
		tr := &o.trials[i]
		n += len(tr.targets)
		if len(o.contendersFor(tr)) == 0 {
			t.Errorf("%s: nobody runs", tr.name())
		}
		if err := tr.first.Validate(); err != nil {
			t.Errorf("%s: %v", tr.name(), err)
		}
	}
	if n != len(allTargets) {
		t.Errorf("the trials have %d targets, want %d", n, len(allTargets))
	}
}

// Spikes are as long as the targets were made for.
func TestLengths(t *testing.T) {
	want := map[string]time.Duration{"abusers": 9 * time.Second, "abusers-long": 18 * time.Second, "long": 30 * time.Second, "slower": 6 * time.Second}
	for _, tr := range parsed(t, "-check", "-all").trials {
		if d, ok := want[tr.first.Name]; ok && (tr.first.End-tr.first.Start-d).Abs() > time.Millisecond {
			t.Errorf("%s: a spike of %v, want %v", tr.name(), tr.first.End-tr.first.Start, d)
		}
	}
	for _, tr := range parsed(t, "-check", "-all", "-duration", "7s").trials {
		if tr.duration != 7*time.Second {
			t.Errorf("%s: %v, want the 7 s of the command line", tr.name(), tr.duration)
		}
	}
}

// The third crowd is sent only where the first two do not agree, and where
// every single run counts.
func TestSettled(t *testing.T) {
	for _, c := range []struct {
		scenario string
		args     string
		badBy    uint64
		crowds   int
	}{
		{"3x", "-all -scenario mild,slower", 0, 2},
		{"slower", "-all -scenario slower", 0, 2}, // bad in both
		{"slower", "-all -scenario slower", 1, 3},
		{"slower", "-all -scenario slower", 2, 3},
		{"3x", "-all -scenario slower-low", 0, 3},
		{"3x", "-all -scenario slower -seeds 5", 0, 3},
		{"slower", "-all -scenario slower -seeds 5", 1, 5},
		{"3x", "-all -scenario mild -seeds 1", 0, 1},
		{"3x", "-scenario 10x", 0, 3},
	} {
		p := &played{bad: c.scenario, badBy: c.badBy}
		_, out, err := demonstrated(t, p, append([]string{"-check"}, strings.Fields(c.args)...)...)
		if err != nil {
			t.Fatal(err)
		}
		asked := 0
		for _, a := range p.asked {
			if strings.Contains(a, "/seawall/") {
				asked++
			}
		}
		if trials := strings.Count(c.args, ",") + 1; asked != c.crowds*trials {
			t.Errorf("%s, bad in %s: seawall had %d crowds in %d trials, want %d each\n%s", c.args, c.scenario, asked, trials, c.crowds, out)
		}
	}
}

func TestCheckAllPasses(t *testing.T) {
	p := &played{}
	code, out, err := demonstrated(t, p, "-check", "-all")
	if want := fmt.Sprintf("All %d targets met.", len(allTargets)+2); err != nil || code != exitOK || !strings.Contains(out, want) {
		t.Errorf("exit code %d, %v\n%s", code, err, out)
	}
	for _, want := range []string{"note: 3 of ", "routes of 8xbimodal:5ms:0.9:200ms, 3x: goodput", "mean of 16 scenarios: value of seawall", "1.000x", "2 that agree", "serves 400 requests a second"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func TestJudgeValue(t *testing.T) {
	blocks := perfect(allTargets)
	low := &blocks[findBlock(blocks, "4x80ms", "10x")]
	low.of(seawallName).Median.Value = 900
	found := judgeValue(blocks)
	n := float64(len(blocks))
	if len(found) != 2 || !found[0].Met || math.Abs(float64(found[0].Measured)-(n-0.1)/n) > 1e-9 {
		t.Errorf("the mean: %+v", found)
	}
	if f := found[1]; f.Met || f.Target != "worst scenario (4x80ms, 10x): value of seawall" || f.text != "0.900x" || f.Promise != ">= 0.93x that of oracle" {
		t.Errorf("the worst: %+v", f)
	}
	low.of(oracleName).Median.Value = spike.None
	for _, f := range judgeValue(blocks) {
		if f.Met {
			t.Errorf("a value that was not measured: %+v", f)
		}
	}
	if got := judgeValue(blocks[:0]); got != nil {
		t.Errorf("nothing run: %+v", got)
	}
}

// Of runs that each must do, the worst counts.
func TestWorstRun(t *testing.T) {
	runs := func(v ...spike.Number) (all []run) {
		for _, v := range v {
			all = append(all, run{Figures: spike.Figures{Goodput: v}})
		}
		return all
	}
	up, down := target{metric: goodput, is: atLeast}, target{metric: goodput, is: atMost}
	if up.worst(runs(0.9, 0.7, 0.8)) != 0.7 || down.worst(runs(0.8, 0.9, 0.7)) != 0.9 {
		t.Error("not the worst")
	}
	for _, of := range [][]run{nil, runs(spike.None, 1), runs(1, spike.None, 1)} {
		if got := up.worst(of); !math.IsNaN(float64(got)) {
			t.Errorf("of %d runs with nothing measured: %v", len(of), got)
		}
	}
}

// A routed backend has a route for each kind of work, and seawall knows them.
func TestRouted(t *testing.T) {
	o := parsed(t, "-check", "-all")
	tr := &o.trials[len(o.trials)-2]
	if !strings.HasPrefix(tr.name(), "routes of 8xbimodal") || len(tr.first.Load.Routes) != 2 || tr.first.Load.Routes[0] != 0.9 {
		t.Fatalf("%s: routes %v", tr.name(), tr.first.Load.Routes)
	}
	g, err := newSeawall(tr.first)
	if err != nil {
		t.Fatal(err)
	}
	h := g.middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	for _, path := range []string{"/critical/r0", "/sheddable/r1"} {
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil)); w.Code != http.StatusNoContent {
			t.Errorf("%s: status %d", path, w.Code)
		}
	}
	if _, err := o.worldOf("8xsaw:1s", time.Second, 1); err == nil || !strings.Contains(err.Error(), `backend "8xsaw:1s": `) {
		t.Errorf("a backend that is none: %v", err)
	}
}

// A lost slot, a route and an abuser, small but real.
func TestAllOnSockets(t *testing.T) {
	var out, errs bytes.Buffer
	args := []string{"-check", "-all", "-scenario", "lost,abusers", "-duration", "1s", "-seeds", "1", "-json", "", "-quiet"}
	code := realMain(t.Context(), args, &out, &errs)
	if errs.Len() > 0 || code == exitUsage {
		t.Fatal(errs.String())
	}
	for _, want := range []string{"lost: value of seawall", "abusers: success of the honest of seawall", "mean of 1 scenario: "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "abusers: success of the honest of seawall  -") {
		t.Errorf("no abusers were measured:\n%s", out.String())
	}
}
