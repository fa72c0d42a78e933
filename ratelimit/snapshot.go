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
	// Misfit is how often RateFor named a rate that cannot be had.
	Misfit uint64 `json:"misfit,omitempty"`
	// Mode is enforce, dry_run or off.
	Mode string `json:"mode"`
	// Refusals by key, those refused most first.
	Top []RefusedKey `json:"top,omitempty"`
	// Shared is there if the policy is.
	Shared *SharedStats `json:"shared,omitempty"`
	// Keys is about how many keys are in debt, of Capacity; Displaced how many
	// requests found no room for theirs. More than a few of those: more Bytes.
	Keys      int    `json:"keys,omitempty"`
	Capacity  int    `json:"capacity,omitempty"`
	Displaced uint64 `json:"displaced,omitempty"`
}

// Stats returns the totals up to this moment.
func (l *Limits) Stats() Stats {
	rs, limits := l.inForce()
	out := Stats{DryRun: rs.cfg.DryRun}
	for i, p := range rs.all {
		st := PolicyStats{
			Name: p.cfg.Name, Rate: limits[i], Mode: modeNames[p.mode.Load()], Top: p.heavy.top(),
			Admitted: p.counts.admitted.Load(), Refused: p.counts.refused.Load(), Absent: p.counts.absent.Load(), Misfit: p.counts.misfit.Load(),
		}
		keys := p.keyed
		if p.shared != nil {
			shared := p.shared.Stats()
			st.Shared, keys = &shared, p.shared.alone
		}
		if keys != nil && p.cfg.Key.of != nil {
			k := keys.stats()
			st.Keys, st.Capacity, st.Displaced = k.Live, k.Capacity, k.Displaced
		}
		out.Policies = append(out.Policies, st)
	}
	return out
}

// inForce are the policies and, in words, their limits.
func (l *Limits) inForce() (*rules, []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.apply()
	rs := l.rules.Load()
	limits := make([]string, len(rs.all))
	for i, p := range rs.all {
		limits[i] = p.describe()
	}
	return rs, limits
}

// describe is the limit in force, for people.
func (p *policy) describe() string {
	if p.cfg.Quota != (Quota{}) {
		return p.cfg.Quota.String()
	}
	if p.cfg.RateFor != nil {
		return p.rate.String() + ", or by RateFor"
	}
	return p.rate.String()
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
		if p.Shared != nil {
			up := 0.0
			if p.Shared.Up {
				up = 1
			}
			add("store_up", seawall.Gauge, up)
			add("store_calls_total", seawall.Counter, float64(p.Shared.Calls))
			add("store_failures_total", seawall.Counter, float64(p.Shared.Failed))
			add("fallbacks_total", seawall.Counter, float64(p.Shared.Fallbacks))
			add("leased_tokens_total", seawall.Counter, float64(p.Shared.Granted))
			add("returned_tokens_total", seawall.Counter, float64(p.Shared.Returned))
		}
		if p.Capacity > 0 {
			add("absent_total", seawall.Counter, float64(p.Absent))
			add("misfit_total", seawall.Counter, float64(p.Misfit))
			add("displaced_total", seawall.Counter, float64(p.Displaced))
			add("keys", seawall.Gauge, float64(p.Keys))
			add("keys_capacity", seawall.Gauge, float64(p.Capacity))
		}
	}
	state := "limiting"
	for _, p := range st.Policies {
		if p.Shared != nil && !p.Shared.Up {
			state = "degraded"
		}
	}
	return seawall.Snapshot{
		Component: component, Name: l.rules.Load().cfg.Name, At: time.Now(), State: state,
		DryRun: st.DryRun, Metrics: m, Detail: st,
	}
}

var _ seawall.Snapshotter = (*Limits)(nil)
