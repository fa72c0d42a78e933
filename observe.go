package seawall

import (
	"context"
	"time"
)

// Outcome is what became of a request at one component.
type Outcome uint8

// The outcomes.
const (
	// Admitted went on to the next part.
	Admitted Outcome = iota
	// Rejected was answered with a Rejection (in a dry run: would have been).
	Rejected
	// Degraded was served with less: a stale answer, a local decision in
	// place of a shared one.
	Degraded
)

var outcomeNames = [...]string{"admitted", "rejected", "degraded"}

// String returns the name used in metric labels and logs.
func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return "unknown"
}

// Event is one decision of one component about one request.
type Event struct {
	// Component is the package, Name the instance.
	Component, Name string
	// Reason is set when Outcome is not Admitted.
	Reason   Reason
	Outcome  Outcome
	Priority Priority
	// DryRun: the decision was made and counted, but not enforced.
	DryRun bool
	// Route is the class's route, from a small set.
	Route string
	// Wait is the time spent queued before the decision.
	Wait time.Duration
	// RetryAfter is what a rejected client was told.
	RetryAfter time.Duration
	User       ID
}

// Observer is told of every decision. The event comes by value (a pointer
// would cost an allocation a request), in the request's goroutine, never under
// a lock. An Observer must be fast and must not block; it may also implement
// StateObserver and LimitObserver.
type Observer interface {
	Observe(context.Context, Event)
}

// StateObserver is an Observer that also wants to know when a component goes
// from one state to another: a breaker opens, a shedder begins to shed.
type StateObserver interface {
	ObserveState(context.Context, StateChange)
}

// StateChange tells of one.
type StateChange struct {
	Component, Name string
	From, To        string
	// Cause is for people: one line.
	Cause string
}

// LimitObserver is an Observer that also wants to know when a component moves
// the limit it works with.
type LimitObserver interface {
	ObserveLimit(context.Context, LimitChange)
}

// LimitChange tells of one. Limits are counted in requests in flight, or in
// requests per second, as the component says.
type LimitChange struct {
	Component, Name string
	From, To        float64
}

// ObserverFunc is an Observer made of a function.
type ObserverFunc func(context.Context, Event)

// Observe calls f.
func (f ObserverFunc) Observe(ctx context.Context, e Event) { f(ctx, e) }

// Observers joins several into one, which passes each kind of event to those
// that want it. Nil ones, a nil ObserverFunc included, are skipped; with none
// left it returns nil, which is off.
func Observers(all ...Observer) Observer {
	var kept observers
	for _, o := range all {
		if f, ok := o.(ObserverFunc); o == nil || ok && f == nil {
			continue
		}
		kept = append(kept, o)
	}
	switch len(kept) {
	case 0:
		return nil
	case 1:
		return kept[0]
	default:
		return kept
	}
}

type observers []Observer

func (os observers) Observe(ctx context.Context, e Event) {
	for _, o := range os {
		o.Observe(ctx, e)
	}
}

func (os observers) ObserveState(ctx context.Context, c StateChange) {
	for _, o := range os {
		if so, ok := o.(StateObserver); ok {
			so.ObserveState(ctx, c)
		}
	}
}

func (os observers) ObserveLimit(ctx context.Context, c LimitChange) {
	for _, o := range os {
		if lo, ok := o.(LimitObserver); ok {
			lo.ObserveLimit(ctx, c)
		}
	}
}
