package cache

import (
	"context"
	"errors"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seawall-go/seawall"
)

// flight is one load of one key, for however many callers. It runs in a
// goroutine of its own, so that whoever leaves takes nothing from the others.
type flight[K comparable, V any] struct {
	key K
	old *Entry[V] // what it is to replace; its result must be newer
	// Of the moment it began: an entry that another process has loaded counts as
	// kept since then.
	epoch uint32
	began int64
	done  chan struct{}
	batch *batch[K, V]

	// Under the lock of its shard:
	waiters int
	keep    bool // not canceled when nobody waits
	void    bool // Set or Delete came meanwhile: its result is not kept
	over    bool

	leased atomic.Bool // this process is the one that loads

	// Before done is closed:
	entry    *Entry[V]
	err      error
	outdated bool // something was invalidated meanwhile that is in it

	stands atomic.Int32 // whether something stale may stand in for err

	spare atomic.Pointer[Entry[V]] // of L2: stale, for when the load fails
}

const flightShards = 64

// flights are those under way.
type flights[K comparable, V any] struct {
	seed   maphash.Seed
	shards [flightShards]struct {
		mu    sync.Mutex
		byKey map[K]*flight[K, V]
		_     [48]byte // one cache line each
	}
}

// lock locks what concerns a key: its flight, and changes of its entry in L1.
func (fs *flights[K, V]) lock(key K) (m map[K]*flight[K, V], unlock *sync.Mutex) {
	s := &fs.shards[maphash.Comparable(fs.seed, key)%flightShards]
	s.mu.Lock()
	if s.byKey == nil {
		s.byKey = make(map[K]*flight[K, V])
	}
	return s.byKey, &s.mu
}

// wait waits for a load of the key. Old is what may be shown if it fails; nil if
// there is nothing.
func (c *Cache[K, V]) wait(ctx context.Context, key K, load Loader[K, V], old *Entry[V]) (V, error) {
	for {
		epoch := c.epoch.Load()
		b := c.newBatch(ctx, load)
		f := c.join(b, key, old)
		b.start()
		v, again, err := c.await(ctx, f, old, epoch)
		switch {
		case again:
		case !errors.Is(err, errNoLoader):
			return v, err
		case load == nil:
			return v, ErrNotFound
		}
	}
}

// join returns the flight of a key, a new one of b if there is none.
func (c *Cache[K, V]) join(b *batch[K, V], key K, old *Entry[V]) *flight[K, V] {
	m, mu := c.flights.lock(key)
	defer mu.Unlock()
	f := m[key]
	if f == nil {
		if f = c.landedBefore(key, old); f != nil {
			return f
		}
		f = c.newFlight(m, b, key, old)
	}
	f.waiters++
	return f
}

// landedBefore returns a flight that has ended, if one has since the caller looked
// at L1. The caller holds the lock of the key.
func (c *Cache[K, V]) landedBefore(key K, old *Entry[V]) *flight[K, V] {
	f := &flight[K, V]{key: key, epoch: c.epoch.Load(), over: true}
	e, ok := c.l1.Get(key)
	switch {
	case ok && e != old && e.plain(c.clock.Exact(), f.epoch):
		f.entry = e
	case !ok && c.negatives.has(c, key):
		f.err = ErrNotFound
	default:
		return nil
	}
	f.done = ended
	return f
}

// ended is the end of all flights that never were under way.
var ended = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

func (c *Cache[K, V]) newFlight(m map[K]*flight[K, V], b *batch[K, V], key K, old *Entry[V]) *flight[K, V] {
	f := &flight[K, V]{key: key, old: old, epoch: c.epoch.Load(), began: c.clock.Exact(), done: make(chan struct{}), batch: b}
	b.add(f)
	if isItself(key) {
		m[key] = f
	}
	return f
}

// await waits for one flight.
func (c *Cache[K, V]) await(ctx context.Context, f *flight[K, V], old *Entry[V], epoch uint32) (v V, again bool, err error) {
	var soft <-chan time.Time
	if old != nil && c.cfg.SoftTimeout > 0 {
		left := c.cfg.SoftTimeout - time.Duration(c.clock.Exact()-f.began)
		t := time.NewTimer(max(left, 0))
		defer t.Stop()
		soft = t.C
	}
	for {
		select {
		case <-f.done:
			return c.landed(ctx, f, old, epoch)
		case <-soft:
			if !c.shown(old) { // too old by now
				soft = nil
				continue
			}
			c.leave(f, true)
			c.degraded(ctx, seawall.DeadlineExceeded)
			return c.out(old.value), false, nil
		case <-ctx.Done():
			c.leave(f, false)
			if c.shown(old) && errors.Is(ctx.Err(), context.DeadlineExceeded) {
				c.degraded(ctx, seawall.DeadlineExceeded)
				return c.out(old.value), false, nil
			}
			return v, false, ctx.Err()
		}
	}
}

// shown says whether there is something that may be shown in place of an error.
func (c *Cache[K, V]) shown(e *Entry[V]) bool { return e != nil && c.clock.Exact() < e.end() }

// landed is what a flight has brought for one who waited.
func (c *Cache[K, V]) landed(ctx context.Context, f *flight[K, V], old *Entry[V], epoch uint32) (v V, again bool, err error) {
	switch {
	case f.outdated && f.epoch != epoch:
		return v, true, nil // this caller came after that
	case f.err == nil:
		return c.out(f.entry.value), false, nil
	}
	if spare := f.spare.Load(); spare != nil && c.current(spare) && c.shown(spare) {
		old = spare
	}
	if c.shown(old) && f.stands.Load() == standYes {
		c.degraded(ctx, seawall.CircuitOpen)
		return c.out(old.value), false, nil
	}
	return v, false, f.err
}

