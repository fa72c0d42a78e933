package cache

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strconv"
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
	outbox outbox[K, V]
	bus    *listener[K, V] // nil without one

	node    string // this process, in messages and leases
	calls   atomic.Uint64
	maxLife time.Duration // of anything in L2
	allKey  string

	// What L2's clock says is the Cache's, in microseconds, and this.
	offset  atomic.Int64
	learned atomic.Bool
	allRead atomic.Int64 // when the epoch of all was read the last time
}

const (
	mostCalls = 512 // to L2 at once
	patience  = 2 * time.Second
	day       = 24 * time.Hour
)

func newRemote[K comparable, V any](c *Cache[K, V]) *remote[K, V] {
	s := &c.cfg.Shared
	r := &remote[K, V]{c: c, cfg: s, l2: s.L2, allKey: s.Prefix + ":a"}
	r.maxLife = max(day, min(c.cfg.TTL+max(c.cfg.StaleWhileRevalidate, c.cfg.StaleIfError), longest))
	if leaser, can := s.L2.(Leaser); can && !s.NoLease {
		r.leaser = leaser
	}
	var id [8]byte
	rand.Read(id[:]) //nolint:errcheck // it never fails
	r.node = hex.EncodeToString(id[:])
	r.offset.Store(time.Now().UnixMicro() - c.clock.Exact()/1e3)
	r.outbox.r = r
	r.outbox.kick = make(chan struct{}, 1)
	r.guard = storeguard.New(storeguard.Config{
		Budget: s.Budget, Patience: max(patience, s.Budget), Open: s.Retry, Calls: mostCalls,
		OnChange: func(up bool, cause error) {
			c.stateChanged(up, cause)
			if up {
				r.wake()
			}
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
	if r.c.hand.noL2.Load() {
		return errDown
	}
	up := r.guard.Up()
	if !up && !r.guard.May() {
		return errDown
	}
	var err error
	done := make(chan struct{})
	began := r.c.clock.Exact()
	call := r.guard.Go(func(ctx context.Context) error {
		defer close(done)
		err = errPanicked
		err = do(ctx)
		return err
	})
	if call == nil || !up {
		return errDown
	}
	late := time.NewTimer(r.cfg.Budget)
	defer late.Stop()
	select {
	case <-done:
		if err == nil || r.c.clock.Exact()-began < int64(r.cfg.Budget) {
			return err
		}
		return storeguard.ErrSlow
	case <-late.C:
		call.Slow()
		return storeguard.ErrSlow
	case <-ctx.Done():
		return ctx.Err()
	}
}

var errPanicked = errors.New("seawall/cache: panic in L2")

// name is a key as L2 knows it.
func (r *remote[K, V]) name(key K) string { return r.cfg.Prefix + ":v:" + r.cfg.EncodeKey(key) }

func (r *remote[K, V]) tagName(tag string) string { return r.cfg.Prefix + ":t:" + tag }

// --- clocks

// epochMargin is what is added to the time of an invalidation in L2: as much as
// this process may be wrong about L2's clock.
const epochMargin = 5 * time.Millisecond

// inStore is a time of this process by L2's clock, in microseconds since 1970.
func (r *remote[K, V]) inStore(at int64) int64 { return floorDiv(at, 1e3) + r.offset.Load() }

func (r *remote[K, V]) epochInStore(at int64) int64 {
	return r.inStore(at) + 1 + epochMargin.Microseconds()
}

// here is a time of L2's clock by that of this process.
func (r *remote[K, V]) here(us int64) int64 { return (us - r.offset.Load()) * 1e3 }

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// clockSays takes in what L2's clock said between two moments of this process.
func (r *remote[K, V]) clockSays(now time.Time, began, ended int64) {
	if !now.IsZero() {
		r.offset.Store(now.UnixMicro() - (began+ended)/2e3)
	}
	r.learned.Store(true)
}

// learnClock asks for L2's clock, before the first thing is written by it.
func (r *remote[K, V]) learnClock() error {
	if r.learned.Load() {
		return nil
	}
	_, err := r.get(r.c.ctx, []string{r.allKey})
	return err
}

// get reads keys of L2.
func (r *remote[K, V]) get(ctx context.Context, keys []string) ([][]byte, error) {
	values := make([][]byte, len(keys))
	var now time.Time
	began := r.c.clock.Exact()
	r.c.stats.l2Gets.Add(1)
	err := r.call(ctx, func(ctx context.Context) (err error) {
		now, err = r.l2.Get(ctx, keys, values)
		return err
	})
	if err != nil {
		return nil, err
	}
	r.clockSays(now, began, r.c.clock.Exact())
	return values, nil
}

// Times of invalidation are kept as decimals.
func encodeEpoch(us int64) []byte { return strconv.AppendInt(nil, us, 10) }

func decodeEpoch(data []byte) (us int64, ok bool) {
	us, err := strconv.ParseInt(string(data), 10, 64)
	return us, err == nil
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

func (r *remote[K, V]) settled(ctx context.Context, w *waiter) {
	if !r.guard.Up() {
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
