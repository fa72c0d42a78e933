package spike

import (
	"math"
	"slices"
	"time"

	"github.com/seawall-go/seawall"
)

// analysis is a record with its times in order.
type analysis struct {
	rec    *Record
	sc     Scenario
	due    []time.Duration // when each request was due
	served []time.Duration // when each success came back
	ill    []illness
}

func newAnalysis(rec *Record, sc Scenario) *analysis {
	a := &analysis{rec: rec, sc: sc, ill: illnesses(sc)}
	for i := range rec.Samples {
		s := &rec.Samples[i]
		a.due = append(a.due, s.Intended)
		if s.Outcome == Success {
			a.served = append(a.served, s.Intended+s.Latency)
		}
	}
	slices.Sort(a.due)
	slices.Sort(a.served)
	return a
}

// success is the share of the requests due from one time until before another
// that succeeded.
func (a *analysis) success(from, to time.Duration, p seawall.Priority) Number {
	return a.successOf(from, to, func(s *Sample) bool { return p == anyPriority || s.Priority == p })
}

// successOf is the same of the requests that belong.
func (a *analysis) successOf(from, to time.Duration, belongs func(*Sample) bool) Number {
	good, all := 0, 0
	for i := range a.rec.Samples {
		s := &a.rec.Samples[i]
		if s.Intended < from || s.Intended >= to || !belongs(s) {
			continue
		}
		all++
		if s.Outcome == Success {
			good++
		}
	}
	return ratio(float64(good), float64(all))
}

// honesty is the success in the spike of those who do not abuse, of the
// Critical requests of them, and of those who do.
func (a *analysis) honesty() (honest, honestCritical, abusers Number) {
	in := func(belongs func(*Sample) bool) Number { return a.successOf(a.sc.Start, a.sc.End, belongs) }
	abusers = in(func(s *Sample) bool { return s.Abuser })
	if math.IsNaN(float64(abusers)) {
		return None, None, None
	}
	honest = in(func(s *Sample) bool { return !s.Abuser })
	honestCritical = in(func(s *Sample) bool { return !s.Abuser && s.Priority == seawall.Critical })
	return honest, honestCritical, abusers
}

// latency is a quantile of the successes in the spike over the same one of the
// service time.
func (a *analysis) latency(q float64, p seawall.Priority) Number {
	var all []time.Duration
	for i := range a.rec.Samples {
		s := &a.rec.Samples[i]
		if s.Outcome == Success && s.Intended >= a.sc.Start && s.Intended < a.sc.End && (p == anyPriority || s.Priority == p) {
			all = append(all, s.Latency)
		}
	}
	cfg, err := a.sc.Backend.resolve()
	if len(all) == 0 || err != nil {
		return None
	}
	slices.Sort(all)
	return ratio(float64(all[rank(len(all), q)]), float64(cfg.Service.Quantile(q)))
}

// journeys is the share of the journeys begun in the spike that were finished.
func (a *analysis) journeys() Number {
	type journey struct {
		steps, good int
		begun       bool // in the spike
	}
	all := make(map[uint32]journey)
	for i := range a.rec.Samples {
		s := &a.rec.Samples[i]
		if s.Journey == 0 {
			continue
		}
		j := all[s.Journey]
		j.steps++
		if s.Outcome == Success {
			j.good++
		}
		if s.Step == 1 {
			j.begun = s.Intended >= a.sc.Start && s.Intended < a.sc.End
		}
		all[s.Journey] = j
	}
	length := max(a.rec.Load.Journeys.Length, 2)
	finished, counted := 0, 0
	for _, j := range all {
		switch {
		case !j.begun || (j.good == j.steps && j.good < length): // the run ended first
		case j.good >= length:
			finished++
			counted++
		default:
			counted++
		}
	}
	return ratio(float64(finished), float64(counted))
}
