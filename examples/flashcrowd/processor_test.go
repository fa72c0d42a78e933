package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/seawall-go/seawall/spike"
)

// The scenario is of the measured capacity; five times it, whatever that is.
func TestProcessorWorld(t *testing.T) {
	o := parsed(t, "-check", "-all", "-scenario", processorScenario, "-seeds", "1")
	tr := &o.trials[0]
	if c := tr.first.Backend.Capacity(); len(o.trials) != 1 || c < processorGuess-1 || c > processorGuess+1 {
		t.Fatalf("before it is measured: %v requests/s in %d trials", c, len(o.trials))
	}
	p := &played{}
	o.player, o.measure = p.play, func(context.Context) (float64, error) { return 200, nil }
	blocks, err := o.play(t.Context(), quiet{&bytes.Buffer{}})
	if err != nil {
		t.Fatal(err)
	}
	sc := blocks[0].Scenario
	if c, peak := sc.Backend.Capacity(), sc.Load.Profile.Peak(); c < 199 || c > 201 || peak < 995 || peak > 1005 {
		t.Errorf("a capacity of %v is asked for %v", c, peak)
	}
	if got := strings.Join(p.asked, " "); got != processorScenario+"/seawall/1" {
		t.Errorf("played %s", got)
	}
}

func TestProcessorNotMeasured(t *testing.T) {
	o := parsed(t, "-check", "-all", "-scenario", processorScenario)
	o.player, o.measure = (&played{}).play, func(context.Context) (float64, error) { return 0, errors.New("no more processes") }
	_, err := o.play(t.Context(), quiet{&bytes.Buffer{}})
	if err == nil || err.Error() != "cpu:2ms, cpu-5x: no more processes" {
		t.Errorf("error %v", err)
	}
}

func TestSeenBy(t *testing.T) {
	var p spike.Progress
	p.ByPriority[0] = spike.PriorityCount{Requests: 5, Success: 3}
	p.ByPriority[2] = spike.PriorityCount{Requests: 7}
	s := seenBy(p)
	if s.ended != [4]uint64{5, 0, 7, 0} || s.served != [4]uint64{3, 0, 0, 0} {
		t.Errorf("seen: %+v", s)
	}
}

// A server process for each, measured and met by a crowd, and gone afterwards.
func TestProcessorOnSockets(t *testing.T) {
	var out, errs bytes.Buffer
	args := []string{"-check", "-all", "-scenario", processorScenario, "-duration", "1s", "-seeds", "1", "-json", ""}
	if code := realMain(t.Context(), args, &out, &errs); errs.Len() > 0 || code == exitUsage {
		t.Fatalf("exit code %d\n%s%s", code, out.String(), errs.String())
	}
	for _, want := range []string{"a bare server on one processor serves ", "cpu-5x: step to 5x what one processor can do", "seawall  done: goodput", "cpu:2ms, cpu-5x: Critical of seawall"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestProcessorFails(t *testing.T) {
	o := parsed(t, "-check", "-all", "-scenario", processorScenario)
	ghost := contender{name: "nobody"}
	if _, err := playOnce(t.Context(), quiet{&bytes.Buffer{}}, ghost, o.trials[0].first); err == nil || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("a site that is none: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := measureProcessor(ctx); err == nil {
		t.Error("measured after the end")
	}
}
