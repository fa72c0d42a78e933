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
	ended     atomic.Uint64 // of those, who do not wait any more
	waitNanos atomic.Uint64
	full      atomic.Uint64 // no room to wait; shards count those who would not have waited
	expired   atomic.Uint64 // waited in vain, or made room for somebody better
	left      atomic.Uint64 // the client gave up
	late      atomic.Uint64 // too late for the client
	draining  atomic.Uint64 // came after Close
	unheard   atomic.Uint64 // of left and late, those who are not among the arrivals
}

// refused is how many arrivals were, other than by the floor.
func (c *slowCounts) refused() uint64 {
	heard := c.left.Load() + c.late.Load()
	return c.full.Load() + c.expired.Load() + c.draining.Load() + heard - min(heard, c.unheard.Load())
}

// marks are the highest totals a metrics system has been told. Those who are
// just being decided pass for admitted until they are refused, and that one of
// them fewer has been admitted in the end would look like a restart.
type marks struct{ admitted, overloaded uint64 }

func (s *Shedder) raise(class int, p PriorityStats) (admitted, overloaded uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := &s.marks[class]
	m.admitted = max(m.admitted, p.Admitted)
	m.overloaded = max(m.overloaded, p.Floored+p.Full+p.Expired)
	return m.admitted, m.overloaded
}

// slowOf are those of the request's own priority, wherever it stands.
func (s *Shedder) slowOf(c *seawall.Class) *slowCounts { return &s.slow[classOf(c.Priority)>>32] }

