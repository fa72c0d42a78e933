package main

import (
	"fmt"
	"math"
	"slices"

	"github.com/seawall-go/seawall/spike"
)

// target is one promise: a figure of a contender in a scenario, and its bound.
type target struct {
	// backend is the trial's; "" is the one of the command line.
	backend  string
	scenario string
	metric   metric
	is       relation
	bound    float64
	// of names another contender of the same scenario and seeds whose figure the
	// bound is a multiple of (times), or a number of points below or above it.
	of  string
	how comparison
	// short replaces bound in the single run of -short: no median takes the luck
	// out, and with two thirds of the requests there is more of it (of journeys
	// some ten to twenty finish at ten times the capacity). 0 is: the same.
	short float64
	// each: the bound is one for every single run, not for the median.
	each bool
	// who is the contender; "" is seawall. Targets of others are about the
	// world: if it does not collapse, or nobody could have saved it, then all
	// the other figures say nothing.
	who string
}

type relation int

const (
	atLeast relation = iota
	atMost
	below
)

func (r relation) String() string { return [...]string{">=", "<=", "<"}[r] }

type comparison int

const (
	absolute comparison = iota
	times
	pointsBelow
	pointsAbove
)

// metric is a figure by its name in the report.
type metric struct {
	name string
	text func(float64) string
	of   func(*spike.Figures) spike.Number
}

var (
	goodput       = metric{"goodput", percent, func(f *spike.Figures) spike.Number { return f.Goodput }}
	success       = metric{"success", percent, func(f *spike.Figures) spike.Number { return f.Success }}
	critical      = metric{"Critical", percent, func(f *spike.Figures) spike.Number { return f.Critical }}
	criticalFirst = metric{"Critical, first second", percent, func(f *spike.Figures) spike.Number { return f.CriticalFirst }}
	normal        = metric{"Normal", percent, func(f *spike.Figures) spike.Number { return f.Normal }}
	journeys      = metric{"journeys finished", percent, func(f *spike.Figures) spike.Number { return f.Journeys }}
	p50           = metric{"p50 over unloaded", factor, func(f *spike.Figures) spike.Number { return f.P50 }}
	p99           = metric{"p99 over unloaded", factor, func(f *spike.Figures) spike.Number { return f.P99 }}
	criticalP99   = metric{"p99 of Critical over unloaded", factor, func(f *spike.Figures) spike.Number { return f.CriticalP99 }}
	wasted        = metric{"wasted work", percent, func(f *spike.Figures) spike.Number { return f.Wasted }}
	before        = metric{"success before the spike", percent, func(f *spike.Figures) spike.Number { return f.Before }}
	after         = metric{"success afterwards", percent, func(f *spike.Figures) spike.Number { return f.After }}
	// The honest are all but the abusers.
	honest         = metric{"success of the honest", percent, func(f *spike.Figures) spike.Number { return f.Honest }}
	honestCritical = metric{"Critical of the honest", percent, func(f *spike.Figures) spike.Number { return f.HonestCritical }}
	value          = metric{"value", points, func(f *spike.Figures) spike.Number { return f.Value }}
	found          = metric{"lost slots found after", seconds, func(f *spike.Figures) spike.Number { return f.Found }}
	settled        = metric{"settled after", seconds, func(f *spike.Figures) spike.Number { return f.Settle }}
	recovered      = metric{"recovered after", seconds, func(f *spike.Figures) spike.Number { return f.Recover }}
)

