package ratelimit

import (
	"time"

	"github.com/seawall-go/seawall"
)

// Stats is how Limits are. It is the Detail of their Snapshot.
type Stats struct {
	DryRun   bool          `json:"dry_run"`
	Policies []PolicyStats `json:"policies"`
}

// PolicyStats are totals of one policy since New.
type PolicyStats struct {
	Name string `json:"name"`
	Rate string `json:"rate"`
	// Admitted and Refused are its decisions; what another policy refused later
	// counts as Admitted here. Absent had no key.
	Admitted uint64 `json:"admitted"`
	Refused  uint64 `json:"refused"`
	Absent   uint64 `json:"absent,omitempty"`
	DryRun   bool   `json:"dry_run,omitempty"`
	// Keys is about how many keys are in debt, of Capacity; Displaced how many
	// requests found no room for theirs. More than a few of those: more Bytes.
	Keys      int    `json:"keys,omitempty"`
	Capacity  int    `json:"capacity,omitempty"`
	Displaced uint64 `json:"displaced,omitempty"`
}

// Stats returns the totals up to this moment.
func (l *Limits) Stats() Stats {
	rs := l.rules.Load()
	out := Stats{DryRun: rs.cfg.DryRun}
	for _, p := range rs.all {
		st := PolicyStats{
			Name: p.cfg.Name, Rate: p.cfg.Rate.String(), DryRun: p.cfg.DryRun || rs.cfg.DryRun,
			Admitted: p.counts.admitted.Load(), Refused: p.counts.refused.Load(), Absent: p.counts.absent.Load(),
		}
		if p.keyed != nil {
			k := p.keyed.Stats()
			st.Keys, st.Capacity, st.Displaced = k.Live, k.Capacity, k.Displaced
		}
		out.Policies = append(out.Policies, st)
	}
	return out
}

// Snapshot implements seawall.Snapshotter: Stats in the common form.
func (l *Limits) Snapshot() seawall.Snapshot {
	st := l.Stats()
	var m []seawall.Metric
	for _, p := range st.Policies {
		add := func(name string, kind seawall.MetricKind, v float64, more ...seawall.Label) {
			m = append(m, seawall.Metric{
				Name: name, Kind: kind, Value: v, Labels: append([]seawall.Label{{Name: "policy", Value: p.Name}}, more...),
			})
		}
		add("decisions_total", seawall.Counter, float64(p.Admitted), seawall.Label{Name: "outcome", Value: "admitted"})
		add("decisions_total", seawall.Counter, float64(p.Refused), seawall.Label{Name: "outcome", Value: "rejected"})
		if p.Capacity > 0 {
			add("absent_total", seawall.Counter, float64(p.Absent))
			add("displaced_total", seawall.Counter, float64(p.Displaced))
			add("keys", seawall.Gauge, float64(p.Keys))
			add("keys_capacity", seawall.Gauge, float64(p.Capacity))
		}
	}
	return seawall.Snapshot{
		Component: component, Name: l.rules.Load().cfg.Name, At: time.Now(), State: "limiting",
		DryRun: st.DryRun, Metrics: m, Detail: st,
	}
}

var _ seawall.Snapshotter = (*Limits)(nil)
