package cache

import (
	"context"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strconv"
	"sync/atomic"
	"time"
)

// fetch lands those flights for which L2 has what they want, and returns the
// others: those this process is to load, and those that another one loads.
func (r *remote[K, V]) fetch(b *batch[K, V], flights []*flight[K, V]) (mine, others []*flight[K, V]) {
	rest, answered := r.lookup(b, flights)
	if len(rest) == 0 || !answered || r.leaser == nil || b.load == nil && !b.many {
		return rest, nil
	}
	mine, others = r.lease(b, rest)
	if len(mine) == 0 || !mine[0].leased.Load() {
		return mine, others
	}
	// Whoever had the lease before may have filled L2 since it was read.
	again, _ := r.lookup(b, mine)
	for _, f := range mine {
		if !slices.Contains(again, f) {
			b.release(f)
		}
	}
	return again, others
}

// read is a flight and what L2 has for it.
type read[K comparable, V any] struct {
	f        *flight[K, V]
	envelope envelope
	found    bool
}

// lookup reads L2 for all flights at once, and lands those that are served by it.
func (r *remote[K, V]) lookup(b *batch[K, V], flights []*flight[K, V]) (rest []*flight[K, V], answered bool) {
	c := r.c
	reads := make([]read[K, V], 0, len(flights))
	keys := make([]string, 0, len(flights)+1)
	for _, f := range flights {
		name := r.name(f.key)
		if r.outbox.pending(name) {
			rest = append(rest, f)
			continue
		}
		reads = append(reads, read[K, V]{f: f})
		keys = append(keys, name)
	}
	if len(keys) == 0 {
		return rest, true
	}
	began := c.clock.Exact()
	withAll := began-r.allRead.Load() > int64(time.Second) || r.allRead.Load() == 0
	if withAll {
		keys = append(keys, r.allKey)
	}
	values, err := r.get(b.ctx, keys)
	if err != nil {
		return flights, false
	}
	if withAll {
		r.sawAll(values[len(values)-1])
		r.allRead.Store(began)
	}
	for i := range reads {
		r.parse(&reads[i], values[i])
	}
	if !r.learnTags(b.ctx, reads) {
		return flights, false
	}
	for i := range reads {
		if !r.use(b, &reads[i]) {
			rest = append(rest, reads[i].f)
		}
	}
	return rest, true
}

func (r *remote[K, V]) parse(d *read[K, V], data []byte) {
	switch {
	case data == nil:
		r.c.stats.l2Misses.Add(1)
	case d.envelope.parse(data, r.cfg.Codec.Name(), r.cfg.MaxValue) != nil:
		r.c.stats.l2Foreign.Add(1)
	default:
		d.found = true
	}
}

func (r *remote[K, V]) sawAll(data []byte) {
	if us, ok := r.decodeEpoch(data); ok && changed(&r.allSeen, us) {
		r.c.outdateAll(r.epochHere(us))
	}
}

// learnTags reads when the tags of what was read were invalidated, as far as that
// is not known.
func (r *remote[K, V]) learnTags(ctx context.Context, reads []read[K, V]) bool {
	since, hears := r.hearsSince()
	ask := make(map[string]*tag)
	for i := range reads {
		if !reads[i].found || len(reads[i].envelope.tags) == 0 {
			continue
		}
		for _, t := range *r.c.tagged(reads[i].envelope.tags) {
			if !hears || t.known.Load() <= since {
				ask[t.name] = t
			}
		}
	}
	if len(ask) == 0 {
		return true
	}
	names, tags := make([]string, 0, len(ask)), make([]*tag, 0, len(ask))
	for name, t := range ask {
		names, tags = append(names, r.tagName(name)), append(tags, t)
	}
	at := r.c.stamp()
	values, err := r.get(ctx, names)
	if err != nil {
		return false
	}
	for i, t := range tags {
		if !r.outbox.pending(names[i]) {
			r.c.tags.knows(t)
		}
		if us, ok := r.decodeEpoch(values[i]); ok && changed(&t.inStore, us) {
			r.c.outdate(r.epochHere(us), []string{t.name})
		}
		t.known.Store(at)
	}
	return true
}

