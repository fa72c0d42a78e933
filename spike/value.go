package spike

import (
	"cmp"
	"slices"
	"time"

	"github.com/seawall-go/seawall"
)

// points is what a success is worth, Critical first.
var points = [seawall.NumPriorities]float64{10, 3, 1, 0.3}

// ValueRatio returns the value of one contender's answers over that of
// another's in the same scenario, None when the other has none.
func ValueRatio(a, b Figures) Number {
	return ratio(float64(a.Value), float64(b.Value))
}

// value is None when nobody asked in the spike.
func (a *analysis) value() Number {
	sum, asked := 0.0, false
	for i := range a.rec.Samples {
		s := &a.rec.Samples[i]
		if s.Intended < a.sc.Start || s.Intended >= a.sc.End {
			continue
		}
		asked = true
		if s.Outcome == Success {
			sum += points[classOf(s.Priority)]
		}
	}
	if !asked {
		return None
	}
	return Number(sum)
}

const (
	foundWindow = 500 * time.Millisecond
	foundStep   = 100 * time.Millisecond
	foundHold   = time.Second
	foundFactor = 2 // times the mean service time
)

// found is how long it took to be quick again with fewer slots.
func (a *analysis) found() Number {
	loss, ok := a.loss()
	cfg, err := a.sc.Backend.resolve()
	if !ok || err != nil {
		return None
	}
	end := min(loss.At+loss.For, a.sc.End)
	back := a.backBetween(loss.At, end)
	quick := foundFactor * cfg.Service.Mean()
	hold := min(foundHold, (end - loss.At).Truncate(foundStep))
	if hold == 0 {
		return None
	}
	window := min(foundWindow, hold)
	since := loss.At // every window from here on is quick
	for from := loss.At; from+window <= end; from += foundStep {
		if !quickIn(back, from, from+window, quick) {
			since = from + foundStep
		} else if from+window >= since+hold {
			return Number((since - loss.At).Seconds())
		}
	}
	return Never
}

// loss is the first loss of slots in the spike.
func (a *analysis) loss() (first Fault, ok bool) {
	for _, f := range a.sc.Faults {
		if f.Kind == FaultCapacity && f.Value >= 1 && f.At >= a.sc.Start && f.At < a.sc.End && (!ok || f.At < first.At) {
			first, ok = f, true
		}
	}
	return first, ok
}

// answered is a success: when it came back, and how long it had taken.
type answered struct{ at, latency time.Duration }

// backBetween lists the successes that came back from one time until before
// another, in order.
func (a *analysis) backBetween(from, to time.Duration) []answered {
	var list []answered
	for i := range a.rec.Samples {
		s := &a.rec.Samples[i]
		if at := s.Intended + s.Latency; s.Outcome == Success && at >= from && at < to {
			list = append(list, answered{at, s.Latency})
		}
	}
	slices.SortFunc(list, func(x, y answered) int { return cmp.Compare(x.at, y.at) })
	return list
}

// quickIn reports whether there were successes from one time until before
// another, and whether their mean latency was at most quick.
func quickIn(list []answered, from, to, quick time.Duration) bool {
	at := func(t time.Duration) int {
		i, _ := slices.BinarySearchFunc(list, t, func(a answered, t time.Duration) int { return cmp.Compare(a.at, t) })
		return i
	}
	some := list[at(from):at(to)]
	sum := 0.0
	for _, s := range some {
		sum += s.latency.Seconds()
	}
	return len(some) > 0 && sum <= quick.Seconds()*float64(len(some))
}
