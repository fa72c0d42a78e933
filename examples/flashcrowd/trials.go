package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seawall-go/seawall/spike"
)

// trial is one scenario on one backend.
type trial struct {
	// backend is what -backend takes, with a prefix for what it cannot say; ""
	// is the backend of the command line.
	backend  string
	duration time.Duration
	// first is the scenario of the first seed.
	first spike.Scenario
	// targets it is measured against.
	targets []target
}

// routed in front of a backend makes a route of each mode of its service time.
const routed = "routes of "

// name is the scenario's, and the backend's where there are several.
func (t *trial) name() string { return nameOn(t.backend, t.first.Name) }

func nameOn(backend, scenario string) string {
	if backend == "" {
		return scenario
	}
	return backend + ", " + scenario
}

// sceneOf is the trial's scenario for one seed.
func (o *options) sceneOf(t *trial, seed uint64) (spike.Scenario, error) {
	all, err := o.worldOf(t.backend, t.duration, seed)
	if err != nil {
		return spike.Scenario{}, err
	}
	picked, err := pickScenarios(all, t.first.Name)
	if err != nil {
		return spike.Scenario{}, err
	}
	return picked[0], nil
}

// world lists the scenarios of the command line's backend for one seed.
func (o *options) world(seed uint64) ([]spike.Scenario, error) {
	return o.worldOf("", o.duration, seed)
}

// worldOf lists the scenarios of one backend for one seed.
func (o *options) worldOf(backend string, duration time.Duration, seed uint64) ([]spike.Scenario, error) {
	if backend == processorBackend {
		return o.processorWorld(duration, seed)
	}
	cfg := spike.ScenarioConfig{Backend: o.backend, Mix: o.mix, Peak: o.peak, Duration: duration, Seed: seed}
	text, withRoutes := strings.CutPrefix(backend, routed)
	if backend != "" {
		var err error
		if cfg.Backend, err = spike.ParseBackend(text); err != nil {
			return nil, fmt.Errorf("backend %q: %w", backend, err)
		}
	}
	all, err := spike.Scenarios(cfg)
	if err != nil {
		return nil, err
	}
	more, err := spike.MoreScenarios(cfg)
	if err != nil {
		return nil, err
	}
	all = append(all, more...)
	if withRoutes {
		for i := range all {
			for _, mode := range cfg.Backend.Service.Modes {
				all[i].Load.Routes = append(all[i].Load.Routes, mode.Share)
			}
		}
	}
	return all, nil
}

// trialsOf are those of a list of targets, in the order in which they are first
// asked about (what is asked about the world is asked on the way), but only
// the scenarios that only names; all when it is empty.
func (o *options) trialsOf(list []target, only string, ownDuration bool) ([]trial, error) {
	names := strings.Split(only, ",")
	var trials []trial
	for _, t := range list {
		if t.world() || slices.ContainsFunc(trials, func(tr trial) bool { return tr.backend == t.backend && tr.first.Name == t.scenario }) {
			continue
		}
		if only != "" && !slices.Contains(names, t.scenario) {
			continue
		}
		tr := trial{backend: t.backend, duration: o.duration}
		tr.first.Name = t.scenario
		if d := durations[t.scenario]; d > 0 && o.all && !ownDuration {
			tr.duration = d
		}
		for _, other := range list {
			if other.backend == t.backend && other.scenario == t.scenario {
				tr.targets = append(tr.targets, other)
			}
		}
		var err error
		if tr.first, err = o.sceneOf(&tr, o.seed); err != nil {
			return nil, err
		}
		trials = append(trials, tr)
	}
	return trials, nil
}

// contendersFor leaves out, for a check, those whom no target asks about.
func (o *options) contendersFor(t *trial) []contender {
	if !o.check {
		return o.contenders
	}
	var who []contender
	for _, c := range o.contenders {
		if slices.ContainsFunc(t.targets, func(t target) bool { return t.contender() == c.name || t.of == c.name }) {
			who = append(who, c)
		}
	}
	return who
}

// settled reports whether the crowds that are left could not change what the
// median says of any target of the trial: of three, two that agree are enough.
func (t *trial) settled(b *block, seeds int) bool {
	done := len(b.Results[0].Runs)
	if 2*done <= seeds {
		return false
	}
	for _, target := range t.targets {
		if target.each {
			return false
		}
		first := target.metIn(b, 0)
		for n := 1; n < done; n++ {
			if target.metIn(b, n) != first {
				return false
			}
		}
	}
	return true
}
