package cache

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// outbox holds what L2 and other processes are still to be told, once for each
// key and tag, in the order of their last change. One goroutine, there while
// there is something to do, sends it in batches: writes of one process never
// overtake each other, and what cannot be sent now is sent later.
type outbox[K comparable, V any] struct {
	r     *remote[K, V]
	count atomic.Int64 // of those not yet written to L2
	all   atomic.Int64 // if not 0: everything until then is invalid, and L2 does not know

	mu      sync.Mutex
	byName  map[string]*op[K, V]
	order   []*op[K, V] // oldest first; some have been replaced
	running bool
	kick    chan struct{}

	fails   atomic.Uint64 // sends that have failed
	failing atomic.Bool   // the last one has, at L2
	unheard atomic.Bool   // the last one has, at the bus alone

	// The outbox's goroutine alone:
	muteUntil int64 // no message before
	mutePause time.Duration
}

type opKind uint8

const (
	opDelete opKind = iota
	opSet
	opFill // a loaded value: lost if it cannot be written at once
	opTag
	opAll
	opGap // others have missed something: what L2 knows, but the bus did not take
)

const gapName = "\x00gap"

// op is one thing to tell.
type op[K comparable, V any] struct {
	kind    opKind
	name    string // of the key or tag, as in L2
	key     K
	item    *Item  // of a Set, for the first try; after that the key is deleted
	tag     string // without prefix
	at      int64  // when that was, by the Cache's clock
	us      int64  // what L2 is told of that, by its own
	written bool   // in L2; what is left is to publish it
	over    bool   // done, or another has taken its place
	waiting []*waiter
}

// waiter is one call that waits until all it has to tell has been tried once.
type waiter struct {
	left atomic.Int64
	done chan struct{}
}

func newWaiter(n int) *waiter {
	w := &waiter{done: make(chan struct{})}
	w.left.Store(int64(n))
	return w
}

