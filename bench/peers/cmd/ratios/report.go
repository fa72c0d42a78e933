package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
)

// goal is what one contender, mostly seawall, promises about a row: to cost at
// most this part of what a peer costs, or so many nanoseconds above it, and so
// many allocations. Without a peer it is about those only.
type goal struct {
	row, own, peer string
	most           float64
	unit           unit
	allocs         int64
}

type unit bool

const (
	part  unit = false // of the peer's
	above unit = true  // the peer's, in nanoseconds
)

// goals: the peers are those who do the same work. A limiter that cannot tell
// priorities refuses for less, and says less. The second kind of refusal is the
// rare one, and may cost more. A fresh hit is compared with the engine below,
// which holds the bare value then, by a difference: a part of it would be easier
// to promise where the engine is slow. What misses allocate is spread over all
// requests, of which a quarter are misses. A page out of memory is compared with a
// handler that has it ready, by a difference, too.
var goals = []goal{
	{"admit/serial", "seawall", "failsafe", 0.40, part, 0},
	{"admit/parallel", "seawall", "failsafe", 0.40, part, 0},
	{"reject/serial", "seawall", "failsafe-priority", 0.30, part, 0},
	{"reject/parallel", "seawall", "failsafe-priority", 0.30, part, 0},
	{"reject-full/serial", "seawall", "failsafe-priority", 0.50, part, 0},
	{"reject-full/parallel", "seawall", "failsafe-priority", 0.50, part, 0},
	{"handler-admit/serial", "seawall", "failsafe", 0.16, part, 0},
	{"handler-admit/parallel", "seawall", "failsafe", 0.16, part, 0},
	{"handler-reject/serial", "seawall", "failsafe", 0.10, part, 0},
	{"handler-reject/parallel", "seawall", "failsafe", 0.10, part, 0},

	{"hot-allow/serial", "seawall", "xtime", 0.50, part, 0},
	{"hot-allow/parallel", "seawall", "xtime", 0.50, part, 0},
	{"hot-refuse/serial", "seawall", "xtime", 0.20, part, 0},
	{"hot-refuse/parallel", "seawall", "xtime", 0.20, part, 0},
	{"handler-allow/serial", "seawall", "golimiter", 0.15, part, 0},
	{"handler-allow/parallel", "seawall", "golimiter", 0.15, part, 0},
	{"handler-refuse/serial", "seawall", "httprate", 0.35, part, 4},
	{"handler-refuse/parallel", "seawall", "httprate", 0.35, part, 4},
	{"handler-headers/serial", "seawall", "", 0, part, 2},
	{"handler-headers/parallel", "seawall", "", 0, part, 2},
	{"zipf-1M/serial", "seawall", "golimiter", 0.45, part, 0},
	{"zipf-1M/serial", "seawall", "xtime", 0.45, part, 0},
	{"zipf-1M/parallel", "seawall", "golimiter", 0.45, part, 0},
	{"zipf-1M/parallel", "seawall", "xtime", 0.45, part, 0},

	{"hit/serial", "seawall-lru", "lru", 25, above, 0},
	{"hit/serial", "seawall-ristretto", "ristretto", 25, above, 0},
	{"hit/serial", "seawall-otter", "otter", 25, above, 0},
	{"hit/parallel", "seawall-lru", "lru", 25, above, 0},
	{"hit/parallel", "seawall-ristretto", "ristretto", 25, above, 0},
	{"hit/parallel", "seawall-otter", "otter", 25, above, 0},
	{"hit-string/serial", "seawall-lru", "lru", 25, above, 0},
	{"hit-string/serial", "seawall-ristretto", "ristretto", 25, above, 0},
	{"hit-string/serial", "seawall-otter", "otter", 25, above, 0},
	{"hit-string/parallel", "seawall-lru", "lru", 25, above, 0},
	{"hit-string/parallel", "seawall-ristretto", "ristretto", 25, above, 0},
	{"hit-string/parallel", "seawall-otter", "otter", 25, above, 0},
	{"mix-75-25/serial", "seawall-lru", "", 0, part, 1},
	{"mix-75-25/serial", "seawall-ristretto", "", 0, part, 1},
	{"mix-75-25/serial", "seawall-otter", "", 0, part, 1},
	{"mix-75-25/parallel", "seawall-lru", "", 0, part, 1},
	{"mix-75-25/parallel", "seawall-ristretto", "", 0, part, 1},
	{"mix-75-25/parallel", "seawall-otter", "", 0, part, 1},
	{"aside/serial", "seawall-lru", "", 0, part, 2},
	{"aside/serial", "seawall-ristretto", "", 0, part, 4},
	{"aside/serial", "seawall-otter", "", 0, part, 2},
	{"aside/parallel", "seawall-lru", "", 0, part, 2},
	{"aside/parallel", "seawall-ristretto", "", 0, part, 4},
	{"aside/parallel", "seawall-otter", "", 0, part, 2},
	{"load/serial", "seawall-lru", "", 0, part, 10},
	{"load/serial", "seawall-ristretto", "", 0, part, 10},
	{"load/serial", "seawall-otter", "", 0, part, 10},
	{"load/parallel", "seawall-lru", "", 0, part, 10},
	{"load/parallel", "seawall-ristretto", "", 0, part, 10},
	{"load/parallel", "seawall-otter", "", 0, part, 10},
	{"two-tier-hit/serial", "seawall-lru", "goredis-cache", 1. / 30, part, 0},
	{"two-tier-hit/serial", "seawall-ristretto", "goredis-cache", 1. / 30, part, 0},
	{"two-tier-hit/serial", "seawall-otter", "goredis-cache", 1. / 30, part, 0},
	{"two-tier-hit/parallel", "seawall-lru", "goredis-cache", 1. / 30, part, 0},
	{"two-tier-hit/parallel", "seawall-ristretto", "goredis-cache", 1. / 30, part, 0},
	{"two-tier-hit/parallel", "seawall-otter", "goredis-cache", 1. / 30, part, 0},

	{"http-hit/serial", "seawall", "none", 1000, above, 0},
	{"http-hit/serial", "seawall", "gregjones", 0.20, part, 0},
	{"http-hit/parallel", "seawall", "none", 1000, above, 0},
	{"http-hit/parallel", "seawall", "gregjones", 0.20, part, 0},
	{"http-miss/serial", "seawall", "gregjones", 1.5, part, 70},
	{"http-miss/parallel", "seawall", "gregjones", 1.5, part, 70},
	{"http-coalesce/serial", "seawall", "victorspringer", 0.75, part, 20},
	{"http-coalesce/parallel", "seawall", "victorspringer", 0.75, part, 20},
}

