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
// a peer costs, and so many allocations. Without a peer it is about those only.
type goal struct {
	row    string
	peer   string
	most   float64
	allocs int64
}

// goals: the peers are those who do the same work. A limiter that cannot tell
// priorities refuses for less, and says less. The second kind of refusal is the
// rare one, and may cost more.
var goals = []goal{
	{"admit/serial", "failsafe", 0.40, 0},
	{"admit/parallel", "failsafe", 0.40, 0},
	{"reject/serial", "failsafe-priority", 0.30, 0},
	{"reject/parallel", "failsafe-priority", 0.30, 0},
	{"reject-full/serial", "failsafe-priority", 0.50, 0},
	{"reject-full/parallel", "failsafe-priority", 0.50, 0},
	{"handler-admit/serial", "failsafe", 0.16, 0},
	{"handler-admit/parallel", "failsafe", 0.16, 0},
	{"handler-reject/serial", "failsafe", 0.10, 0},
	{"handler-reject/parallel", "failsafe", 0.10, 0},

	{"hot-allow/serial", "xtime", 0.50, 0},
	{"hot-allow/parallel", "xtime", 0.50, 0},
	{"hot-refuse/serial", "xtime", 0.20, 0},
	{"hot-refuse/parallel", "xtime", 0.20, 0},
	{"handler-allow/serial", "golimiter", 0.15, 0},
	{"handler-allow/parallel", "golimiter", 0.15, 0},
	{"handler-refuse/serial", "httprate", 0.35, 4},
	{"handler-refuse/parallel", "httprate", 0.35, 4},
	{"handler-headers/serial", "", 0, 2},
	{"handler-headers/parallel", "", 0, 2},
	{"zipf-1M/serial", "golimiter", 0.45, 0},
	{"zipf-1M/serial", "xtime", 0.45, 0},
	{"zipf-1M/parallel", "golimiter", 0.45, 0},
	{"zipf-1M/parallel", "xtime", 0.45, 0},
}

// report prints the tables and returns the goals that are missed.
func report(out io.Writer, tables []*table, clock []float64) (missed []string) {
	c := spreadOf(clock)
	fmt.Fprintf(out, "One reading of the clock: %.0f ns (%.0f to %.0f).\n", c.mid, c.low, c.high)
	for _, t := range tables {
		fmt.Fprintf(out, "\n%s: medians of %d rounds; in brackets the middle half. \"x\" is seawall's part of it, within a round.\n\n", t.name, t.rounds())
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintf(w, "ns a request\t%s\tgoal\n", strings.Join(t.libraries, "\t"))
		for _, r := range t.rows {
			text, misses := r.verdict()
			missed = append(missed, misses...)
			fmt.Fprintf(w, "%s\t%s\t%s\n", r.name, strings.Join(r.cells(t.libraries), "\t"), text)
		}
		_ = w.Flush() // to a terminal or a pipe that nobody reads any more
	}
	return missed
}

func (t *table) rounds() (n int) {
	for _, r := range t.rows {
		for _, l := range r.lanes {
			n = max(n, len(l.ns))
		}
	}
	return n
}

func (r *row) cells(libraries []string) (cells []string) {
	own := r.lane("seawall")
	for _, name := range libraries {
		n := r.lane(name)
		if n == nil {
			cells = append(cells, "-")
			continue
		}
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
	if own == nil {
		return "", nil
	}
	var parts []string
	most := int64(-1)
	for _, g := range goals {
		if g.row != r.name {
			continue
		}
		most = g.allocs
		if g.peer == "" {
			continue
		}
		v := spreadOf(ratios(own, r.lane(g.peer)))
		parts = append(parts, fmt.Sprintf("%.2f [%.2f %.2f] of %s, at most %.2f", v.mid, v.low, v.high, g.peer, g.most))
		if !(v.mid <= g.most) {
			missed = append(missed, fmt.Sprintf("%s: %.2f of %s, want at most %.2f", r.name, v.mid, g.peer, g.most))
		}
	}
	if most < 0 {
		return "", nil
	}
	if most > 0 {
		parts = append(parts, fmt.Sprintf("%d allocations, at most %d", own.allocs, most))
	}
	if own.allocs > most {
		missed = append(missed, fmt.Sprintf("%s: %d allocations a request, want at most %d", r.name, own.allocs, most))
	}
	text = strings.Join(parts, "; ")
	if len(missed) == 0 {
		return text + ": ok", nil
	}
	return text + ": MISSED", missed
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
