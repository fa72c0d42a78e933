package seawalltest

import (
	"context"
	"slices"
	"sync"

	"github.com/seawall-go/seawall"
)

// defaultRecorderLimit takes some 15 MB when it is full.
const defaultRecorderLimit = 100_000

// Recorder is a [seawall.Observer] that keeps what it is told, for tests to look
// at. It is a [seawall.StateObserver] and a [seawall.LimitObserver] too. The zero
// Recorder is ready to use, by many goroutines at once. It must not be copied.
type Recorder struct {
	// Limit is how many events are kept, and how many changes of either kind.
	// What comes later is only counted, by Dropped. Set it before the first use.
	// Default 100,000.
	Limit int

	mu      sync.Mutex
	events  []seawall.Event
	states  []seawall.StateChange
	limits  []seawall.LimitChange
	dropped int
}

var (
	_ seawall.Observer      = (*Recorder)(nil)
	_ seawall.StateObserver = (*Recorder)(nil)
	_ seawall.LimitObserver = (*Recorder)(nil)
)

// Observe keeps e.
func (r *Recorder) Observe(_ context.Context, e seawall.Event) { record(r, &r.events, e) }

// ObserveState keeps c.
func (r *Recorder) ObserveState(_ context.Context, c seawall.StateChange) { record(r, &r.states, c) }

// ObserveLimit keeps c.
func (r *Recorder) ObserveLimit(_ context.Context, c seawall.LimitChange) { record(r, &r.limits, c) }

func record[T any](r *Recorder, all *[]T, v T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	limit := r.Limit
	if limit <= 0 {
		limit = defaultRecorderLimit
	}
	if len(*all) >= limit {
		r.dropped++
		return
	}
	*all = append(*all, v)
}

// Events returns a copy of the events that are kept, the first one first. The
// order of those that came at once is the order in which they were recorded.
func (r *Recorder) Events() []seawall.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

// States returns a copy of the changes of state that are kept.
func (r *Recorder) States() []seawall.StateChange {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.states)
}

// Limits returns a copy of the changes of limits that are kept.
func (r *Recorder) Limits() []seawall.LimitChange {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.limits)
}

// Count returns how many of the events that are kept match; nil matches all.
func (r *Recorder) Count(match func(seawall.Event) bool) int {
	events := r.Events() // match runs without the lock
	if match == nil {
		return len(events)
	}
	n := 0
	for _, e := range events {
		if match(e) {
			n++
		}
	}
	return n
}

// Dropped returns how many events and changes came when Limit was reached.
func (r *Recorder) Dropped() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.dropped
}

// Reset forgets everything.
func (r *Recorder) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events, r.states, r.limits, r.dropped = nil, nil, nil, 0
}
