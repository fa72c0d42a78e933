package shed

import (
	"time"

	"github.com/seawall-go/seawall"
)

// statHosts is how many hosts a TransportStats lists.
const statHosts = 100

// TransportStats is how a Transport is. It is the Detail of its Snapshot.
type TransportStats struct {
	// Priorities are the totals since NewTransport, highest first.
	Priorities [seawall.NumPriorities]SendStats `json:"priorities"`
	// HostCount is how many hosts are remembered, Hosts the 100 that were used
	// last, the latest first.
	HostCount int         `json:"host_count"`
	Hosts     []HostStats `json:"hosts,omitempty"`
}

// SendStats are totals of one priority.
type SendStats struct {
	Priority seawall.Priority `json:"priority"`
	// Sent includes Probes, which were sent although below a floor.
	Sent   uint64 `json:"sent"`
	Probes uint64 `json:"probes"`
	// Floored and Throttled were not sent: below the host's floor, or because it
	// refuses or fails too many.
	Floored   uint64 `json:"floored"`
	Throttled uint64 `json:"throttled"`
}

// HostStats is what is known of one host. Its totals begin anew when it has been
// forgotten.
type HostStats struct {
	Host string `json:"host"`
	// Floor is the first priority that is not sent at the moment, and Cohort
	// from which of its 128 cohorts on. Empty: all are.
	Floor  string `json:"floor,omitempty"`
	Cohort int    `json:"cohort,omitempty"`
	// Normal, Sheddable and Background are the shares of these priorities that
	// are not sent to a host without a floor.
	Normal     float64 `json:"throttled_normal,omitempty"`
	Sheddable  float64 `json:"throttled_sheddable,omitempty"`
	Background float64 `json:"throttled_background,omitempty"`
	Sent       uint64  `json:"sent"`
	Probes     uint64  `json:"probes"`
	Floored    uint64  `json:"floored"`
	Throttled  uint64  `json:"throttled"`
}

// refusing reports whether there is anything not sent.
func (h *HostStats) refusing() bool {
	return h.Floor != "" || h.Normal > 0 || h.Sheddable > 0 || h.Background > 0
}

// Stats returns the state and the totals up to this moment.
func (t *Transport) Stats() TransportStats {
	var out TransportStats
	for class := range out.Priorities {
		o := &t.outcomes[class]
		out.Priorities[class] = SendStats{
			Priority: priorityOf(uint32(class)), Sent: o[outSent].Load() + o[outProbed].Load(),
			Probes: o[outProbed].Load(), Floored: o[outFloored].Load(), Throttled: o[outThrottled].Load(),
		}
	}
	var some []*host
	some, out.HostCount = t.hosts.latest(statHosts)
	now := time.Since(t.base)
	for _, h := range some {
		out.Hosts = append(out.Hosts, h.stats(now, t.k, t.cfg.Window))
	}
	return out
}

func (h *host) stats(now time.Duration, k [seawall.NumPriorities]float64, window time.Duration) HostStats {
	out := HostStats{
		Host: h.name, Sent: h.outcomes[outSent].Load() + h.outcomes[outProbed].Load(), Probes: h.outcomes[outProbed].Load(),
		Floored: h.outcomes[outFloored].Load(), Throttled: h.outcomes[outThrottled].Load(),
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if level := h.ceiling.level(now); level < allLevels {
		out.Floor, out.Cohort = priorityOf(uint32(level/cohorts)).String(), level%cohorts
		return out
	}
	for class, p := range [...]*float64{nil, &out.Normal, &out.Sheddable, &out.Background} {
		if p != nil && k[class] > 0 {
			*p = h.throttles[class].probability(bucketAt(now, window), k[class])
		}
	}
	return out
}

// Snapshot implements seawall.Snapshotter: Stats in the common form. The state
// is refusing while any of the hosts it lists is spared, and open otherwise.
func (t *Transport) Snapshot() seawall.Snapshot {
	st := t.Stats()
	state, spared := "open", 0
	for i := range st.Hosts {
		if st.Hosts[i].refusing() {
			state = "refusing"
			spared++
		}
	}
	m := []seawall.Metric{
		{Name: "outbound_hosts", Kind: seawall.Gauge, Value: float64(st.HostCount)},
		{Name: "outbound_hosts_spared", Kind: seawall.Gauge, Value: float64(spared)},
	}
	for _, p := range st.Priorities {
		label := seawall.Label{Name: "priority", Value: p.Priority.String()}
		count := func(name string, v uint64, more ...seawall.Label) {
			m = append(m, seawall.Metric{Name: name, Kind: seawall.Counter, Labels: append([]seawall.Label{label}, more...), Value: float64(v)})
		}
		count("outbound_sent_total", p.Sent)
		count("outbound_probes_total", p.Probes)
		count("outbound_refused_total", p.Floored, seawall.Label{Name: "cause", Value: "floor"})
		count("outbound_refused_total", p.Throttled, seawall.Label{Name: "cause", Value: "throttle"})
	}
	return seawall.Snapshot{Component: component, Name: t.cfg.Name, At: time.Now(), State: state, Metrics: m, Detail: st}
}
