package main

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/seawall-go/seawall/spike"
)

// durations of the scenarios that -all gives another one than the 10 s of the
// rest: those of -check need the requests, abusers are to stay for 9 and 18 s,
// a lost slot must have time to be missed, and the long spike lasts 30 s.
var durations = map[string]time.Duration{
	"calm": 12 * time.Second, "3x": 12 * time.Second, "10x": 12 * time.Second,
	"flash": 12 * time.Second, "retries": 12 * time.Second, "cold": 12 * time.Second,
	"abusers": 21 * time.Second, "abusers-long": 21 * time.Second,
	"slower": 14 * time.Second, "smaller": 14 * time.Second, "slower-low": 14 * time.Second,
	"long": 14 * time.Second,
}

// allTargets are what -all adds: other crowds, and other backends.
var allTargets = slices.Concat(
	targets,
	in("abusers",
		target{metric: honest, is: atLeast, bound: 0.37},
		target{metric: honestCritical, is: atLeast, bound: 0.995},
	),
	in("abusers-long",
		target{metric: honest, is: atLeast, bound: 0.41},
		target{metric: honestCritical, is: atLeast, bound: 0.995},
	),
	in("slower",
		target{metric: goodput, is: atLeast, bound: 0.97, of: oracleName, how: times},
		target{metric: critical, is: atLeast, bound: 0.015, of: oracleName, how: pointsBelow},
		target{metric: wasted, is: atMost, bound: 0.03, of: oracleName, how: pointsAbove},
	),
	in("smaller", target{metric: found, is: atMost, bound: 3}),
	in("slower-low",
		target{metric: goodput, is: atLeast, bound: 0.93},
		target{metric: goodput, is: atLeast, bound: 0.80, each: true},
	),
	in("long", target{metric: critical, is: atLeast, bound: 0.985}),
	in("return", valuable),
	in("mild", valuable),
	in("heavier", valuable),
	in("ramp", valuable),
	in("slower-spike", valuable),
	in("lost", valuable),
	on("4x80ms",
		in("3x", valuable),
		in("10x", valuable),
	),
	// 400 slots of 80 ms would be sent 15,000 requests a second: more than two
	// processors can send and answer.
	on("400x400ms", in("3x",
		target{who: oracleName, metric: goodput, is: atLeast, bound: 0.95},
		target{metric: goodput, is: atLeast, bound: 0.95},
	)),
	on("100x200ms",
		in("calm", target{metric: success, is: atLeast, bound: 0.999}),
		in("3x",
			target{metric: goodput, is: atLeast, bound: 0.97},
			target{metric: critical, is: atLeast, bound: 0.015, of: oracleName, how: pointsBelow},
		),
	),
	on("8xbimodal:5ms:0.9:200ms", in("3x",
		target{metric: goodput, is: atLeast, bound: 0.97},
		target{metric: goodput, is: atLeast, bound: 0.90, each: true},
	)),
	on(routed+"8xbimodal:5ms:0.9:200ms", in("3x",
		target{metric: goodput, is: atLeast, bound: 0.97},
		target{metric: goodput, is: atLeast, bound: 0.90, each: true},
	)),
	on(processorBackend, in(processorScenario,
		target{metric: goodput, is: atLeast, bound: 0.85},
		target{metric: critical, is: atLeast, bound: 0.99},
		target{metric: p50, is: atMost, bound: 3},
		target{metric: after, is: atLeast, bound: 0.95},
	)),
)

// valuable is what nobody who knows the capacity could have made much more of.
var valuable = target{metric: value, is: atLeast, bound: leastValue, of: oracleName, how: times}

// What seawall's value is to be of the oracle's, in any scenario that both have
// run, and on the mean of them.
const (
	leastValue = 0.93
	meanValue  = 0.97
)

// on gives targets their backend.
func on(backend string, lists ...[]target) []target {
	list := slices.Concat(lists...)
	for i := range list {
		list[i].backend = backend
	}
	return list
}

// judgeValue looks at all scenarios that seawall and the oracle have run.
func judgeValue(blocks []block) []finding {
	sum, n, least, where := 0.0, 0, math.Inf(1), ""
	for i := range blocks {
		own, other := blocks[i].of(seawallName), blocks[i].of(oracleName)
		if own == nil || other == nil {
			continue
		}
		v := float64(spike.ValueRatio(own.Median, other.Median))
		sum, n = sum+v, n+1
		if !math.IsNaN(least) && !(v >= least) { // what was not measured is the worst
			least, where = v, blocks[i].name()
		}
	}
	if n == 0 {
		return nil
	}
	one := func(name string, v, bound float64) finding {
		t := target{is: atLeast, bound: bound}
		f := finding{Target: name, Promise: fmt.Sprintf(">= %.2fx that of oracle", bound), Measured: spike.Number(v), Limit: spike.Number(bound)}
		f.Met, f.text = t.met(f.Measured, f.Limit), number(f.Measured, ratio)
		return f
	}
	return []finding{
		one("mean of "+plural(n, "scenario")+": value of seawall", sum/float64(n), meanValue),
		one("worst scenario ("+where+"): value of seawall", least, leastValue),
	}
}
