package spike

import (
	"math"
	"slices"
	"sort"
	"time"
)

const (
	goodputWindow = 500 * time.Millisecond
	settleWindow  = 200 * time.Millisecond
	settleHold    = time.Second
	settleStep    = 20 * time.Millisecond
	settleShare   = 0.8
	recoverBucket = 100 * time.Millisecond
	recoverHold   = 5 // buckets
	recoverShare  = 0.95
)

// illness is a stretch of time with one set of faults, until the next begins.
type illness struct {
	from   time.Duration
	share  float64 // of the capacity that is left
	errors float64 // share of what is offered that fails whatever one does
}

// illnesses lists when the capacity changes, the first from 0.
func illnesses(sc Scenario) []illness {
	cuts := []time.Duration{0}
	for _, f := range sc.Faults {
		cuts = append(cuts, f.At, f.At+f.For)
	}
	slices.Sort(cuts)
	slots := 1
	if cfg, err := sc.Backend.resolve(); err == nil {
		slots = cfg.Slots
	}
	var list []illness
	for _, from := range slices.Compact(cuts) {
		e := noEffect
		for _, f := range sc.Faults {
			if f.At <= from && from < f.At+f.For {
				e = e.with(f)
			}
		}
		list = append(list, illness{from, e.share(slots), e.errors})
	}
	return list
}

// possible is how many successes there could have been from one time until
// before another: what was offered and can be answered, or what the backend can
// serve, whichever is less.
func (a *analysis) possible(from, to time.Duration) float64 {
	offered, slots := 0.0, 0.0
	for i, ill := range a.ill {
		end := time.Duration(math.MaxInt64)
		if i+1 < len(a.ill) {
			end = a.ill[i+1].from
		}
		if lo, hi := max(from, ill.from), min(to, end); lo < hi {
			slots += (hi - lo).Seconds() * ill.share
			offered += float64(count(a.due, lo, hi)) * (1 - ill.errors)
		}
	}
	return min(offered, slots*a.sc.Backend.Capacity())
}

// count says how many of the sorted times lie from one time until before
// another.
func count(times []time.Duration, from, to time.Duration) int {
	at := func(t time.Duration) int {
		return sort.Search(len(times), func(i int) bool { return times[i] >= t })
	}
	return at(to) - at(from)
}

// window is a stretch of the spike with what was possible and what was done.
type window struct{ possible, done float64 }

func (a *analysis) goodput() Number {
	var windows []window
	for from := a.sc.Start; from < a.sc.End; from += goodputWindow {
		to := min(from+goodputWindow, a.sc.End)
		if to-from >= goodputWindow/2 || len(windows) == 0 {
			windows = append(windows, window{a.possible(from, to), float64(count(a.served, from, to))})
		}
	}
	sum, n := 0.0, 0
	for _, w := range windows {
		if w.possible > 0 {
			sum += min(maxSurplus, w.done/w.possible)
			n++
		}
	}
	return min(1, ratio(sum, float64(n)))
}

// maxSurplus is what a window of 500 ms may count at most. It holds some
// hundred successes, give or take a tenth by the luck of arrivals and service
// times: cut at 1, that luck would take two percent off whoever loses nothing.
const maxSurplus = 1.2

// enough reports whether a stretch had settleShare of the possible goodput.
func (a *analysis) enough(from, to time.Duration) bool {
	possible := a.possible(from, to)
	return possible > 0 && float64(count(a.served, from, to)) >= settleShare*possible
}

func (a *analysis) settle() Number {
	hold := min(settleHold, a.sc.End-a.sc.Start)
	for from := a.sc.Start; from+hold <= a.sc.End; from += settleStep {
		if a.enough(from, from+min(settleWindow, hold)) && a.enough(from, from+hold) {
			return Number((from - a.sc.Start).Seconds())
		}
	}
	return Never
}

// recover goes backwards from the end of the run for as long as all is well.
func (a *analysis) recover() Number {
	buckets := a.afterwards()
	if len(buckets) == 0 {
		return None
	}
	well := len(buckets) // from this bucket on
	for i := len(buckets) - 1; i >= 0; i-- {
		held := tally{}
		for _, b := range buckets[i:min(i+recoverHold, len(buckets))] {
			held.good, held.all = held.good+b.good, held.all+b.all
		}
		if !held.well() {
			break
		}
		if buckets[i].well() {
			well = i
		}
	}
	if well == len(buckets) {
		return Never
	}
	return Number((time.Duration(well) * recoverBucket).Seconds())
}

type tally struct{ good, all int }

func (t tally) well() bool { return float64(t.good) >= recoverShare*float64(t.all) }

// afterwards counts the requests due after the spike, by bucket.
func (a *analysis) afterwards() []tally {
	var buckets []tally
	for i := range a.rec.Samples {
		s := &a.rec.Samples[i]
		if s.Intended < a.sc.End {
			continue
		}
		at := int((s.Intended - a.sc.End) / recoverBucket)
		if at >= maxBuckets {
			continue
		}
		for len(buckets) <= at {
			buckets = append(buckets, tally{})
		}
		buckets[at].all++
		if s.Outcome == Success {
			buckets[at].good++
		}
	}
	return buckets
}
