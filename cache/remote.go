package cache

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"sync/atomic"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/internal/storeguard"
)

// remote is what a Cache has of L2.
type remote[K comparable, V any] struct {
	c      *Cache[K, V]
	cfg    *Shared[K, V]
	l2     L2
	leaser Leaser // nil if there is none
	guard  *storeguard.Guard
	places chan struct{} // for calls; they wait for one a little
	outbox outbox[K, V]
	bus    *listener[K, V] // nil without one

	node    string // this process, in messages and leases
	calls   atomic.Uint64
	maxLife time.Duration // of anything in L2
	allKey  string

	clock   storeClock
	allRead atomic.Int64 // when the epoch of all was read the last time
	allSeen atomic.Int64 // what it was, by L2's clock
}

const (
	mostCalls = 512 // to L2 at once
	patience  = 2 * time.Second
	day       = 24 * time.Hour
)

func newRemote[K comparable, V any](c *Cache[K, V]) *remote[K, V] {
	s := &c.cfg.Shared
	r := &remote[K, V]{c: c, cfg: s, l2: s.L2, allKey: s.Prefix + ":a", places: make(chan struct{}, mostCalls)}
	r.maxLife = max(day, min(c.cfg.TTL+max(c.cfg.StaleWhileRevalidate, c.cfg.StaleIfError), longest))
	if leaser, can := s.L2.(Leaser); can && !s.NoLease {
		r.leaser = leaser
	}
	var id [8]byte
	rand.Read(id[:])
	r.node = hex.EncodeToString(id[:])
	r.clock.offset = time.Now().UnixMicro() - c.clock.Exact()/1e3
	r.outbox.r = r
	r.outbox.kick = make(chan struct{}, 1)
	r.guard = storeguard.New(storeguard.Config{
		Budget: s.Budget, Patience: max(patience, s.Budget), Open: s.Retry,
		Calls: 2 * mostCalls, // leases are given back without a place
		OnChange: func(up bool, cause error) {
			if up {
				r.wake()
			}
			c.stateChanged(up, cause)
		},
	})
	if s.Bus != nil {
		r.bus = newListener(r)
		if c.begin() {
			go r.bus.run()
		}
	}
	return r
}

// wake lets the outbox try at once.
func (r *remote[K, V]) wake() {
	select {
	case r.outbox.kick <- struct{}{}:
	default:
	}
}

var errDown = errors.New("seawall/cache: L2 does not answer")

// call calls L2 and waits for its answer, at most Budget. While L2 is given up
// nobody waits; a call that may be made then only finds out whether it is back.
func (r *remote[K, V]) call(ctx context.Context, do func(context.Context) error) error {
	up := r.guard.Up()
	if r.c.hand.noL2.Load() || !up && !r.guard.May() {
		return errDown
	}
	if !up {
		select {
		case r.places <- struct{}{}:
			r.launch(do)
		default:
		}
		return errDown
	}
	late := time.NewTimer(r.cfg.Budget)
	defer late.Stop()
	select {
	case r.places <- struct{}{}:
	case <-late.C:
		return errDown
	case <-ctx.Done():
		return ctx.Err()
	}
	call, done := r.launch(do)
	if call == nil {
		return errDown
	}
	select {
	case err := <-done:
		return err
	case <-late.C:
		call.Slow()
		return storeguard.ErrSlow
	case <-ctx.Done():
		return ctx.Err()
	}
}

// launch makes a call for which there is a place.
func (r *remote[K, V]) launch(do func(context.Context) error) (*storeguard.Call, <-chan error) {
	done := make(chan error, 1)
	call := r.guard.Go(func(ctx context.Context) error {
		err := errPanicked
		defer func() {
			done <- err
			<-r.places
		}()
		err = do(ctx)
		return err
	})
	if call == nil {
		<-r.places
	}
	return call, done
}

var errPanicked = errors.New("seawall/cache: panic in L2")

// name is a key as L2 knows it.
func (r *remote[K, V]) name(key K) string { return r.cfg.Prefix + ":v:" + r.cfg.EncodeKey(key) }

func (r *remote[K, V]) tagName(tag string) string { return r.cfg.Prefix + ":t:" + tag }

// get reads keys of L2.
func (r *remote[K, V]) get(ctx context.Context, keys []string) ([][]byte, error) {
	values := make([][]byte, len(keys))
	var now time.Time
	began := r.c.clock.Exact()
	ask := r.clock.due(began)
	r.c.stats.l2Gets.Add(1)
	err := r.call(ctx, func(ctx context.Context) (err error) {
		if ask {
			ctx = AskTime(ctx)
		}
		now, err = r.l2.Get(ctx, keys, values)
		return err
	})
	if err != nil {
		return nil, err
	}
	if (ask || !now.IsZero()) && r.clock.says(now, began, r.c.clock.Exact()) {
		r.clockSet()
	}
	return values, nil
}

// --- what others invalidate

// tell makes tags invalid for all processes, and waits for L2, within Budget.
func (r *remote[K, V]) tell(ctx context.Context, at int64, tags []string) error {
	ops := make([]*op[K, V], len(tags))
	for i, t := range tags {
		ops[i] = &op[K, V]{kind: opTag, name: r.tagName(t), tag: t, at: at}
	}
	return r.post(ctx, ops)
}

func (r *remote[K, V]) tellAll(ctx context.Context, at int64) error {
	return r.post(ctx, []*op[K, V]{{kind: opAll, name: r.allKey, at: at}})
}

// post puts ops into the outbox and waits until they have been tried, unless L2
// is away. It makes no difference to the outcome whether ctx ends.
func (r *remote[K, V]) post(ctx context.Context, ops []*op[K, V]) error {
	if err := r.c.open(); err != nil {
		return err
	}
	w := newWaiter(len(ops))
	for _, p := range ops {
		p.waiting = append(p.waiting, w)
		r.outbox.add(p)
	}
	r.settled(ctx, w)
	return nil
}

// told notes what L2 was told of invalidations: it is as true here as what others
// tell it.
func (r *remote[K, V]) told(ops []*op[K, V], us int64) {
	for _, p := range ops {
		switch {
		case p.written:
		case p.kind == opTag && changed(&r.c.tag(p.tag).inStore, us):
			r.c.outdate(r.epochHere(us), []string{p.tag})
		case p.kind == opAll && changed(&r.allSeen, us):
			r.c.outdateAll(r.epochHere(us))
		}
	}
}

func (r *remote[K, V]) settled(ctx context.Context, w *waiter) {
	if !r.guard.Up() || r.outbox.failing.Load() || r.c.hand.noL2.Load() {
		return
	}
	t := time.NewTimer(2 * r.cfg.Budget) // one that is under way, and this
	defer t.Stop()
	select {
	case <-w.done:
	case <-ctx.Done():
	case <-t.C:
	case <-r.c.ctx.Done():
	}
}

func (c *Cache[K, V]) stateChanged(up bool, cause error) {
	so, wants := c.cfg.Observer.(seawall.StateObserver)
	if !wants {
		return
	}
	change := seawall.StateChange{Component: component, Name: c.cfg.Name, From: "l2_up", To: "l2_down"}
	if up {
		change.From, change.To = change.To, change.From
	}
	if cause != nil {
		change.Cause = cause.Error()
	}
	so.ObserveState(c.ctx, change)
}