// use lands a flight with what L2 has, if that will do. What is stale is kept for
// when the load fails.
func (r *remote[K, V]) use(b *batch[K, V], d *read[K, V]) bool {
	c := r.c
	if !d.found {
		return false
	}
	e, fresh := r.entry(&d.envelope)
	f, now := d.f, c.clock.Exact()
	switch {
	case r.createdHere(d.envelope.created) > now+int64(time.Second):
		return false // L2's clock was set back: nobody knows what came after this
	case !c.current(e):
		return false
	case b.anew && (f.old == nil && e.created < f.began || f.old != nil && e.created <= f.old.created+r.clock.tolerance()):
		return false // it is what there is already
	case f.old != nil && e.created < f.old.created-r.clock.tolerance():
		return false // what is here is newer
	case f.old != nil && e.created <= f.old.created && now < f.old.fresh.Load() && e.fresh.Load() < f.old.fresh.Load()+10*ms:
		return false // it is to be renewed before its end, and this is the same
	case now >= fresh && f.old != nil && e.created <= f.old.created:
		return false
	case now >= max(fresh, e.end()):
		return false
	}
	v, err := r.decode(d.envelope.payload)
	if err != nil {
		c.stats.l2Foreign.Add(1)
		return false
	}
	e.value = v
	switch {
	case now < fresh:
		c.stats.l2Hits.Add(1)
		c.land(f, e, nil, nil)
		return true
	case now < e.fresh.Load()+int64(e.stale)*ms && f.old == nil && b.quiet == nil:
		c.stats.l2Stale.Add(1)
		c.land(f, e, nil, nil)
		c.refresh(b.parent, f.key, e, b.load, b.many)
		return true
	}
	f.spare.Store(e)
	return false
}

// changed says whether us is another time than the one that was last acted upon.
// The same one of L2's clock is not always the same here, and after L2's clock was
// set back a later one is the smaller.
func changed(last *atomic.Int64, us int64) bool { return last.Swap(us) != us }

// entry is what an envelope makes here. Fresh is until when it is so for L2.
func (r *remote[K, V]) entry(v *envelope) (e *Entry[V], fresh int64) {
	c := r.c
	now := c.clock.Exact()
	r.clock.saw(v.created, now)
	created := min(r.createdHere(v.created), now) // whose clock is ahead has not seen the future
	e = &Entry[V]{created: created, took: v.took, ttl: v.ttl, stale: v.stale, last: v.last, tags: c.tagged(v.tags)}
	fresh = created + int64(v.fresh)*ms
	e.fresh.Store(fresh)
	if now < fresh {
		r.localTTL(e)
	}
	return e, fresh
}

// localTTL cuts the time of an entry to that after which L2 is asked again.
func (r *remote[K, V]) localTTL(e *Entry[V]) {
	now := r.c.clock.Exact()
	e.fresh.Store(min(e.fresh.Load(), now+int64(r.cfg.LocalTTL)))
	r.c.calm(e, now)
}

// item is an entry as it is written, nil if it cannot be.
func (r *remote[K, V]) item(key K, e *Entry[V]) *Item {
	payload, err := r.encode(e.value)
	if err != nil || len(payload) > r.cfg.MaxValue {
		r.c.stats.l2Unwritten.Add(1)
		return nil
	}
	return r.envelop(key, e, payload)
}

// encode and decode make errors of panics: what a Codec cannot write or read is no
// matter for who asks for the value.
func (r *remote[K, V]) encode(v V) (data []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &PanicError{p, debug.Stack()}
		}
	}()
	return r.cfg.Codec.Append(nil, v)
}

func (r *remote[K, V]) decode(data []byte) (v V, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &PanicError{p, debug.Stack()}
		}
	}()
	return r.cfg.Codec.Decode(data)
}

