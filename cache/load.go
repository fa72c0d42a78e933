package cache

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
)

// PanicError is what everybody gets who waited for a load that panicked. The
// process lives, and the next Get loads again.
type PanicError struct {
	// Value is what was panicked with.
	Value any
	// Stack is where.
	Stack []byte
}

// Error tells the value, and not the stack.
func (e *PanicError) Error() string {
	return fmt.Sprintf("seawall/cache: panic in a loader: %.200v", e.Value)
}

// Unwrap returns the value, if that is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// ErrGoexit is what everybody gets who waited for a load that has ended its
// goroutine by runtime.Goexit.
var ErrGoexit = errors.New("seawall/cache: a loader ended its goroutine")

// errNoLoader: the flight was one of somebody who only looks.
var errNoLoader = fmt.Errorf("%w, and no Loader", ErrNotFound)

// errElsewhere: another process loads it, and nobody waits for it here.
var errElsewhere = errors.New("seawall/cache: loaded elsewhere")

// batch is flights that are loaded together; mostly it is one.
type batch[K comparable, V any] struct {
	c       *Cache[K, V]
	parent  context.Context //nolint:containedctx // of whom asked first
	load    Loader[K, V]
	many    bool            // use LoadMany
	anew    bool            // whatever there is
	quiet   chan struct{}   // where it has a place in the background
	flights []*flight[K, V] // those it began
	wanted  atomic.Int64    // flights that somebody still waits for

	token string     // of its leases
	mu    sync.Mutex // of fills
	fills []Item     // for L2, by lease

	ctx    context.Context //nolint:containedctx // of the loads
	cancel context.CancelFunc
}

func (c *Cache[K, V]) newBatch(ctx context.Context, load Loader[K, V]) *batch[K, V] {
	return &batch[K, V]{c: c, parent: ctx, load: load}
}

// add takes one flight in, which others may join or leave from now on.
func (b *batch[K, V]) add(f *flight[K, V]) {
	if b.ctx == nil {
		b.ctx, b.cancel = context.WithTimeout(context.WithoutCancel(b.parent), b.c.cfg.LoadTimeout) //nolint:gosec // start and run cancel it
		b.wanted.Add(1)                                                                             // until start
	}
	b.wanted.Add(1)
	b.flights = append(b.flights, f)
}

// start begins the flights of a batch, if it has any.
func (b *batch[K, V]) start() {
	if b.ctx == nil {
		return
	}
	if b.c.begin() {
		go b.run()
		b.less()
		return
	}
	b.failRest(ErrClosed)
	b.cancel()
	if b.quiet != nil {
		<-b.quiet
	}
}

// startQuietly is start in the background.
func (b *batch[K, V]) startQuietly() {
	b.c.stats.refreshes.Add(uint64(len(b.flights)))
	b.start()
}

// less says that a flight is not wanted any more.
func (b *batch[K, V]) less() {
	if b.wanted.Add(-1) == 0 {
		b.cancel()
	}
}

func (b *batch[K, V]) failRest(err error) {
	for _, f := range b.flights {
		b.fail(f, err)
	}
}

// run brings all flights of a batch to an end.
func (b *batch[K, V]) run() {
	c := b.c
	defer c.work.Done()
	defer b.cancel()
	if b.quiet != nil {
		defer func() { <-b.quiet }()
	}
	stop := context.AfterFunc(c.ctx, b.cancel) // Close
	defer stop()
	// A load that does not end with its context must not hold up who waits.
	told := make(chan struct{})
	stopWaiting := context.AfterFunc(b.ctx, func() {
		defer close(told)
		b.failRest(b.why())
	})
	defer func() {
		if !stopWaiting() {
			<-told
		}
	}()
	b.guarded(b.flights, func() {
		for some := range slices.Chunk(b.flights, mostTogether) {
			b.bring(some)
		}
	})
}

// mostTogether is how many keys are asked for in one go: more would hold up
// everybody else who asks the same store.
const mostTogether = 1000

// bring brings flights to an end, by what L2 has, or by loads.
func (b *batch[K, V]) bring(flights []*flight[K, V]) {
	r := b.c.remote
	if r == nil {
		b.loadAll(flights)
		return
	}
	mine, others := r.fetch(b, flights)
	b.loadAll(mine)
	if len(others) > 0 {
		b.loadAll(r.waitFor(b, others))
	}
}

// why says why the context of the loads has ended.
func (b *batch[K, V]) why() error {
	if b.c.ctx.Err() != nil {
		return ErrClosed
	}
	return fmt.Errorf("seawall/cache: load: %w", b.ctx.Err())
}

// guarded runs what may panic or end its goroutine, and fails flights then.
func (b *batch[K, V]) guarded(flights []*flight[K, V], run func()) {
	finished := false
	defer func() {
		if finished {
			return
		}
		err := ErrGoexit
		if v := recover(); v != nil { // the callers' own, told to all of them
			err = &PanicError{v, debug.Stack()}
		}
		for _, f := range flights {
			b.fail(f, err)
		}
	}()
	run()
	finished = true
}

// atOnce is how many loads of one batch run at once.
const atOnce = 16