// pending says whether L2 is still to be told about a key. What it has is not
// worth reading then.
func (o *outbox[K, V]) pending(name string) bool {
	if o.all.Load() != 0 {
		return true
	}
	if o.count.Load() == 0 {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	p := o.byName[name]
	return p != nil && !p.written
}

// fill takes a loaded value. It is called under the lock of the key.
func (o *outbox[K, V]) fill(key K, item Item) {
	o.add(&op[K, V]{kind: opFill, name: item.Key, key: key, item: &item})
}

// add takes an op in, in the place of an older one about the same.
func (o *outbox[K, V]) add(p *op[K, V]) {
	o.mu.Lock()
	defer o.mu.Unlock()
	old := o.byName[p.name]
	switch {
	case p.kind == opFill && old != nil && old.kind != opFill:
		return // what is still to be told about the key comes first
	case old != nil:
		p.waiting = append(p.waiting, old.waiting...)
		p.at = max(p.at, old.at)
		o.end(old)
	case p.kind == opFill && (o.failing.Load() || len(o.byName) >= o.r.cfg.MaxPending/2):
		return // it can be loaded again
	case len(o.byName) >= o.r.cfg.MaxPending && o.dropWritten():
	case len(o.byName) >= o.r.cfg.MaxPending && p.kind != opAll:
		// Too many to remember one by one.
		o.r.c.stats.overflows.Add(1)
		p = &op[K, V]{kind: opAll, name: o.r.allKey, at: o.r.c.stamp(), waiting: p.waiting}
		if old = o.byName[p.name]; old != nil {
			p.waiting = append(p.waiting, old.waiting...)
			o.end(old)
		}
	}
	if p.kind == opAll {
		o.all.Store(p.at)
	}
	if p.kind == opSet && o.failing.Load() {
		p.item = nil
	}
	if len(o.order) >= 2*len(o.byName)+atATime {
		o.tidy()
	}
	if o.byName == nil {
		o.byName = make(map[string]*op[K, V])
	}
	o.put(p)
	switch {
	case !o.running && o.r.c.begin():
		o.running = true
		go o.run()
	case o.running && o.unheard.Load():
		o.r.wake() // it need not wait for the bus
	}
}

func (o *outbox[K, V]) put(p *op[K, V]) {
	o.byName[p.name] = p
	o.order = append(o.order, p)
	if !p.written {
		o.count.Add(1)
	}
}

// dropWritten makes room, if it can: of what L2 knows, and only the bus did not
// take, others are told no more than that they have missed something.
func (o *outbox[K, V]) dropWritten() bool {
	dropped := false
	for _, p := range o.byName {
		if p.written && p.kind != opGap {
			o.end(p)
			dropped = true
		}
	}
	if dropped && o.byName[gapName] == nil {
		o.put(&op[K, V]{kind: opGap, name: gapName, written: true})
	}
	return dropped
}

// end takes an op out; the caller holds o.mu.
func (o *outbox[K, V]) end(p *op[K, V]) {
	p.over = true
	if !p.written {
		o.count.Add(-1)
	}
	if o.byName[p.name] == p {
		delete(o.byName, p.name)
	}
	if p.kind == opAll && o.all.Load() == p.at {
		o.all.Store(0)
	}
}

// tidy forgets those that are over, and returns the others; the caller holds o.mu.
func (o *outbox[K, V]) tidy() []*op[K, V] {
	o.order = slices.DeleteFunc(o.order, func(p *op[K, V]) bool { return p.over })
	return o.order
}

const atATime = 256

// next returns the oldest ops.
func (o *outbox[K, V]) next() (now []*op[K, V]) {
	o.mu.Lock()
	defer o.mu.Unlock()
	live := o.tidy()
	if len(live) == 0 {
		o.order, o.running = nil, false
		return nil
	}
	// Those of which L2 knows wait for the bus: they must not hold up others.
	for _, written := range [...]bool{false, true} {
		n := 0
		for _, p := range live {
			if p.written == written && n < atATime {
				now, n = append(now, p), n+1
			}
		}
	}
	return now
}

// Between tries.
const (
	firstPause = 10 * time.Millisecond
	mostPause  = time.Second
)

// run sends until there is nothing left.
func (o *outbox[K, V]) run() {
	c := o.r.c
	defer c.work.Done()
	defer func() { // a Bus may end the goroutine
		o.mu.Lock()
		defer o.mu.Unlock()
		o.running = false
	}()
	for pause := firstPause; ; {
		ops := o.next()
		if ops == nil {
			return
		}
		err := o.send(ops)
		if err == nil && pause > firstPause {
			err = o.repeat(ops)
		}
		unheard := errors.Is(err, errUnpublished)
		o.unheard.Store(unheard)
		o.failing.Store(err != nil && !unheard)
		if err != nil {
			o.fails.Add(1)
		}
		o.settle(ops, err)
		switch {
		case err == nil:
			pause = firstPause
			continue
		case unheard && o.count.Load() > 0:
			continue // L2 answers, and is still to be told of something
		}
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-o.kick:
		case <-c.ctx.Done():
			t.Stop()
			return
		}
		t.Stop()
		pause = min(2*pause, mostPause)
	}
}

// repeat sends once more what went through after failures. Of the tries before,
// some may have lain in buffers of a store that hung, and have been carried out
// after it, in any order; by now they have been.
func (o *outbox[K, V]) repeat(ops []*op[K, V]) error {
	t := time.NewTimer(10 * firstPause)
	defer t.Stop()
	select {
	case <-t.C:
	case <-o.r.c.ctx.Done():
	}
	o.mu.Lock()
	for _, p := range ops {
		if p.kind == opGap {
			continue
		}
		if p.written && !p.over {
			o.count.Add(1)
		}
		p.written = false
	}
	o.mu.Unlock()
	return o.send(ops)
}

