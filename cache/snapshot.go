package cache

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/seawall-go/seawall"
)

// counters are totals since New.
type counters struct {
	misses, stale, negative, degraded            atomic.Uint64
	loads, failures, notFound, unkept            atomic.Uint64
	refreshes, refreshesPutOff                   atomic.Uint64
	sets, deletes, invalidated, tagsForgotten    atomic.Uint64
	l2Gets, l2Hits, l2Stale, l2Misses, l2Foreign atomic.Uint64
	l2Unwritten, leaseWaits, overflows           atomic.Uint64
	messages, gaps, unpublished                  atomic.Uint64
}

// Stats is how a Cache is. It is the Detail of its Snapshot. What is not a number
// of things there now is a total since New.
type Stats struct {
	// Hits were answered fresh from L1, Stale after their TTL, Negative as known not
	// to exist; Misses had to wait for L2 or a load.
	Hits     uint64 `json:"hits"`
	Misses   uint64 `json:"misses"`
	Stale    uint64 `json:"stale"`
	Negative uint64 `json:"negative"`
	// Degraded were answered with something stale because a load failed or took too
	// long.
	Degraded uint64 `json:"degraded"`
	// Loads are calls of loaders. Failures are keys that could not be loaded,
	// NotFound those that do not exist, Unkept those that were not to be kept, or had
	// too many or too long tags.
	Loads    uint64 `json:"loads"`
	Failures uint64 `json:"failures"`
	NotFound uint64 `json:"not_found"`
	Unkept   uint64 `json:"unkept"`
	// Refreshes were begun in the background; PutOff were too many at once.
	Refreshes uint64 `json:"refreshes"`
	PutOff    uint64 `json:"put_off"`
	// Sets, Deletes (those of others, too) and Invalidated, which counts tags.
	Sets        uint64 `json:"sets"`
	Deletes     uint64 `json:"deletes"`
	Invalidated uint64 `json:"invalidated"`
	// TagsForgotten is how often there were more than MaxTags.
	TagsForgotten uint64 `json:"tags_forgotten"`
	// Entries and Negatives are there now.
	Entries   int `json:"entries"`
	Negatives int `json:"negatives"`
	// Loading is how many loads are under way, Refreshing how many of those in the
	// background.
	Loading    int `json:"loading"`
	Refreshing int `json:"refreshing"`
	// L2 is there if the Cache has one.
	L2 *L2Stats `json:"l2,omitempty"`
}

// L2Stats is how an L2 is, as this process sees it.
type L2Stats struct {
	Up       bool   `json:"up"`
	Failures uint64 `json:"failures"`
	// Gets are round trips to read. Of the values, Hits were fresh, Stale were not,
	// Misses were not there, Foreign could not be read.
	Gets    uint64 `json:"gets"`
	Hits    uint64 `json:"hits"`
	Stale   uint64 `json:"stale"`
	Misses  uint64 `json:"misses"`
	Foreign uint64 `json:"foreign"`
	// Unwritten were too long, or could not be written.
	Unwritten uint64 `json:"unwritten"`
	// LeaseWaits waited for what another process loads.
	LeaseWaits uint64 `json:"lease_waits"`
	// Pending is how many changes L2 and others are still to be told; Overflows is
	// how often they were too many.
	Pending   int    `json:"pending"`
	Overflows uint64 `json:"overflows"`
	// Messages came from others, Unpublished tries to tell them failed. Gaps is how
	// often some may have been missed; the first one is the beginning.
	Messages    uint64 `json:"messages"`
	Unpublished uint64 `json:"unpublished"`
	Gaps        uint64 `json:"gaps"`
}

// Stats returns the totals up to this moment.
func (c *Cache[K, V]) Stats() Stats {
	s := &c.stats
	out := Stats{
		Hits: c.hits.Total(), Misses: s.misses.Load(), Stale: s.stale.Load(), Negative: s.negative.Load(), Degraded: s.degraded.Load(),
		Loads: s.loads.Load(), Failures: s.failures.Load(), NotFound: s.notFound.Load(), Unkept: s.unkept.Load(),
		Refreshes: s.refreshes.Load(), PutOff: s.refreshesPutOff.Load(),
		Sets: s.sets.Load(), Deletes: s.deletes.Load(), Invalidated: s.invalidated.Load(), TagsForgotten: s.tagsForgotten.Load(),
		Entries: c.l1.Len(), Negatives: c.negatives.len(), Loading: len(c.loads), Refreshing: len(c.refreshes),
	}
	if c.remote != nil {
		out.L2 = c.remote.stats()
	}
	return out
}

