package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/seawall-go/seawall/spike"
)

// A server whose resource is the processor: in a process of its own, with
// GOMAXPROCS=1, computing for two milliseconds a request. No latency tells when
// it is full, since requests wait for the processor before their handler is
// called. -all is where it is met.
const (
	processorBackend  = "cpu:2ms"
	processorScenario = "cpu-5x"
	processorWork     = 2 * time.Millisecond
	// processorGuess is about what it serves, until that is measured.
	processorGuess = 450
	processorPeak  = 5 // times the capacity
)

// processorSites are what this program serves in that process: the contenders
// that need to know nothing.
var processorSites = spike.Sites{
	bareName:    func(string) (spike.Site, error) { return processorSite(newBare) },
	seawallName: func(string) (spike.Site, error) { return processorSite(newSeawall) },
}

func processorSite(build func(spike.Scenario) (*guard, error)) (spike.Site, error) {
	burner, err := spike.NewBurner(spike.BurnerConfig{Work: processorWork})
	if err != nil {
		return spike.Site{}, err
	}
	g, err := build(spike.Scenario{})
	if err != nil {
		return spike.Site{}, err
	}
	return spike.Site{Handler: g.middleware(burner.Handler()), Stats: burner.Stats}, nil
}

// processorWorld is the one scenario of a server with such a capacity, in
// requests a second.
func (o *options) processorWorld(duration time.Duration, seed uint64) ([]spike.Scenario, error) {
	capacity := o.processor
	if capacity == 0 {
		capacity = processorGuess
	}
	backend, err := spike.OneQueue(capacity, 0)
	if err != nil {
		return nil, err
	}
	all, err := spike.Scenarios(spike.ScenarioConfig{
		Backend: backend, Mix: o.mix, Peak: processorPeak / spike.Calm, Duration: duration, Seed: seed,
	})
	if err != nil {
		return nil, err
	}
	sc := all[peakStep(all)]
	sc.Name, sc.Title = processorScenario, fmt.Sprintf("step to %dx what one processor can do", processorPeak)
	return []spike.Scenario{sc}, nil
}

// measureProcessor asks the bare server for as much as it can give.
func measureProcessor(ctx context.Context) (float64, error) {
	s, err := spike.StartServer(ctx, spike.ServerConfig{Name: bareName})
	if err != nil {
		return 0, err
	}
	defer func() { _, _ = s.Close(ctx) }()
	target, err := spike.NewHTTPTarget(spike.HTTPConfig{URL: s.URL()})
	if err != nil {
		return 0, err
	}
	defer target.Close()
	return spike.MeasureCapacity(ctx, target.Do, 4, time.Second)
}

// sizeProcessor makes the trial one of the measured capacity.
func (o *options) sizeProcessor(ctx context.Context, live display, t *trial) (err error) {
	if o.processor, err = o.measure(ctx); err != nil {
		return err
	}
	live.note(fmt.Sprintf("a bare server on one processor serves %s requests a second", thousands(o.processor)))
	t.first, err = o.sceneOf(t, o.seed)
	return err
}

// playProcessor is playOnce for it.
func playProcessor(ctx context.Context, live display, c contender, sc spike.Scenario) (*run, error) {
	runtime.GC()
	s, err := spike.StartServer(ctx, spike.ServerConfig{Name: c.name})
	if err != nil {
		return nil, err
	}
	rec, stats, err := sc.RunServer(ctx, s, spike.InChild(s.URL()), func(p spike.Progress) { live.update(c.name, p, seenBy(p)) })
	_, closeErr := s.Close(ctx)
	if err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, err
	}
	r := newRun(c, sc, rec, stats.Backend)
	live.done(c.name, r)
	return r, nil
}

// seenBy is what the clients have seen, where the server is out of sight.
func seenBy(p spike.Progress) (s seen) {
	for i, n := range p.ByPriority {
		s.ended[i], s.served[i] = n.Requests, n.Success
	}
	return s
}