// settle notes what has become of a batch, and lets go who waits: what could not
// be sent now is nobody's to wait for.
func (o *outbox[K, V]) settle(ops []*op[K, V], err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range ops {
		for _, w := range p.waiting {
			if w.left.Add(-1) == 0 {
				close(w.done)
			}
		}
		p.waiting = nil
		p.item = nil
		if !p.over && (err == nil || p.kind == opFill) {
			o.end(p)
		}
	}
	if !o.failing.Load() {
		return
	}
	// L2 is away: no value waits for it that L1 may have dropped.
	for _, p := range o.byName {
		if p.kind == opFill {
			o.end(p)
		}
		p.item = nil
	}
}

// send tells L2 first, so that who hears of it finds the new state there.
func (o *outbox[K, V]) send(ops []*op[K, V]) error {
	var deletes []string
	var sets []Item
	tell := make([]*op[K, V], 0, len(ops))
	o.mu.Lock()
	for _, p := range ops {
		switch {
		case p.over:
			continue
		case p.kind != opFill:
			tell = append(tell, p)
		}
		if p.written {
			continue
		}
		switch p.kind {
		case opTag, opAll:
			sets = append(sets, Item{Key: p.name}) // its value below
		case opDelete:
			deletes = append(deletes, p.name)
		default:
			if p.item != nil {
				sets = append(sets, *p.item)
			} else { // it may be older by now than what another process has set
				deletes = append(deletes, p.name)
			}
		}
	}
	o.mu.Unlock()
	if err := o.write(ops, deletes, sets); err != nil {
		return err
	}
	return o.publish(tell)
}

// publish tries to tell others, and for a while not again if that fails.
func (o *outbox[K, V]) publish(tell []*op[K, V]) error {
	clock := o.r.c.clock
	if clock.Exact() < o.muteUntil {
		return errUnpublished
	}
	err := o.r.publish(tell)
	if err == nil {
		o.muteUntil, o.mutePause = 0, 0
		return nil
	}
	o.mutePause = min(max(firstPause, 2*o.mutePause), mostPause)
	o.muteUntil = clock.Exact() + int64(o.mutePause)
	return err
}

func (o *outbox[K, V]) write(ops []*op[K, V], deletes []string, sets []Item) error {
	r := o.r
	if len(deletes)+len(sets) == 0 {
		return nil
	}
	if err := r.learnClock(); err != nil {
		return err
	}
	// An invalidation is as of when it is told: one of before could take the place of
	// another process's, which came later and was told sooner.
	us := r.epochInStore(r.c.clock.Exact())
	for i := range sets {
		if sets[i].Value == nil {
			sets[i].Value, sets[i].TTL = encodeEpoch(us), r.maxLife+time.Minute
		}
	}
	err := r.call(r.c.ctx, func(ctx context.Context) error {
		var errs error
		if len(deletes) > 0 {
			errs = r.l2.Delete(ctx, deletes)
		}
		if len(sets) > 0 {
			errs = errors.Join(errs, r.l2.Set(ctx, sets))
		}
		return errs
	})
	if err != nil {
		return err
	}
	r.told(ops, us)
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range ops {
		if !p.written {
			p.written, p.us = true, us
			if !p.over {
				o.count.Add(-1)
			}
		}
		if p.kind == opAll && o.all.Load() == p.at {
			o.all.Store(0)
		}
	}
	return nil
}

// flush waits until everything has been told, as long as L2 answers and ctx lets
// it.
func (o *outbox[K, V]) flush(ctx context.Context) error {
	o.r.wake()
	fails := o.fails.Load()
	for {
		o.mu.Lock()
		left, running := len(o.byName), o.running
		o.mu.Unlock()
		switch {
		case left == 0 || !running:
			return nil
		case !o.r.guard.Up() || o.fails.Load() >= fails+3:
			return ErrUntold
		}
		t := time.NewTimer(time.Millisecond)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return ErrUntold
		}
	}
}

// ErrUntold is what Close returns when L2 was away to the end, and so was not told
// of all that has changed. What it has may be served by others until its time ends.
var ErrUntold = errors.New("seawall/cache: L2 could not be told of all that has changed")
