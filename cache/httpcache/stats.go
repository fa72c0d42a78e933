package httpcache

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache"
	"github.com/seawall-go/seawall/internal/hand"
	"github.com/seawall-go/seawall/internal/tally"
)

// counters are totals since New.
type counters struct {
	hits                               tally.Tally
	misses, stale, collapsed, degraded atomic.Uint64
	bypassed, stored, tooLong, noRoom  atomic.Uint64
	variantsOut, waitedLong, left      atomic.Uint64
	stalled, refused, failed           atomic.Uint64
	refreshes, putOff, panics          atomic.Uint64
	purges, invalidated                atomic.Uint64
}

// Stats is how a Cache is. It is the Detail of its Snapshot. What is not a number
// of things there now is a total since New.
type Stats struct {
	// Hits were answered by what is fresh, Stale by what is not, without waiting for
	// the handler. Misses were not; of these, Collapsed got somebody else's answer,
	// and Degraded something stale because the handler failed.
	Hits      uint64 `json:"hits"`
	Stale     uint64 `json:"stale"`
	Misses    uint64 `json:"misses"`
	Collapsed uint64 `json:"collapsed"`
	Degraded  uint64 `json:"degraded"`
	// Bypassed are requests that this cache has no business with.
	Bypassed uint64 `json:"bypassed"`
	// Stored answers; TooLong ones were longer than MaxBody or than they said.
	Stored  uint64 `json:"stored"`
	TooLong uint64 `json:"too_long"`
	// NoRoom were not kept because there was too much in others under way.
	NoRoom uint64 `json:"no_room"`
	// VariantsOut went because a URL had more than MaxVariants.
	VariantsOut uint64 `json:"variants_out"`
	// WaitedLong waited for somebody else's answer longer than Wait; Left went away
	// before there was one. Stalled are answers for which others waited no longer
	// because the client who asked first did not read them.
	WaitedLong uint64 `json:"waited_long"`
	Left       uint64 `json:"left"`
	Stalled    uint64 `json:"stalled"`
	// Refused waited for a handler that failed three times in a row, or answered
	// nobody for three times Wait.
	Refused uint64 `json:"refused"`
	// Refreshes were made in the background; PutOff were too many at once, and Panics
	// ended by one of the handler's.
	// Failed are those that failed, also by a panic.
	Refreshes uint64 `json:"refreshes"`
	PutOff    uint64 `json:"put_off"`
	Panics    uint64 `json:"panics"`
	Failed    uint64 `json:"failed"`
	// Purges are URLs, tags and prefixes; Invalidated are URLs that unsafe requests
	// have changed.
	Purges      uint64 `json:"purges"`
	Invalidated uint64 `json:"invalidated"`
	// Refreshing is how many requests are under way in the background.
	Refreshing int `json:"refreshing"`
	// Recording is how many bytes there are of answers under way that may be kept.
	Recording int64 `json:"recording"`
	// Store is what is below.
	Store cache.Stats `json:"store"`
}

// Stats returns the totals up to this moment.
func (h *Cache) Stats() Stats {
	s := &h.stats
	return Stats{
		Hits: s.hits.Total(), Stale: s.stale.Load(), Misses: s.misses.Load(), Collapsed: s.collapsed.Load(), Degraded: s.degraded.Load(),
		Bypassed: s.bypassed.Load(), Stored: s.stored.Load(), TooLong: s.tooLong.Load(), NoRoom: s.noRoom.Load(), VariantsOut: s.variantsOut.Load(),
		WaitedLong: s.waitedLong.Load(), Left: s.left.Load(), Stalled: s.stalled.Load(),
		Refused: s.refused.Load(), Failed: s.failed.Load(),
		Refreshes: s.refreshes.Load(), PutOff: s.putOff.Load(), Panics: s.panics.Load(),
		Purges: s.purges.Load(), Invalidated: s.invalidated.Load(), Refreshing: len(h.refreshes), Recording: h.recording.Load(),
		Store: h.store.Stats(),
	}
}

