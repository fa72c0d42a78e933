package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/seawall-go/seawall/spike"
)

// run is one contender in one crowd.
type run struct {
	Seed     uint64        `json:"seed"`
	Figures  spike.Figures `json:"figures"`
	Repeated int           `json:"repeated,omitempty"` // because the machine was late
	// Timeline is what came of the requests, by tenths of a second; Shares the
	// success by priority, by half seconds; Looks the contender's own state.
	Timeline []spike.Bucket `json:"timeline"`
	Shares   []share        `json:"success_by_priority"`
	Looks    []look         `json:"state,omitempty"`
}

// result is one contender in all crowds of one scenario.
type result struct {
	Contender string        `json:"contender"`
	Median    spike.Figures `json:"median"`
	Runs      []run         `json:"runs"`
}

// block is all contenders in one scenario. The scenario is that of the first
// seed.
type block struct {
	// Backend is which one it is, where there are several.
	Backend  string         `json:"backend,omitempty"`
	Scenario spike.Scenario `json:"scenario"`
	Results  []result       `json:"results"`
}

func (b *block) name() string { return nameOn(b.Backend, b.Scenario.Name) }

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

// play sends every crowd at every contender.
func (o *options) play(ctx context.Context, live display) ([]block, error) {
	var blocks []block
	started := time.Now()
	for i := range o.trials {
		if o.all {
			live.note(fmt.Sprintf("%d of %d (%s), after %v", i+1, len(o.trials), o.trials[i].name(), round(time.Since(started))))
		}
		b, err := o.playTrial(ctx, live, &o.trials[i])
		if err != nil {
			return nil, err
		}
		blocks = append(blocks, *b)
	}
	return blocks, nil
}

// playTrial sends the crowds of one trial. With -all, those that could not
// change the verdict are left out.
func (o *options) playTrial(ctx context.Context, live display, t *trial) (*block, error) {
	if t.backend == processorBackend {
		if err := o.sizeProcessor(ctx, live, t); err != nil {
			return nil, fmt.Errorf("%s: %w", t.name(), err)
		}
	}
	b := &block{Backend: t.backend, Scenario: t.first}
	who := o.contendersFor(t)
	for _, c := range who {
		b.Results = append(b.Results, result{Contender: c.name})
	}
	for n := 0; n < o.seeds && !(o.all && n > 0 && t.settled(b, o.seeds)); n++ {
		sc, err := o.sceneOf(t, o.seed+uint64(n))
		if err != nil {
			return nil, err
		}
		live.begin(sc, who)
		for i, c := range who {
			r, err := o.playSteadily(ctx, live, c, sc)
			if err != nil {
				return nil, fmt.Errorf("%s, %s: %w", t.name(), c.name, err)
			}
			b.Results[i].Runs = append(b.Results[i].Runs, *r)
		}
		live.end()
	}
	for i := range b.Results {
		b.Results[i].Median = medianOf(b.Results[i].Runs)
	}
	return b, nil
}

// playSteadily repeats a run that a check cannot use. If the machine stays
// busy, the run that it disturbed least counts.
func (o *options) playSteadily(ctx context.Context, live display, c contender, sc spike.Scenario) (*run, error) {
	var best *run
	for repeated := 0; ; repeated++ {
		r, err := o.player(ctx, live, c, sc)
		if err != nil {
			return nil, err
		}
		if best == nil || r.lag() < best.lag() {
			best = r
		}
		best.Repeated = repeated
		if r.lag() <= maxLag {
			return best, nil
		}
		again := o.check && repeated < maxRepeats
		what := "this machine was too busy to trust the figures"
		if again {
			what = "repeating the run"
		}
		live.note(fmt.Sprintf("%s, %s, seed %d: requests were sent late (p99 %v); %s",
			sc.Name, c.name, sc.Load.Seed, r.lag().Round(100*time.Microsecond), what))
		if !again {
			return best, nil
		}
	}
}

// lag is the 99th percentile of how late requests were sent.
func (r *run) lag() time.Duration {
	return time.Duration(float64(r.Figures.LagP99) * float64(time.Second))
}

// player sends one crowd at one contender. It is playOnce, but in tests.
type player func(ctx context.Context, live display, c contender, sc spike.Scenario) (*run, error)

// playOnce sends one crowd at one contender.
func playOnce(ctx context.Context, live display, c contender, sc spike.Scenario) (*run, error) {
	if sc.Name == processorScenario {
		return playProcessor(ctx, live, c, sc)
	}
	runtime.GC() // what the last contender left behind is not this one's burden
	s, err := openSite(ctx, c, sc)
	if err != nil {
		return nil, err
	}
	defer s.close(ctx)
	var looks []look
	progress := func(p spike.Progress) {
		if s.guard.look != nil {
			l := s.guard.look()
			l.At = p.At
			looks = append(looks, l)
		}
		live.update(c.name, p, s.meter.read())
	}
	rec, stats, err := sc.Follow(s.guard.oracle).Run(ctx, s.backend, spike.InChild(s.url), progress)
	if err != nil {
		return nil, err
	}
	r := newRun(c, sc, rec, stats)
	r.Looks = looks
	live.done(c.name, r)
	if text := s.says.complaint(); text != "" {
		live.note(sc.Name + ", " + c.name + ": " + text)
	}
	return r, nil
}

// newRun draws up what the clients have seen.
func newRun(c contender, sc spike.Scenario, rec *spike.Record, stats spike.BackendStats) *run {
	r := &run{Seed: sc.Load.Seed, Figures: spike.Analyze(rec, sc, stats), Timeline: spike.Timeline(rec, 0), Shares: sharesOf(rec)}
	r.Figures.Contender = c.name
	return r
}

func medianOf(runs []run) spike.Figures {
	figures := make([]spike.Figures, 0, len(runs))
	for i := range runs {
		figures = append(figures, runs[i].Figures)
	}
	return spike.Median(figures)
}
