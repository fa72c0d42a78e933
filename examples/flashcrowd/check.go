package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/seawall-go/seawall/spike"
)

// finding is what became of one target.
type finding struct {
	Target   string       `json:"target"`
	Promise  string       `json:"promise"`
	Measured spike.Number `json:"measured"`
	Limit    spike.Number `json:"limit"`
	Met      bool         `json:"met"`

	text  string // the measured figure
	world bool
}

// judge measures blocks against the targets of the scenarios that were run.
func judge(blocks []block, short bool) []finding {
	var found []finding
	for _, t := range targets {
		i := slices.IndexFunc(blocks, func(b block) bool { return b.Scenario.Name == t.scenario })
		if i < 0 {
			continue
		}
		found = append(found, t.judge(&blocks[i], short))
	}
	return found
}

func (t target) judge(b *block, short bool) finding {
	f := finding{Target: t.name(), Promise: t.promise(short), Measured: spike.None, world: t.world()}
	var other *spike.Figures
	if r := b.of(t.of); r != nil {
		other = &r.Median
	}
	if r := b.of(t.contender()); r != nil {
		f.Measured = t.metric.of(&r.Median)
	}
	f.Limit = t.limit(short, other)
	f.Met = t.met(f.Measured, f.Limit)
	f.text = number(f.Measured, t.metric.text)
	if t.how != absolute {
		f.Promise += " (" + number(f.Limit, t.metric.text) + ")"
	}
	return f
}

// needed reports whether a target asks about a contender in a scenario.
func needed(scenario, contender string) bool {
	return slices.ContainsFunc(targets, func(t target) bool {
		return t.scenario == scenario && (t.contender() == contender || t.of == contender)
	})
}

// checkedScenarios are the scenarios with targets, in the order of the targets.
func checkedScenarios(short bool) []string {
	if short {
		return shortScenarios
	}
	var names []string
	for _, t := range targets {
		if !slices.Contains(names, t.scenario) {
			names = append(names, t.scenario)
		}
	}
	slices.SortStableFunc(names, func(a, b string) int { return firstAt(a) - firstAt(b) })
	return names
}

// firstAt sorts scenarios by their first target that is not about the world.
func firstAt(scenario string) int {
	return slices.IndexFunc(targets, func(t target) bool { return t.scenario == scenario && !t.world() })
}

// writeFindings prints each target, and then those that were missed, by name.
// It returns how many that were.
func writeFindings(w io.Writer, found []finding) (missed int) {
	width, text := 0, 0
	for _, f := range found {
		width, text = max(width, len(f.Target)), max(text, len(f.text))
	}
	var names []string
	unsound := false
	for _, f := range found {
		mark := "ok  "
		if !f.Met {
			mark = "MISS"
			names = append(names, f.Target)
			unsound = unsound || f.world
		}
		fmt.Fprintf(w, "%s  %-*s  %*s   %s\n", mark, width, f.Target, text, f.text, f.Promise)
	}
	fmt.Fprintln(w)
	switch {
	case len(found) == 0:
		fmt.Fprintln(w, "There is no target for what was run.")
		return 1
	case len(names) == 0:
		fmt.Fprintf(w, "All %d targets met.\n", len(found))
	default:
		fmt.Fprintf(w, "%d of %d targets missed:\n  %s\n", len(names), len(found), strings.Join(names, "\n  "))
	}
	if unsound {
		fmt.Fprintln(w, "The world was not sound (the bare server must collapse, the oracle must not): the other figures say nothing.")
	}
	return len(names)
}