func (r *remote[K, V]) stats() *L2Stats {
	s := &r.c.stats
	r.outbox.mu.Lock()
	pending := len(r.outbox.byName)
	r.outbox.mu.Unlock()
	return &L2Stats{
		Up: r.guard.Up() && !r.c.hand.noL2.Load(), Failures: r.guard.Failures(),
		Gets: s.l2Gets.Load(), Hits: s.l2Hits.Load(), Stale: s.l2Stale.Load(), Misses: s.l2Misses.Load(), Foreign: s.l2Foreign.Load(),
		Unwritten: s.l2Unwritten.Load(), LeaseWaits: s.leaseWaits.Load(), Pending: pending, Overflows: s.overflows.Load(),
		Messages: s.messages.Load(), Unpublished: s.unpublished.Load(), Gaps: s.gaps.Load(),
	}
}

// Snapshot implements seawall.Snapshotter. State is "ok", "l2_down" while L2 does
// not answer, or "calm" while an operator keeps loads back.
func (c *Cache[K, V]) Snapshot() seawall.Snapshot {
	st := c.Stats()
	counter := func(name string, n uint64, labels ...seawall.Label) seawall.Metric {
		return seawall.Metric{Name: name, Kind: seawall.Counter, Value: float64(n), Labels: labels}
	}
	gauge := func(name string, n int) seawall.Metric {
		return seawall.Metric{Name: name, Kind: seawall.Gauge, Value: float64(n)}
	}
	result := func(word string) seawall.Label { return seawall.Label{Name: "result", Value: word} }
	s := seawall.Snapshot{
		Component: component, Name: c.cfg.Name, At: time.Now(), State: "ok", Detail: st,
		Metrics: []seawall.Metric{
			counter("gets_total", st.Hits, result("hit")),
			counter("gets_total", st.Misses, result("miss")),
			counter("gets_total", st.Stale, result("stale")),
			counter("gets_total", st.Negative, result("negative")),
			counter("degraded_total", st.Degraded),
			counter("loads_total", st.Loads), counter("load_failures_total", st.Failures),
			counter("load_not_found_total", st.NotFound), counter("load_unkept_total", st.Unkept),
			counter("refreshes_total", st.Refreshes), counter("refreshes_put_off_total", st.PutOff),
			counter("sets_total", st.Sets), counter("deletes_total", st.Deletes), counter("tags_invalidated_total", st.Invalidated),
			counter("tags_forgotten_total", st.TagsForgotten),
			gauge("entries", st.Entries), gauge("negatives", st.Negatives), gauge("loading", st.Loading), gauge("refreshing", st.Refreshing),
		},
	}
	if l2 := st.L2; l2 != nil {
		up := 0
		if l2.Up {
			up = 1
		} else {
			s.State = "l2_down"
		}
		s.Metrics = append(s.Metrics,
			gauge("l2_up", up), counter("l2_failures_total", l2.Failures), counter("l2_round_trips_total", l2.Gets),
			counter("l2_gets_total", l2.Hits, result("hit")), counter("l2_gets_total", l2.Misses, result("miss")),
			counter("l2_gets_total", l2.Stale, result("stale")), counter("l2_gets_total", l2.Foreign, result("foreign")),
			counter("l2_unwritten_total", l2.Unwritten), counter("l2_lease_waits_total", l2.LeaseWaits),
			gauge("l2_pending", l2.Pending), counter("l2_overflows_total", l2.Overflows),
			counter("bus_messages_total", l2.Messages), counter("bus_unpublished_total", l2.Unpublished), counter("bus_gaps_total", l2.Gaps),
		)
	}
	if c.hand.calm.Load() {
		s.State = "calm"
	}
	return s
}

// degraded counts an answer that is stale because something failed.
func (c *Cache[K, V]) degraded(ctx context.Context, reason seawall.Reason) {
	c.stats.degraded.Add(1)
	if c.cfg.Observer != nil {
		c.cfg.Observer.Observe(ctx, seawall.Event{Component: component, Name: c.cfg.Name, Outcome: seawall.Degraded, Reason: reason})
	}
}
