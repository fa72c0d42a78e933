package shed

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/seawall-go/seawall"
)

// slowCounts are decisions off the fast path, by class.
type slowCounts struct {
	waited    atomic.Uint64
	granted   atomic.Uint64 // waited and got a seat
	waitNanos atomic.Uint64
	full      atomic.Uint64 // no seat, and no wait or no room to wait
	expired   atomic.Uint64 // waited in vain
	evicted   atomic.Uint64 // made room for somebody better
	left      atomic.Uint64 // the client gave up
}

func (c *slowCounts) refused() uint64 {
	return c.full.Load() + c.expired.Load() + c.evicted.Load() + c.left.Load()
}

// Stats is how a Shedder is. It is the Detail of its Snapshot.
type Stats struct {
	// State is open, climb, converge or hold; Probing says that hold is
	// trying a higher limit at the moment.
	State   string `json:"state"`
	Probing bool   `json:"probing"`
	DryRun  bool   `json:"dry_run"`
	// Limit is how many may be inside now, Knee how many the backend serves
	// at once as far as known (0: not), InFlight and Waiting how many there
	// are. Shadow counts those a dry run let in beside the limit.
	Limit    int     `json:"limit"`
	Knee     float64 `json:"knee"`
	InFlight int     `json:"in_flight"`
	Waiting  int     `json:"waiting"`
	Shadow   int     `json:"shadow,omitempty"`
	// Baseline is the latency without a queue, Variation its coefficient of
	// variation, Samples what that rests on. Slower: everything takes longer
	// than it did, at a harmless concurrency.
	Baseline  time.Duration `json:"baseline_ns"`
	Variation float64       `json:"variation"`
	Samples   int           `json:"samples"`
	Slower    bool          `json:"slower"`
	// Throughput is completions per second under saturation, Offered the
	// arrivals per second.
	Throughput float64 `json:"throughput"`
	Offered    float64 `json:"offered"`
	// Floor is the first priority refused at the door, and Cohort from which
	// of its 128 cohorts on. Empty: nobody.
	Floor  string `json:"floor,omitempty"`
	Cohort int    `json:"cohort,omitempty"`
	// CalmMean and CalmPeak are the requests inside in calm traffic.
	CalmMean float64 `json:"calm_mean"`
	CalmPeak float64 `json:"calm_peak"`
	// RefusedShare is over about the last second. In a dry run it is what the
	// throughput leaves no room for; the counts by priority are higher then,
	// because nobody they count makes room by leaving.
	RefusedShare float64 `json:"refused_share"`
	Exempt       uint64  `json:"exempt"`
	// Priorities are the totals since New, highest first.
	Priorities [seawall.NumPriorities]PriorityStats `json:"priorities"`
}

// PriorityStats are totals of one priority. Offered is Admitted, Refused and
// those still waiting.
type PriorityStats struct {
	Priority seawall.Priority `json:"priority"`
	Offered  uint64           `json:"offered"`
	Admitted uint64           `json:"admitted"`
	// Refused is the sum of the four below it.
	Refused uint64 `json:"refused"`
	Floored uint64 `json:"floored"` // at the door
	Full    uint64 `json:"full"`    // no seat and no room to wait
	Expired uint64 `json:"expired"` // waited in vain, or was overtaken by better ones
	Left    uint64 `json:"left"`    // the client gave up waiting
	// Waited had to wait, together for WaitTotal.
	Waited    uint64        `json:"waited"`
	WaitTotal time.Duration `json:"wait_total_ns"`
}

// Stats returns the state and the totals up to this moment.
func (s *Shedder) Stats() Stats {
	s.expire()
	s.mu.Lock()
	g := s.gate.Load()
	st := &s.state
	out := Stats{
		State: st.phase.String(), Probing: st.phase == hold && st.hunt.high, DryRun: g.dry,
		Limit: int(g.limit), Knee: st.knee, InFlight: int(s.n.Load()), Waiting: int(s.waiters.Load()), Shadow: int(s.shadows.Load()),
		Baseline: time.Duration(st.base.mean * float64(time.Second)), Variation: math.Sqrt(st.base.cv2),
		Samples: int(min(st.base.count, 1e9)), Slower: st.base.slower,
		Throughput: st.sat.x, Offered: st.door.volume,
		CalmMean: st.calm.n, CalmPeak: st.calm.peak, RefusedShare: s.share, Exempt: s.exempt.Load(),
	}
	if f := int(g.floor); f < allLevels {
		out.Floor, out.Cohort = priorityOf(uint32(f/cohorts)).String(), f%cohorts
	}
	totals := s.total
	for i := range s.shards {
		for l := range s.shards[i].offered {
			arrivals, floored := split(s.shards[i].offered[l].Load())
			totals[l/cohorts].offered += arrivals
			totals[l/cohorts].floored += uint64(floored)
		}
	}
	s.mu.Unlock()
	for i := range out.Priorities {
		c := &s.slow[i]
		p := PriorityStats{
			Priority: priorityOf(uint32(i)), Offered: totals[i].offered, Floored: totals[i].floored,
			Full: c.full.Load(), Expired: c.expired.Load() + c.evicted.Load(), Left: c.left.Load(),
			Waited: c.waited.Load(), WaitTotal: time.Duration(c.waitNanos.Load()),
		}
		p.Refused = p.Floored + p.Full + p.Expired + p.Left
		waiting := p.Waited - min(p.Waited, c.granted.Load()+p.Expired+p.Left)
		p.Admitted = p.Offered - min(p.Offered, p.Refused+waiting)
		out.Priorities[i] = p
	}
	return out
}

// Snapshot implements seawall.Snapshotter: Stats in the common form.
func (s *Shedder) Snapshot() seawall.Snapshot {
	st := s.Stats()
	gauge := func(name string, v float64) seawall.Metric {
		return seawall.Metric{Name: name, Kind: seawall.Gauge, Value: v}
	}
	m := []seawall.Metric{
		gauge("limit", float64(st.Limit)),
		gauge("in_flight", float64(st.InFlight)),
		gauge("waiting", float64(st.Waiting)),
		gauge("baseline_seconds", st.Baseline.Seconds()),
		gauge("throughput_per_second", st.Throughput),
		gauge("offered_per_second", st.Offered),
		gauge("refused_ratio", st.RefusedShare),
	}
	for _, name := range phaseNames {
		v := 0.0
		if name == st.State {
			v = 1
		}
		m = append(m, seawall.Metric{Name: "state", Kind: seawall.Gauge, Labels: []seawall.Label{{Name: "state", Value: name}}, Value: v})
	}
	for _, p := range st.Priorities {
		label := seawall.Label{Name: "priority", Value: p.Priority.String()}
		count := func(name string, v float64, more ...seawall.Label) {
			m = append(m, seawall.Metric{Name: name, Kind: seawall.Counter, Labels: append([]seawall.Label{label}, more...), Value: v})
		}
		count("requests_total", float64(p.Admitted), seawall.Label{Name: "outcome", Value: seawall.Admitted.String()})
		count("requests_total", float64(p.Refused), seawall.Label{Name: "outcome", Value: seawall.Rejected.String()})
		count("wait_seconds_total", p.WaitTotal.Seconds())
	}
	return seawall.Snapshot{
		Component: component, Name: s.gate.Load().cfg.Name, At: time.Now(),
		State: st.State, DryRun: st.DryRun, Metrics: m, Detail: st,
	}
}