// Snapshot implements seawall.Snapshotter. State is "ok", "l2_down" while the tier
// that processes share does not answer, "calm" while an operator keeps renewals
// back, or "bypassed".
func (h *Cache) Snapshot() seawall.Snapshot {
	st := h.Stats()
	counter := func(name string, n uint64, labels ...seawall.Label) seawall.Metric {
		return seawall.Metric{Name: name, Kind: seawall.Counter, Value: float64(n), Labels: labels}
	}
	gauge := func(name string, n int) seawall.Metric {
		return seawall.Metric{Name: name, Kind: seawall.Gauge, Value: float64(n)}
	}
	result := func(word string) seawall.Label { return seawall.Label{Name: "result", Value: word} }
	s := seawall.Snapshot{
		Component: component, Name: h.cfg.Name, At: time.Now(), State: h.store.Snapshot().State, Detail: st,
		Metrics: []seawall.Metric{
			counter("requests_total", st.Hits, result("hit")), counter("requests_total", st.Misses, result("miss")),
			counter("requests_total", st.Stale, result("stale")), counter("requests_total", st.Bypassed, result("bypassed")),
			counter("collapsed_total", st.Collapsed), counter("degraded_total", st.Degraded),
			counter("stored_total", st.Stored), counter("too_long_total", st.TooLong), counter("no_room_total", st.NoRoom),
			counter("variants_out_total", st.VariantsOut),
			counter("waited_long_total", st.WaitedLong), counter("stalled_total", st.Stalled), counter("refused_total", st.Refused),
			counter("refreshes_failed_total", st.Failed), counter("left_total", st.Left),
			counter("refreshes_total", st.Refreshes), counter("refreshes_put_off_total", st.PutOff), counter("panics_total", st.Panics),
			counter("purges_total", st.Purges), counter("invalidated_total", st.Invalidated),
			gauge("refreshing", st.Refreshing), gauge("recording_bytes", int(st.Recording)), gauge("entries", st.Store.Entries),
		},
	}
	switch {
	case h.passAll.Load():
		s.State = "bypassed"
	case h.calm.Load():
		s.State = "calm"
	}
	return s
}

// The controls an operator has.
const (
	controlRenewals = "renewals"
	controlAnswers  = "answers"
	controlPurge    = "purge"

	whenEmpty = "when_empty"
	bypass    = "bypass"
)

func (h *Cache) prepareHand() {
	h.hand.Package = "seawall/httpcache"
	h.hand.Controls = []seawall.Control{
		{
			Name: controlRenewals, Options: []string{hand.Auto, whenEmpty},
			Help: "when_empty: show what is there until StaleIfError ends, ask the handler only for what is not",
		},
		{Name: controlAnswers, Help: "bypass: do as if this cache was not there", Options: []string{hand.Auto, bypass}},
		{Name: controlPurge, Help: "forget a URL, a prefix that ends with a slash and *, a tag as tag:name, or * for everything; there is no way back"},
	}
	h.hand.Apply = func(is func(control, value string) bool) {
		h.calm.Store(is(controlRenewals, whenEmpty))
		h.passAll.Store(is(controlAnswers, bypass) || h.ctx.Err() != nil)
	}
}

// Controls lists what Override may set.
func (h *Cache) Controls() []seawall.Control { return h.hand.List() }

// Override sets one of Controls. It implements seawall.Controllable.
func (h *Cache) Override(ctx context.Context, o seawall.Override) error {
	if o.Control != controlPurge {
		return h.hand.Set(o)
	}
	if o.For < 0 {
		return fmt.Errorf("seawall/httpcache: override of purge: For must not be negative (got %v)", o.For)
	}
	if o.Value == "" {
		return nil
	}
	if o.Value == "*" {
		return h.Clear(ctx)
	}
	if tag, ok := strings.CutPrefix(o.Value, "tag:"); ok {
		return h.PurgeTags(ctx, tag)
	}
	if prefix, ok := strings.CutSuffix(o.Value, "/*"); ok {
		return h.PurgePrefix(ctx, prefix+"/")
	}
	return h.Purge(ctx, o.Value)
}