// Stats is how a Shedder is. It is the Detail of its Snapshot.
type Stats struct {
	// State is open, climb, converge or hold; Probing says that hold is
	// trying a higher limit at the moment.
	State   string `json:"state"`
	Probing bool   `json:"probing"`
	DryRun  bool   `json:"dry_run"`
	// Limit is how many seats there are now, Knee how many requests of one seat
	// the backend serves at once as far as known (0: not), InFlight how many
	// seats are taken and Waiting how many are waited for. Shadow counts the
	// requests a dry run let in beside the limit, Detached those that have
	// given their seats back and go on: streams.
	Limit    int     `json:"limit"`
	Knee     float64 `json:"knee"`
	InFlight int     `json:"in_flight"`
	Waiting  int     `json:"waiting"`
	Shadow   int     `json:"shadow,omitempty"`
	Detached int     `json:"detached,omitempty"`
	// Baseline is the latency without a queue, Variation its coefficient of
	// variation, Samples what that rests on. Slower: everything takes longer
	// than it did, at a harmless concurrency.
	Baseline  time.Duration `json:"baseline_ns"`
	Variation float64       `json:"variation"`
	Samples   int           `json:"samples"`
	Slower    bool          `json:"slower"`
	// Throughput is completions per second under saturation, in seats, Offered
	// the arrivals per second, in requests.
	Throughput float64 `json:"throughput"`
	Offered    float64 `json:"offered"`
	// RunQueue is how many goroutines waited for each processor at the last
	// tick, and Allowed how many seats a second are let through for that (0: all).
	RunQueue float64 `json:"run_queue"`
	Allowed  float64 `json:"allowed,omitempty"`
	// Floor is the first priority refused at the door, and Cohort from which
	// of its 128 cohorts on. Empty: nobody.
	Floor  string `json:"floor,omitempty"`
	Cohort int    `json:"cohort,omitempty"`
	// CalmMean and CalmPeak are the seats taken in calm traffic.
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

// PriorityStats are totals of one priority, in requests. Offered is Admitted,
// Refused and those still waiting, but for the few that are being decided while
// the counters are read.
type PriorityStats struct {
	Priority seawall.Priority `json:"priority"`
	Offered  uint64           `json:"offered"`
	Admitted uint64           `json:"admitted"`
	// Refused is the sum of the six below it.
	Refused  uint64 `json:"refused"`
	Floored  uint64 `json:"floored"`  // at the door
	Full     uint64 `json:"full"`     // no seat and no room to wait
	Expired  uint64 `json:"expired"`  // waited in vain, or was overtaken by better ones
	Left     uint64 `json:"left"`     // the client gave up
	Late     uint64 `json:"late"`     // its deadline, or Class.Budget, was over or left no time for the work
	Draining uint64 `json:"draining"` // came, or still waited, after Close
	// Waited had to wait, together for WaitTotal.
	Waited    uint64        `json:"waited"`
	WaitTotal time.Duration `json:"wait_total_ns"`
}

// Stats returns the state and the totals up to this moment.
func (s *Shedder) Stats() Stats {
	s.expire()
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.gate.Load()
	st := &s.state
	out := Stats{
		State: st.phase.String(), Probing: st.phase == hold && st.hunt.test.on, DryRun: g.dry,
		Limit: int(g.limit), Knee: st.knee, InFlight: int(s.n.Load()), Waiting: int(s.waiters.Load()), Shadow: int(s.shadows.Load()),
		Detached: int(s.detached.Load()),
		Baseline: time.Duration(st.base.mean * float64(time.Second)), Variation: math.Sqrt(st.base.cv2),
		Samples: int(min(st.base.count, 1e9)), Slower: st.base.slower,
		Throughput: st.sat.x, Offered: st.door.volume,
		RunQueue: s.win.runnable, Allowed: st.cpu.rate,
		CalmMean: st.calm.n, CalmPeak: st.calm.peak, RefusedShare: s.share, Exempt: s.exempt.Load(),
	}
	if f := int(g.floor); f < allLevels {
		out.Floor, out.Cohort = priorityOf(uint32(f/cohorts)).String(), f%cohorts
	}
	totals := s.total
	for i := range s.shards {
		addLowered(&totals, s.shards[i].lowered.Load())
		for l := range s.shards[i].offered {
			arrivals, floored := split(s.shards[i].offered[l].Load())
			totals[l/cohorts].offered += arrivals
			totals[l/cohorts].floored += uint64(floored)
		}
		for class := range s.shards[i].full {
			totals[class].full += s.shards[i].full[class].Load()
		}
	}
	for i := range out.Priorities {
		out.Priorities[i] = s.slow[i].stats(uint32(i), totals[i])
	}
	return out
}

// whole is a count that corrections under way may have taken below zero.
func whole(v uint64) uint64 { return uint64(max(0, int64(v))) }

func (c *slowCounts) stats(class uint32, total counts) PriorityStats {
	p := PriorityStats{
		Priority: priorityOf(class), Offered: whole(total.offered) + c.unheard.Load(), Floored: whole(total.floored),
		Full: total.full + c.full.Load(), Expired: c.expired.Load(), Left: c.left.Load(), Late: c.late.Load(), Draining: c.draining.Load(),
		Waited: c.waited.Load(), WaitTotal: time.Duration(c.waitNanos.Load()),
	}
	p.Refused = p.Floored + p.Full + p.Expired + p.Left + p.Late + p.Draining
	waiting := p.Waited - min(p.Waited, c.ended.Load())
	p.Admitted = p.Offered - min(p.Offered, p.Refused+waiting)
	return p
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
		gauge("shadow", float64(st.Shadow)),
		gauge("detached", float64(st.Detached)),
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
	for i, p := range st.Priorities {
		admitted, overloaded := s.raise(i, p)
		label := seawall.Label{Name: "priority", Value: p.Priority.String()}
		count := func(name string, v float64, more ...seawall.Label) {
			m = append(m, seawall.Metric{Name: name, Kind: seawall.Counter, Labels: append([]seawall.Label{label}, more...), Value: v})
		}
		outcome := func(o seawall.Outcome) seawall.Label { return seawall.Label{Name: "outcome", Value: o.String()} }
		count("requests_total", float64(admitted), outcome(seawall.Admitted))
		rejected := func(n uint64, reason seawall.Reason) {
			count("requests_total", float64(n), outcome(seawall.Rejected), seawall.Label{Name: "reason", Value: string(reason)})
		}
		rejected(overloaded, seawall.Overloaded)
		rejected(p.Left, seawall.Canceled)
		rejected(p.Late, seawall.DeadlineExceeded)
		rejected(p.Draining, seawall.Draining)
		count("wait_seconds_total", p.WaitTotal.Seconds())
	}
	m = append(m, seawall.Metric{Name: "exempt_total", Kind: seawall.Counter, Value: float64(st.Exempt)})
	return seawall.Snapshot{
		Component: component, Name: s.gate.Load().cfg.Name, At: time.Now(),
		State: st.State, DryRun: st.DryRun, Metrics: m, Detail: st,
	}
}