// What flight.stands may be.
const (
	standNo int32 = iota // not asked, as most flights do not fail
	standAsked
	standYes
	standNever
)

// standsIn says whether a stale value may be shown in place of an error. StaleOn is
// asked once; if it panics or ends its goroutine the answer is yes.
func (c *Cache[K, V]) standsIn(f *flight[K, V], err error) bool {
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrClosed) {
		return false
	}
	if f.stands.CompareAndSwap(standNo, standAsked) {
		func() {
			answer := standYes
			defer func() {
				_ = recover() // the error of the load is what counts
				f.stands.Store(answer)
			}()
			if !c.cfg.StaleOn(err) {
				answer = standNever
			}
		}()
	}
	return f.stands.Load() != standNever
}

// leave takes one off who waited. Whoever is the last ends the load, unless that
// is to go on.
func (c *Cache[K, V]) leave(f *flight[K, V], goOn bool) {
	m, mu := c.flights.lock(f.key)
	f.waiters--
	f.keep = f.keep || goOn || c.cfg.FinishLoads
	end := f.waiters == 0 && !f.keep && !f.over
	if end {
		f.void = true
		if m[f.key] == f {
			delete(m, f.key) // who comes now is not to wait for something that ends
		}
	}
	mu.Unlock()
	if end {
		f.batch.less()
	}
}

// refresh loads e anew in the background, unless that is under way, or too many
// others are.
func (c *Cache[K, V]) refresh(ctx context.Context, key K, e *Entry[V], load Loader[K, V], many bool) {
	if load == nil && !many && c.remote == nil {
		return
	}
	b := c.newBatch(ctx, load)
	b.many = many
	if c.renew(b, key, e) {
		b.startQuietly()
	}
}

// renew adds to b a flight for e, unless there is one.
func (c *Cache[K, V]) renew(b *batch[K, V], key K, e *Entry[V]) bool {
	m, mu := c.flights.lock(key)
	defer mu.Unlock()
	if m[key] != nil {
		return false
	}
	// A flight may have ended since the caller looked at L1.
	if now, ok := c.l1.Get(key); ok && now != e || c.clock.Exact() < e.retry.Load() {
		return false
	}
	if b.quiet == nil {
		select {
		case c.refreshes <- struct{}{}:
			b.quiet = c.refreshes
		default:
			c.stats.refreshesPutOff.Add(1)
			return false
		}
	}
	f := c.newFlight(m, b, key, e)
	f.keep = true
	return true
}

// land ends a flight; the first call does. It says whether the entry is kept, in
// L2, too, if item is nil there or the outbox takes it.
func (c *Cache[K, V]) land(f *flight[K, V], e *Entry[V], item *Item, err error) (first, kept bool) {
	cost := int64(1)
	if err == nil {
		cost = c.cost(f.key, e)
	}
	m, mu := c.flights.lock(f.key)
	defer mu.Unlock()
	if f.over {
		return false, false
	}
	f.over, f.entry, f.err = true, e, err
	defer close(f.done) // also if L1 panics
	if m[f.key] == f {
		delete(m, f.key)
	}
	missing := errors.Is(err, ErrNotFound) && !errors.Is(err, errNoLoader)
	switch {
	case e != nil:
		f.outdated = !c.current(e)
	case missing: // and too long to be remembered
		f.outdated = f.epoch != c.epoch.Load()
	}
	switch {
	case err == nil:
		e.seen.Store(f.epoch)
		if kept = !f.void && !f.outdated; kept {
			c.l1.Set(f.key, e, cost)
			c.negatives.remove(f.key)
			if item != nil {
				c.remote.outbox.fill(f.key, *item)
			}
		}
	case f.void:
	case missing:
		c.l1.Delete(f.key)
		if e != nil {
			c.negatives.set(f.key, e)
		}
		if c.remote != nil && (f.old != nil || f.spare.Load() != nil) {
			c.remote.outbox.add(&op[K, V]{kind: opDelete, name: c.remote.name(f.key), key: f.key})
		}
	default:
		// What is stale in L2 is as good here until the next try.
		if spare := f.spare.Load(); spare != nil && f.stands.Load() == standYes && c.current(spare) && c.shown(spare) {
			spare.seen.Store(f.epoch)
			c.l1.Set(f.key, spare, c.cost(f.key, spare))
		}
	}
	if f.waiters > 0 || f.keep { // or leave has said so already
		f.batch.wanted.Add(-1)
	}
	return true, kept
}

// unkept ends a flight with an entry that goes to its callers only.
func (c *Cache[K, V]) unkept(f *flight[K, V], e *Entry[V]) {
	m, mu := c.flights.lock(f.key)
	f.void = true
	if m[f.key] == f {
		delete(m, f.key)
	}
	mu.Unlock()
	c.land(f, e, nil, nil)
}

// abort ends a flight that nobody waits for, without any result.
func (c *Cache[K, V]) abort(f *flight[K, V]) bool {
	m, mu := c.flights.lock(f.key)
	defer mu.Unlock()
	if f.over || f.waiters > 0 {
		return f.over
	}
	f.over, f.err = true, errElsewhere
	if m[f.key] == f {
		delete(m, f.key)
	}
	close(f.done)
	return true
}

// drop takes away an entry, if it is still there.
func (c *Cache[K, V]) drop(key K, e *Entry[V]) {
	_, mu := c.flights.lock(key)
	defer mu.Unlock()
	if now, _ := c.l1.Get(key); now == e {
		c.l1.Delete(key)
	}
}
