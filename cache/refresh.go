package cache

import (
	"context"
	"errors"
)

// Refresh loads a key anew, whatever there is, and returns what that brings; or
// what a load brings that is under way already. With an L2, that may be what
// another process has loaded since. Until then, and if the load fails, what is
// there stays. A nil load is Config.Load. The error is that of the load, ErrNotFound,
// ctx's, or a *PanicError.
func (c *Cache[K, V]) Refresh(ctx context.Context, key K, load Loader[K, V]) (v V, err error) {
	if load == nil {
		load = c.cfg.Load
	}
	e, _ := c.l1.Get(key)
	e = c.valid(key, e)
	for {
		epoch := c.epoch.Load()
		b := c.newBatch(ctx, load)
		b.anew = true
		f := c.join(b, key, e)
		b.start()
		select {
		case <-f.done:
		case <-ctx.Done():
			c.leave(f, false)
			return v, ctx.Err()
		}
		switch {
		case f.outdated && f.epoch != epoch: // this caller came after that
		case f.err == nil:
			return c.out(f.entry.value), nil
		case load != nil && errors.Is(f.err, errNoLoader): // of one who only looked
		default:
			return v, f.err
		}
	}
}