// report prints the tables and returns the goals that are missed.
func report(out io.Writer, tables []*table, clock []float64) (missed []string) {
	c := spreadOf(clock)
	fmt.Fprintf(out, "One reading of the clock: %.0f ns (%.0f to %.0f).\n", c.mid, c.low, c.high)
	for _, t := range tables {
		fmt.Fprintf(out, "\n%s: medians of %d rounds; in brackets the middle half. \"x\" is the part of it that %s takes, within a round.\n\n",
			t.name, t.rounds(), t.libraries[0])
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
	own := r.lane(libraries[0])
	for _, name := range libraries {
		n := r.lane(name)
		if n == nil {
			cells = append(cells, "-")
			continue
		}
		v := spreadOf(n.ns)
		if n == own {
			cells = append(cells, fmt.Sprintf("%.0f [%.0f %.0f]%s", v.mid, v.low, v.high, n.calls))
			continue
		}
		cells = append(cells, fmt.Sprintf("%.0f x%.2f%s", v.mid, spreadOf(ratios(own, n)).mid, n.calls))
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
	var parts []string
	for _, g := range goals {
		if g.row != r.name {
			continue
		}
		own := r.lane(g.own)
		if own == nil {
			missed = append(missed, fmt.Sprintf("%s: %s was not measured", r.name, g.own))
			continue
		}
		if g.peer != "" {
			text, ok := g.compare(own, r.lane(g.peer))
			parts = append(parts, g.of()+text.long)
			if !ok {
				missed = append(missed, fmt.Sprintf("%s: %s%s", r.name, g.of(), text.short))
			}
		}
		if g.allocs > 0 {
			parts = append(parts, fmt.Sprintf("%s%d allocations, at most %d", g.of(), own.allocs, g.allocs))
		}
		miss := fmt.Sprintf("%s: %s%d allocations a request, want at most %d", r.name, g.of(), own.allocs, g.allocs)
		if own.allocs > g.allocs && !slices.Contains(missed, miss) {
			missed = append(missed, miss)
		}
	}
	switch text = strings.Join(parts, "; "); {
	case len(missed) > 0:
		return text + ": MISSED", missed
	case parts == nil:
		return "", nil
	}
	return text + ": ok", nil
}

// of names whose goal it is, where that is not clear.
func (g goal) of() string {
	if g.own == "seawall" {
		return ""
	}
	return g.own + " "
}

type comparison struct{ long, short string }

func (g goal) compare(own, peer *lane) (text comparison, ok bool) {
	v, form := spreadOf(ratios(own, peer)), "%.2f"
	if g.most < 0.1 {
		form = "%.3f"
	}
	relation := "of"
	if g.unit == above {
		v, form, relation = spreadOf(differences(own, peer)), "%.1f", "ns above"
	}
	text.long = fmt.Sprintf(form+" ["+form+" "+form+"] %s %s, at most "+form, v.mid, v.low, v.high, relation, g.peer, g.most)
	text.short = fmt.Sprintf(form+" %s %s, want at most "+form, v.mid, relation, g.peer, g.most)
	return text, v.mid <= g.most
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

// differences are taken within a round, too.
func differences(own, peer *lane) []float64 {
	if own == nil || peer == nil {
		return nil
	}
	all := make([]float64, 0, len(own.ns))
	for i, v := range own.ns {
		all = append(all, v-peer.ns[i])
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
