package main

import (
	"fmt"
	"io"
	"math"
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

// judge measures blocks against the targets of what was run.
func (o *options) judge(blocks []block) []finding {
	list := targets
	if o.all {
		list = allTargets
	}
	found := judge(list, blocks, o.short)
	if o.all {
		found = append(found, judgeValue(blocks)...)
	}
	return found
}

func judge(list []target, blocks []block, short bool) []finding {
	var found []finding
	for _, t := range list {
		i := slices.IndexFunc(blocks, func(b block) bool { return b.Backend == t.backend && b.Scenario.Name == t.scenario })
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
	f.Limit = t.limit(short, other)
	if r := b.of(t.contender()); r != nil {
		f.Measured = t.metric.of(&r.Median)
		if t.each {
			f.Measured = t.worst(r.Runs)
		}
	}
	f.Met = t.met(f.Measured, f.Limit)
	f.text = number(f.Measured, t.metric.text)
	if t.how != absolute {
		f.Promise += " (" + number(f.Limit, t.metric.text) + ")"
	}
	return f
}

// metIn reports whether one crowd alone would meet the target.
func (t target) metIn(b *block, n int) bool {
	r := b.of(t.contender())
	if r == nil {
		return false
	}
	var other *spike.Figures
	if o := b.of(t.of); o != nil {
		other = &o.Runs[n].Figures
	}
	return t.met(t.metric.of(&r.Runs[n].Figures), t.limit(false, other))
}

// worst is the figure of the run that is furthest from the bound.
func (t target) worst(runs []run) spike.Number {
	worst := spike.None
	for i := range runs {
		v := t.metric.of(&runs[i].Figures)
		switch {
		case i == 0, math.IsNaN(float64(v)), t.is == atLeast && v < worst, t.is != atLeast && v > worst:
			worst = v
		}
		if math.IsNaN(float64(worst)) {
			return worst
		}
	}
	return worst
}

// scenariosOf are the scenarios with targets, in the order in which they run.
func scenariosOf(list []target) []string {
	var names []string
	for _, t := range list {
		if !t.world() && !slices.Contains(names, t.scenario) {
			names = append(names, t.scenario)
		}
	}
	return names
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
