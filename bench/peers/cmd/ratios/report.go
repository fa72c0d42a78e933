package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
)

// goal is what seawall promises about a row: to cost at most this part of what
// a peer costs, and to allocate nothing.
type goal struct {
	row  string
	peer string
	most float64
}

// goals: the peers are those who do the same work. A limiter that cannot tell
// priorities refuses for less, and says less. The second kind of refusal is the
// rare one, and may cost more.
var goals = []goal{
	{"admit/serial", "failsafe", 0.40},
	{"admit/parallel", "failsafe", 0.40},
	{"reject/serial", "failsafe-priority", 0.30},
	{"reject/parallel", "failsafe-priority", 0.30},
	{"reject-full/serial", "failsafe-priority", 0.50},
	{"reject-full/parallel", "failsafe-priority", 0.50},
	{"handler-admit/serial", "failsafe", 0.16},
	{"handler-admit/parallel", "failsafe", 0.16},
	{"handler-reject/serial", "failsafe", 0.10},
	{"handler-reject/parallel", "failsafe", 0.10},
}

// report prints the table and returns the goals that are missed.
func report(out io.Writer, rows []*row, clock []float64) (missed []string) {
	c := spreadOf(clock)
	fmt.Fprintf(out, "One reading of the clock: %.0f ns (%.0f to %.0f).\n", c.mid, c.low, c.high)
	fmt.Fprintf(out, "Medians of %d rounds; in brackets the middle half. \"x\" is seawall's part of it, within a round.\n\n", len(clock))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for i, r := range rows {
		if i == 0 {
			fmt.Fprintf(w, "ns a request\t%s\tgoal\n", strings.Join(r.libraries(), "\t"))
		}
		text, misses := r.verdict()
		missed = append(missed, misses...)
		fmt.Fprintf(w, "%s\t%s\t%s\n", r.name, strings.Join(r.cells(), "\t"), text)
	}
	_ = w.Flush() // to a terminal or a pipe that nobody reads any more
	return missed
}

func (r *row) libraries() (names []string) {
	for _, n := range r.lanes {
		names = append(names, n.library)
	}
	return names
}

func (r *row) cells() (cells []string) {
	own := r.lane("seawall")
	for _, n := range r.lanes {
		v := spreadOf(n.ns)
		if n == own {
			cells = append(cells, fmt.Sprintf("%.0f [%.0f %.0f]", v.mid, v.low, v.high))
			continue
		}
		cells = append(cells, fmt.Sprintf("%.0f x%.2f", v.mid, spreadOf(ratios(own, n)).mid))
	}
	return cells
}

func (r *row) lane(library string) *lane {
	for _, n := range r.lanes {
		if n.library == library {
			return n
		}
	}
	return nil
}

// verdict compares the row with its goals.
func (r *row) verdict() (text string, missed []string) {
	own := r.lane("seawall")
	i := slices.IndexFunc(goals, func(g goal) bool { return g.row == r.name })
	if i < 0 || own == nil {
		return "", nil
	}
	g := goals[i]
	v := spreadOf(ratios(own, r.lane(g.peer)))
	text = fmt.Sprintf("%.2f [%.2f %.2f] of %s, at most %.2f", v.mid, v.low, v.high, g.peer, g.most)
	if !(v.mid <= g.most) {
		missed = append(missed, fmt.Sprintf("%s: %.2f of %s, want at most %.2f", r.name, v.mid, g.peer, g.most))
	}
	if own.allocs > 0 {
		missed = append(missed, fmt.Sprintf("%s: %d allocations a request, want none", r.name, own.allocs))
	}
	if len(missed) == 0 {
		text += ": ok"
	} else {
		text += ": MISSED"
	}
	return text, missed
}

// ratios are taken within a round: what slows the machine slows both.
func ratios(own, peer *lane) []float64 {
	if own == nil || peer == nil {
		return nil
	}
	all := make([]float64, 0, len(own.ns))
	for i, v := range own.ns {
		all = append(all, v/peer.ns[i])
	}
	return all
}

// spread is the median and the middle half.
type spread struct{ low, mid, high float64 }

// spreadOf returns NaN for nothing, which no goal accepts.
func spreadOf(values []float64) spread {
	sorted := slices.Sorted(slices.Values(values))
	at := func(q float64) float64 {
		if len(sorted) == 0 {
			return math.NaN()
		}
		x := q * float64(len(sorted)-1)
		i := int(x)
		if i+1 == len(sorted) {
			return sorted[i]
		}
		return sorted[i] + (x-float64(i))*(sorted[i+1]-sorted[i])
	}
	return spread{at(0.25), at(0.5), at(0.75)}
}
