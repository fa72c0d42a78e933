package main

import (
	"testing"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/spike"
)

// scene is a standard scenario.
func scene(t *testing.T, name string) spike.Scenario {
	t.Helper()
	return parsed(t, "-scenario", name).trials[0].first
}

// madeUp is a run nobody has run: one request of each of three priorities a
// millisecond, of which those of a share of the priorities succeed within the
// spike and all outside of it.
func madeUp(sc spike.Scenario, succeed int) *run {
	rec := &spike.Record{Load: sc.Load, Elapsed: sc.Load.Duration}
	for at := time.Duration(0); at < sc.Load.Duration; at += 10 * time.Millisecond {
		for i := range 3 {
			s := spike.Sample{ID: uint64(len(rec.Samples)), Intended: at, Latency: 80 * time.Millisecond, Priority: seawall.Critical - seawall.Priority(i), Attempts: 1}
			if at >= sc.Start && at < sc.End && i >= succeed {
				s.Outcome = spike.Rejected
			}
			rec.Samples = append(rec.Samples, s)
		}
	}
	rec.Attempts = uint64(len(rec.Samples))
	r := &run{Seed: sc.Load.Seed, Figures: spike.Analyze(rec, sc, spike.BackendStats{}), Timeline: spike.Timeline(rec, 0), Shares: sharesOf(rec)}
	r.Figures.Journeys, r.Figures.Wasted, r.Figures.CPU = 0.5, 0.01, 0.2
	for at := time.Duration(0); at < sc.Load.Duration; at += time.Second {
		r.Looks = append(r.Looks, look{At: at, Limit: 20 + int(at/time.Second)})
	}
	return r
}

// madeUpBlock has all three contenders.
func madeUpBlock(sc spike.Scenario) *block {
	b := &block{Scenario: sc}
	for i, name := range []string{bareName, seawallName, oracleName} {
		r := madeUp(sc, i)
		r.Figures.Contender = name
		b.Results = append(b.Results, result{Contender: name, Runs: []run{*r}, Median: r.Figures})
	}
	return b
}

func TestShares(t *testing.T) {
	sc := scene(t, "10x")
	r := madeUp(sc, 1)
	if len(r.Shares) != 28 {
		t.Fatalf("%d windows in 14 s, want 28", len(r.Shares))
	}
	calm, full := r.Shares[0], r.Shares[8]
	if calm.Offered != [4]int{50, 50, 50, 0} || calm.Success != calm.Offered {
		t.Errorf("before the spike: %+v", calm)
	}
	if full.At != 4*time.Second || full.Offered != [4]int{50, 50, 50, 0} || full.Success != [4]int{50, 0, 0, 0} {
		t.Errorf("in the spike: %+v", full)
	}
}
