package cache

import (
	"context"
	"fmt"
)

// Set puts a value in the place of whatever there is: here before it returns, in
// L2 as soon as that can be reached, and other processes forget theirs. What loads
// of the key bring that are under way is not kept. While L2 is away nobody waits
// for it, and Set returns nil all the same. The error is one of the Codec, of
// Close, or about a tag.
func (c *Cache[K, V]) Set(ctx context.Context, key K, value V) error {
	return c.SetWith(ctx, key, value, Meta{})
}

// SetWith is Set with a TTL or tags of its own. InvalidateTags of those tags comes
// before it, or takes this value, too.
func (c *Cache[K, V]) SetWith(ctx context.Context, key K, value V, m Meta) error {
	if err := c.open(); err != nil {
		return err
	}
	if m.TTL < 0 {
		return fmt.Errorf("seawall/cache: Meta.TTL must be positive (got %v)", m.TTL)
	}
	if err := checkTags(m.Tags, maxTags); err != nil {
		return err
	}
	now := c.stamp()
	began := now
	if m.Since > 0 {
		began = min(int64(m.Since), now)
	}
	e := &Entry[V]{value: value, tags: c.tagged(m.Tags)}
	epoch := c.epoch.Load()
	c.live(e, &m, began, now)
	if m.Since > 0 && !c.current(e) {
		return c.Delete(ctx, key) // as if that had come after this
	}
	e.seen.Store(epoch)
	if c.remote == nil {
		c.put(key, e, nil)
		return nil
	}
	payload, err := c.cfg.Shared.Codec.Append(nil, value)
	switch {
	case err != nil:
		return fmt.Errorf("seawall/cache: Set: %w", err)
	case len(payload) > c.cfg.Shared.MaxValue:
		return fmt.Errorf("seawall/cache: Set: the value must have at most Shared.MaxValue bytes, %d (got %d)", c.cfg.Shared.MaxValue, len(payload))
	}
	w := newWaiter(1)
	tell := &op[K, V]{kind: opSet, name: c.remote.name(key), key: key, waiting: []*waiter{w}}
	if c.remote.learnClock() == nil { // else it is written later, when that is known
		tell.item = c.remote.envelop(key, e, payload)
	}
	c.remote.localTTL(e)
	c.put(key, e, tell)
	c.remote.settled(ctx, w)
	return nil
}

// Stamp returns the present moment, for Meta.Since. It takes 50 ns or so.
func (c *Cache[K, V]) Stamp() Stamp { return Stamp(c.stamp()) }

// put makes e the entry of a key. The order of such changes is the same here and
// in the outbox.
func (c *Cache[K, V]) put(key K, e *Entry[V], tell *op[K, V]) {
	cost := c.cost(key, e)
	m, mu := c.flights.lock(key)
	defer mu.Unlock()
	void(m, key)
	c.l1.Set(key, e, cost)
	c.negatives.remove(key)
	c.stats.sets.Add(1)
	if tell != nil {
		c.remote.outbox.add(tell)
	}
}

// void sees to it that the result of a load under way is not kept, and that who
// comes from now on does not wait for it.
func void[K comparable, V any](m map[K]*flight[K, V], key K) {
	if f := m[key]; f != nil {
		f.void = true
		delete(m, key)
	}
}

// Delete forgets keys: here before it returns, in L2 and in other processes as
// soon as they can be reached. What loads of them bring that are under way is not
// kept, and who asks after Delete waits for none of those. The error is ErrClosed.
func (c *Cache[K, V]) Delete(ctx context.Context, keys ...K) error {
	if err := c.open(); err != nil || len(keys) == 0 {
		return err
	}
	if c.remote == nil {
		for _, key := range keys {
			c.forget(key)
		}
		return nil
	}
	most := min(max(c.cfg.Shared.MaxPending/2, 1), mostTogether)
	for len(keys) > 0 {
		some := keys[:min(most, len(keys))]
		keys = keys[len(some):]
		w := newWaiter(len(some))
		for _, key := range some {
			c.remove(key, &op[K, V]{kind: opDelete, name: c.remote.name(key), key: key, waiting: []*waiter{w}})
		}
		c.remote.settled(ctx, w)
	}
	return nil
}

// forget is remove without anybody to tell.
func (c *Cache[K, V]) forget(key K) { c.remove(key, nil) }

func (c *Cache[K, V]) remove(key K, tell *op[K, V]) {
	m, mu := c.flights.lock(key)
	defer mu.Unlock()
	void(m, key)
	if tell != nil {
		c.remote.outbox.add(tell)
	}
	c.l1.Delete(key)
	c.negatives.remove(key)
	c.stats.deletes.Add(1)
}

// cost is what an L1 that is bounded by memory is told of an entry.
func (c *Cache[K, V]) cost(key K, e *Entry[V]) int64 {
	if e == nil || c.size == nil {
		return 1
	}
	n := c.size(&key, &e.value)
	if e.tags != nil {
		n += 24 + 8*int64(cap(*e.tags))
	}
	return max(n, 1)
}
