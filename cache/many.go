package cache

import (
	"context"
	"errors"
	"fmt"
)

// GetMany returns the values of keys, with one round trip to L2 for all that are
// not in L1, a few more for those that are not there, and one load for these. Keys
// that do not exist are not in the map. If some could not be loaded, the map has
// the others, and the error wraps the first of theirs.
func (c *Cache[K, V]) GetMany(ctx context.Context, keys []K) (map[K]V, error) {
	out := make(map[K]V, len(keys))
	failed, err := 0, error(nil)
	for r := range c.getAll(ctx, keys) {
		switch {
		case r.err == nil:
			out[r.key] = r.value
		case errors.Is(r.err, ErrNotFound):
		default:
			if failed++; err == nil {
				err = r.err
			}
		}
	}
	switch {
	case err == nil:
		return out, nil
	case errors.Is(err, ErrClosed) || ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return out, err
	}
	return out, fmt.Errorf("seawall/cache: %d of %d keys: %w", failed, len(keys), err)
}

// result is what has become of one key.
type result[K comparable, V any] struct {
	key    K
	value  V
	err    error
	loaded bool // it was not there
}

// getAll yields each different key once, first those that are there.
func (c *Cache[K, V]) getAll(ctx context.Context, keys []K) func(yield func(result[K, V]) bool) {
	return func(yield func(result[K, V]) bool) {
		load, many := c.cfg.Load, c.cfg.LoadMany != nil
		wait, again := c.newBatch(ctx, load), c.newBatch(ctx, load)
		wait.many, again.many = many, many
		var missing []lacking[K, V]
		asked := make(map[K]struct{}, len(keys))
		epoch := c.epoch.Load()
		stop, begun := false, false
		renew := func() {
			if !begun {
				begun = true
				again.startQuietly()
			}
		}
		defer renew() // also when Clone panics: others may wait for it by then
		for _, key := range keys {
			if _, twice := asked[key]; twice {
				continue
			}
			asked[key] = struct{}{}
			r, m, there := c.have(key, again)
			switch {
			case !there:
				missing = append(missing, m)
			case !stop:
				stop = !yield(r)
			}
		}
		renew()
		if stop {
			return
		}
		for i, m := range missing {
			missing[i].f = c.join(wait, m.key, m.old)
		}
		wait.start()
		for i, m := range missing {
			r := result[K, V]{key: m.key, loaded: true}
			var retry bool
			r.value, retry, r.err = c.await(ctx, m.f, m.old, epoch)
			if retry || errors.Is(r.err, errNoLoader) && load != nil {
				r.value, r.err = c.Get(ctx, m.key)
			}
			if !yield(r) {
				for _, rest := range missing[i+1:] {
					c.leave(rest.f, false)
				}
				return
			}
		}
	}
}

type lacking[K comparable, V any] struct {
	key K
	old *Entry[V]
	f   *flight[K, V]
}

// oneOfMany is the Loader where there is only a BatchLoader.
func oneOfMany[K comparable, V any](many BatchLoader[K, V]) Loader[K, V] {
	return func(ctx context.Context, key K, m *Meta) (v V, err error) {
		missing := ErrNotFound
		err = many(ctx, []K{key}, func(k K, found V, meta Meta) {
			if k == key {
				v, *m, missing = found, meta, nil
			}
		})
		if missing == nil || err == nil {
			return v, missing
		}
		return v, err
	}
}

// have returns what is in L1, and adds to again what is to be renewed.
func (c *Cache[K, V]) have(key K, again *batch[K, V]) (r result[K, V], m lacking[K, V], there bool) {
	r.key = key
	e, ok := c.l1.Get(key)
	if ok && e.plain(c.clock.Now(), c.epoch.Load()) {
		c.hits.Add()
		r.value = c.out(e.value)
		return r, m, true
	}
	e, state := c.look(key, e)
	switch state {
	case Miss:
		c.stats.misses.Add(1)
		if again.load == nil && c.remote == nil {
			r.err = c.absence()
			return r, m, true
		}
		return r, lacking[K, V]{key: key, old: e}, false
	case Negative:
		c.stats.negative.Add(1)
		r.err = ErrNotFound
		return r, m, true
	case Fresh, Stale:
	case refreshing:
		if again.load != nil {
			c.renew(again, key, e)
		}
	}
	if c.clock.Exact() < e.fresh.Load() {
		c.hits.Add()
	} else {
		c.stats.stale.Add(1)
	}
	r.value = c.out(e.value)
	return r, m, true
}