// targets are what seawall promises, for 24 slots of 80 ms (log-normal, sigma
// 0.6), the load of spike.Scenarios, one configuration and the capacity unknown.
var targets = slices.Concat(
	in("10x",
		target{who: bareName, metric: goodput, is: atMost, bound: 0.20},
		target{who: oracleName, metric: goodput, is: atLeast, bound: 0.98, short: 0.96},
	),
	in("calm",
		target{metric: success, is: atLeast, bound: 0.999},
		target{metric: p99, is: atMost, bound: 1.03, of: bareName, how: times, short: 1.10},
	),
	in("3x",
		target{metric: goodput, is: atLeast, bound: 0.98},
		target{metric: critical, is: atLeast, bound: 0.995},
		target{metric: normal, is: atLeast, bound: 0.03, of: oracleName, how: pointsBelow},
		target{metric: p50, is: atMost, bound: 1.7},
		target{metric: journeys, is: atLeast, bound: 0.9, of: oracleName, how: times},
		target{metric: before, is: atLeast, bound: 0.999},
		target{metric: settled, is: atMost, bound: 0.3},
		target{metric: recovered, is: atMost, bound: 0.5},
	),
	in("10x",
		target{metric: goodput, is: atLeast, bound: 0.97, short: 0.94},
		target{metric: critical, is: atLeast, bound: 0.98, short: 0.97},
		target{metric: criticalFirst, is: atLeast, bound: 0.95, short: 0.93},
		target{metric: criticalP99, is: atMost, bound: 1.25, short: 1.40},
		target{metric: wasted, is: below, bound: 0.01},
		target{metric: journeys, is: atLeast, bound: 0.8, of: oracleName, how: times, short: 0.25},
		target{metric: before, is: atLeast, bound: 0.999, short: 0.99},
		target{metric: settled, is: atMost, bound: 0.3},
		target{metric: recovered, is: atMost, bound: 0.5},
	),
	in("flash",
		target{metric: goodput, is: atLeast, bound: 0.95},
		target{metric: critical, is: atLeast, bound: 0.98},
		target{metric: criticalFirst, is: atLeast, bound: 0.95},
		target{metric: criticalP99, is: atMost, bound: 1.25},
		target{metric: wasted, is: below, bound: 0.01},
		target{metric: journeys, is: atLeast, bound: 0.8, of: oracleName, how: times},
		target{metric: before, is: atLeast, bound: 0.999},
		target{metric: recovered, is: atMost, bound: 0.5},
	),
	in("retries",
		target{metric: goodput, is: atLeast, bound: 0.97},
		target{metric: critical, is: atLeast, bound: 0.98},
		target{metric: criticalFirst, is: atLeast, bound: 0.95},
		target{metric: criticalP99, is: atMost, bound: 1.25},
		target{metric: wasted, is: below, bound: 0.01},
		target{metric: journeys, is: atLeast, bound: 0.8, of: oracleName, how: times},
		target{metric: before, is: atLeast, bound: 0.999},
		target{metric: after, is: atLeast, bound: 0.95},
		target{metric: settled, is: atMost, bound: 0.3},
		target{metric: recovered, is: atMost, bound: 0.5},
	),
	in("cold",
		target{metric: goodput, is: atLeast, bound: 0.97},
		target{metric: critical, is: atLeast, bound: 0.98},
		target{metric: criticalFirst, is: atLeast, bound: 0.95},
		target{metric: criticalP99, is: atMost, bound: 1.4},
		target{metric: wasted, is: below, bound: 0.01},
		target{metric: journeys, is: atLeast, bound: 0.8, of: oracleName, how: times},
		target{metric: settled, is: atMost, bound: 0.3},
		target{metric: recovered, is: atMost, bound: 0.5},
	),
)

// in gives the targets their scenario.
func in(scenario string, list ...target) []target {
	for i := range list {
		list[i].scenario = scenario
	}
	return list
}

// shortScenarios are those of -check -short.
var shortScenarios = []string{"calm", "10x"}

func (t target) contender() string {
	if t.who == "" {
		return seawallName
	}
	return t.who
}

// world reports whether the target is about the experiment itself.
func (t target) world() bool { return t.contender() != seawallName }

// name is how the target is called when it is missed.
func (t target) name() string {
	metric := t.metric.name
	if t.each {
		metric += ", any run,"
	}
	return fmt.Sprintf("%s: %s of %s", nameOn(t.backend, t.scenario), metric, t.contender())
}

// number is the bound that is in force.
func (t target) number(short bool) float64 {
	if short && t.short != 0 {
		return t.short
	}
	return t.bound
}

// limit is the bound for given figures of the other contender.
func (t target) limit(short bool, other *spike.Figures) spike.Number {
	n := spike.Number(t.number(short))
	switch {
	case t.how == absolute:
		return n
	case other == nil:
		return spike.None
	case t.how == times:
		return t.metric.of(other) * n
	case t.how == pointsAbove:
		return t.metric.of(other) + n
	default:
		return t.metric.of(other) - n
	}
}

// promise is the bound in words.
func (t target) promise(short bool) string {
	n := t.number(short)
	switch t.how {
	case times:
		return fmt.Sprintf("%v %.4g x that of %s", t.is, n, t.of)
	case pointsBelow:
		return fmt.Sprintf("%v that of %s - %.4g points", t.is, t.of, 100*n)
	case pointsAbove:
		return fmt.Sprintf("%v that of %s + %.4g points", t.is, t.of, 100*n)
	default:
		return fmt.Sprintf("%v %s", t.is, t.metric.text(n))
	}
}

// met reports whether a figure keeps the bound. What was not measured does not;
// of figures the last bit does not decide.
func (t target) met(v, limit spike.Number) bool {
	const bit = 1e-9
	switch x, l := float64(v), float64(limit); {
	case math.IsNaN(x) || math.IsNaN(l):
		return false
	case t.is == atLeast:
		return x >= l-bit
	case t.is == below:
		return x < l
	default:
		return x <= l+bit
	}
}