func (r *remote[K, V]) envelop(key K, e *Entry[V], payload []byte) *Item {
	v := envelope{
		created: r.createdInStore(e.created), took: e.took, ttl: e.ttl, stale: e.stale, last: e.last, payload: payload,
		fresh: millis(time.Duration(e.fresh.Load() - e.created)),
	}
	if e.tags != nil {
		for _, t := range *e.tags {
			v.tags = append(v.tags, t.name)
		}
	}
	return &Item{
		Key: r.name(key), Value: v.append(nil, r.cfg.Codec.Name(), r.cfg.CompressAbove),
		TTL: max(min(v.life(), r.maxLife), time.Millisecond),
	}
}

// --- leases

// lease asks who is to load the flights. If L2 does not say, this process.
func (r *remote[K, V]) lease(b *batch[K, V], flights []*flight[K, V]) (mine, others []*flight[K, V]) {
	if b.token == "" {
		b.token = r.node + "-" + strconv.FormatUint(r.calls.Add(1), 36)
	}
	names := make([]string, len(flights))
	for i, f := range flights {
		names[i] = r.name(f.key)
	}
	won := make([]bool, len(names))
	err := r.call(b.ctx, func(ctx context.Context) error {
		return r.leaser.Lease(ctx, names, b.token, r.cfg.LeaseTTL, won)
	})
	if err != nil {
		return flights, nil
	}
	for i, f := range flights {
		f.leased.Store(won[i])
		if won[i] {
			mine = append(mine, f)
		} else {
			others = append(others, f)
		}
	}
	return mine, others
}

// Between looks at whether another process has loaded a key.
const (
	firstLook = 2 * time.Millisecond
	mostLook  = 50 * time.Millisecond
)

// waitFor lands flights with what other processes load, and returns those that
// this one is to load after all: theirs has failed, or takes too long.
func (r *remote[K, V]) waitFor(b *batch[K, V], others []*flight[K, V]) (mine []*flight[K, V]) {
	c := r.c
	r.c.stats.leaseWaits.Add(uint64(len(others)))
	began := c.clock.Exact()
	for pause := firstLook; len(others) > 0; pause = min(2*pause, mostLook) {
		if b.quiet != nil {
			if others = b.abortIdle(others); len(others) == 0 {
				return nil
			}
		}
		if c.clock.Exact()-began >= int64(r.cfg.LeaseWait) || !r.guard.Up() {
			return others
		}
		t := time.NewTimer(pause/2 + rand.N(pause))
		select {
		case <-t.C:
		case <-b.ctx.Done():
			t.Stop()
			return others
		}
		mine, others = r.fetch(b, others)
		if len(mine) > 0 {
			b.loadAll(mine)
			mine = nil
		}
	}
	return mine
}

// abortIdle ends those flights that nobody waits for: another process renews the
// entry, and this one looks for that a little later.
func (b *batch[K, V]) abortIdle(flights []*flight[K, V]) (rest []*flight[K, V]) {
	for _, f := range flights {
		if f.old != nil {
			f.old.pause(b.c.clock.Exact(), min(max(time.Duration(f.old.took)*time.Millisecond, mostLook), time.Second))
		}
		if !b.c.abort(f) {
			rest = append(rest, f)
		}
	}
	return rest
}

// fill gives L2 what was loaded by lease.
func (b *batch[K, V]) fill() {
	b.mu.Lock()
	items := b.fills
	b.fills = nil
	b.mu.Unlock()
	if len(items) == 0 {
		return
	}
	r := b.c.remote
	err := r.call(r.c.ctx, func(ctx context.Context) error { return r.leaser.Fill(ctx, items, b.token) })
	if err != nil {
		r.c.stats.l2Unwritten.Add(uint64(len(items)))
	}
}

// release gives back the lease of a flight that brings nothing to L2.
func (b *batch[K, V]) release(f *flight[K, V]) {
	if !f.leased.Swap(false) {
		return
	}
	r := b.c.remote
	names := []string{r.name(f.key)}
	r.guard.Go(func(ctx context.Context) error { return r.leaser.Release(ctx, names, b.token) })
}
