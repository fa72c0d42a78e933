package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"time"

	"github.com/seawall-go/seawall/spike"
)

// run is one contender in one crowd.
type run struct {
	Seed    uint64        `json:"seed"`
	Figures spike.Figures `json:"figures"`
	// Repeated is how often the machine was too late to count.
	Repeated int `json:"repeated,omitempty"`

	says string
}

// result is one contender in all crowds of one scenario.
type result struct {
	Contender string        `json:"contender"`
	Knows     bool          `json:"knows_the_capacity,omitempty"`
	Median    spike.Figures `json:"median"`
	// Value is the median of the figure as a part of the oracle's in the same
	// crowd; none without an oracle.
	Value spike.Number `json:"value"`
	Runs  []run        `json:"runs"`
}

// block is all contenders in one scenario.
type block struct {
	Scenario string   `json:"scenario"`
	Title    string   `json:"title"`
	Results  []result `json:"results"`
}

// of returns a contender's result, nil when it has none.
func (b *block) of(contender string) *result {
	for i := range b.Results {
		if b.Results[i].Contender == contender {
			return &b.Results[i]
		}
	}
	return nil
}

// maxLag is the 99th percentile of the send lag above which a run says more
// about the machine than about the contender; maxRepeats is how often -check
// tries such a run again.
const (
	maxLag     = 20 * time.Millisecond
	maxRepeats = 2
)

// player sends one crowd at one contender. It is playOnce, but in tests.
type player func(ctx context.Context, c contender, sc spike.Scenario) (*run, error)

// play sends every crowd at every contender, one at a time.
func (o *options) play(ctx context.Context, out io.Writer) ([]block, error) {
	var blocks []block
	for _, first := range o.scenarios {
		b := block{Scenario: first.Name, Title: first.Title}
		for _, c := range o.contenders {
			b.Results = append(b.Results, result{Contender: c.name, Knows: c.knows})
		}
		for n := range o.seeds {
			sc, err := o.sceneOf(first.Name, o.seed+uint64(n))
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(out, "%s: %s, seed %d\n", sc.Name, sc.Title, sc.Load.Seed)
			for i, c := range o.contenders {
				r, err := o.playSteadily(ctx, out, c, sc)
				if err != nil {
					return nil, fmt.Errorf("%s, %s: %w", sc.Name, c.name, err)
				}
				b.Results[i].Runs = append(b.Results[i].Runs, *r)
			}
		}
		b.sum()
		blocks = append(blocks, b)
	}
	return blocks, nil
}

// playSteadily repeats a run that -check cannot use, and tells what came of it.
// If the machine stays busy, the run that it disturbed least counts.
func (o *options) playSteadily(ctx context.Context, out io.Writer, c contender, sc spike.Scenario) (*run, error) {
	var best *run
	for repeated := 0; ; repeated++ {
		r, err := o.player(ctx, c, sc)
		if err != nil {
			return nil, err
		}
		if best == nil || r.lag() < best.lag() {
			best = r
		}
		best.Repeated = repeated
		again := r.lag() > maxLag && o.check && repeated < maxRepeats
		if r.lag() > maxLag {
			fmt.Fprintf(out, "  note: %s: requests were sent late (p99 %v): the machine was busy\n", c.name, r.lag().Round(100*time.Microsecond))
		}
		if r.says != "" {
			fmt.Fprintf(out, "  note: %s: %s\n", c.name, r.says)
		}
		if !again {
			break
		}
	}
	f := &best.Figures
	fmt.Fprintf(out, "  %-14s  goodput %s, Critical %s\n", c.name, percent(f.Goodput), percent(f.Critical))
	return best, nil
}

// lag is the 99th percentile of how late requests were sent.
func (r *run) lag() time.Duration {
	return time.Duration(float64(r.Figures.LagP99) * float64(time.Second))
}

// playOnce sends one crowd at one contender.
func playOnce(ctx context.Context, c contender, sc spike.Scenario) (*run, error) {
	runtime.GC() // what the last contender left behind is not this one's burden
	s, err := openSite(ctx, c, sc)
	if err != nil {
		return nil, err
	}
	defer s.close(ctx)
	rec, stats, err := sc.Follow(s.guard.oracle).Run(ctx, s.backend, spike.InChild(s.url), nil)
	if err != nil {
		return nil, err
	}
	r := &run{Seed: sc.Load.Seed, Figures: spike.Analyze(rec, sc, stats), says: s.says.complaint()}
	r.Figures.Contender = c.name
	return r, nil
}

// sum draws medians and values from the runs.
func (b *block) sum() {
	oracle := b.of(oracleName)
	for i := range b.Results {
		r := &b.Results[i]
		var figures []spike.Figures
		var values []float64
		for n := range r.Runs {
			figures = append(figures, r.Runs[n].Figures)
			if oracle != nil {
				values = append(values, float64(spike.ValueRatio(r.Runs[n].Figures, oracle.Runs[n].Figures)))
			}
		}
		r.Median = spike.Median(figures)
		r.Value = median(values)
	}
}

func median(values []float64) spike.Number {
	values = slices.DeleteFunc(values, math.IsNaN)
	if len(values) == 0 {
		return spike.None
	}
	slices.Sort(values)
	n := len(values)
	return spike.Number((values[(n-1)/2] + values[n/2]) / 2)
}