// loadAll loads the flights, each by itself or all in one go.
func (b *batch[K, V]) loadAll(flights []*flight[K, V]) {
	switch {
	case len(flights) == 0:
	case b.many:
		b.loadMany(flights)
	case len(flights) == 1:
		b.loadOne(flights[0])
	default:
		var wg sync.WaitGroup
		places := make(chan struct{}, atOnce)
		for _, f := range flights {
			places <- struct{}{}
			wg.Go(func() { // one that ends its goroutine ends no other load
				defer func() { <-places }()
				b.guarded([]*flight[K, V]{f}, func() { b.loadOne(f) })
			})
		}
		wg.Wait()
	}
}

// turn waits until one more load may run.
func (b *batch[K, V]) turn() (done func(), ok bool) {
	select {
	case b.c.loads <- struct{}{}:
		return func() { <-b.c.loads }, true
	case <-b.ctx.Done():
		return nil, false
	}
}

func (b *batch[K, V]) loadOne(f *flight[K, V]) {
	c := b.c
	if b.load == nil {
		b.fail(f, errNoLoader)
		return
	}
	done, ok := b.turn()
	if !ok {
		b.fail(f, b.why())
		return
	}
	defer done()
	began := c.stamp()
	c.stats.loads.Add(1)
	var m Meta
	v, err := b.load(b.ctx, f.key, &m)
	b.result(f, v, &m, began, err)
	b.fill()
}

// result ends a flight with what a loader has returned.
func (b *batch[K, V]) result(f *flight[K, V], v V, m *Meta, began int64, err error) {
	c := b.c
	tagged := checkTags(m.Tags, maxTags) == nil
	switch {
	case err == nil && (!tagged || m.TTL < 0):
		// With tags that are none it could not be invalidated.
		c.stats.unkept.Add(1)
		e := &Entry[V]{value: v}
		c.live(e, &Meta{}, began, c.clock.Exact())
		c.unkept(f, e)
		b.release(f)
	case err == nil:
		e := &Entry[V]{value: v, tags: c.tagged(m.Tags)}
		c.live(e, m, began, c.clock.Exact())
		b.keep(f, e)
	case errors.Is(err, ErrNotFound):
		if !tagged {
			m.Tags = nil
		}
		c.stats.notFound.Add(1)
		c.land(f, c.absent(f.key, m, began), nil, err)
		b.release(f)
	default:
		b.fail(f, err)
	}
}

// keep ends a flight with an entry, and gives it to L2: if this process has the
// lease of it, by that, else through the outbox.
func (b *batch[K, V]) keep(f *flight[K, V], e *Entry[V]) {
	c := b.c
	var item *Item
	if c.remote != nil {
		item = c.remote.item(f.key, e)
		c.remote.localTTL(e)
	}
	if !f.leased.Load() {
		if c.remote != nil && c.remote.leaser != nil {
			item = nil // another may have the lease
		}
		c.land(f, e, item, nil)
		return
	}
	if _, kept := c.land(f, e, nil, nil); kept && item != nil && f.leased.Swap(false) {
		b.mu.Lock()
		b.fills = append(b.fills, *item)
		b.mu.Unlock()
		return
	}
	b.release(f)
}

// fail ends a flight with an error. What is stale is left alone for a while.
func (b *batch[K, V]) fail(f *flight[K, V], err error) {
	c := b.c
	// A load that nobody waits for any more has not failed.
	failed := !errors.Is(err, errNoLoader) && !errors.Is(err, ErrClosed) && !errors.Is(b.ctx.Err(), context.Canceled)
	if f.old != nil && errors.Is(err, errNoLoader) || failed && c.standsIn(f, err) {
		for _, stale := range [...]*Entry[V]{f.old, f.spare.Load()} {
			if stale != nil {
				stale.pause(c.clock.Exact(), c.cfg.ErrorPause)
			}
		}
	}
	if first, _ := c.land(f, nil, nil, err); first && failed {
		c.stats.failures.Add(1)
	}
	b.release(f)
}

// loadMany loads all flights by one call of LoadMany.
func (b *batch[K, V]) loadMany(flights []*flight[K, V]) {
	c := b.c
	done, ok := b.turn()
	if !ok {
		b.failRest(b.why())
		return
	}
	defer done()
	keys := make([]K, len(flights))
	open := make(map[K]*flight[K, V], len(flights))
	for i, f := range flights {
		keys[i], open[f.key] = f.key, f
	}
	began := c.stamp()
	c.stats.loads.Add(1)
	found := make(map[K]loaded[V], len(keys))
	err := c.cfg.LoadMany(b.ctx, keys, func(key K, v V, m Meta) {
		if open[key] != nil {
			found[key] = loaded[V]{v, m}
		}
	})
	for _, f := range flights {
		switch l, ok := found[f.key]; {
		case ok: // whatever came after it
			b.result(f, l.v, &l.m, began, nil)
		case err != nil:
			b.fail(f, err)
		default:
			b.result(f, l.v, &l.m, began, ErrNotFound)
		}
	}
	b.fill()
}

type loaded[V any] struct {
	v V
	m Meta
}
