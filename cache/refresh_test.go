package cache_test

import (
	"context"
	"errors"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall/cache"
)

//house:sleep all are in bubbles, which a helper makes

// TestRefresh: what is there is loaded anew although it is fresh; it stays in use
// meanwhile, and afterwards if that fails; and many who ask at once share a load.
func TestRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var loads atomic.Int64
		var fails atomic.Bool
		c := closing(t, cache.Config[string, string]{Load: func(_ context.Context, key string, _ *cache.Meta) (string, error) {
			n := loads.Add(1)
			time.Sleep(time.Second)
			if fails.Load() {
				return "", errBroken
			}
			return key + "-" + strconv.FormatInt(n, 10), nil
		}})
		get(t, c, "a", "a-1")
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				if v, err := c.Refresh(t.Context(), "a", nil); v != "a-2" || err != nil {
					t.Errorf("%q, %v", v, err)
				}
			})
		}
		time.Sleep(500 * time.Millisecond)
		get(t, c, "a", "a-1")
		all.Wait()
		get(t, c, "a", "a-2")
		fails.Store(true)
		if v, err := c.Refresh(t.Context(), "a", nil); v != "" || !errors.Is(err, errBroken) {
			t.Errorf("%q, %v: the error is wanted, not what there is", v, err)
		}
		get(t, c, "a", "a-2")
		if n := loads.Load(); n != 3 {
			t.Errorf("%d loads", n)
		}
	})
}

// TestRefreshEnds: a caller leaves on its own context; a panic and Goexit are
// errors; without a loader there is nothing; after Close it says so.
func TestRefreshEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := closing(t, cache.Config[string, string]{})
		c.Set(t.Context(), "a", "old")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, err := c.Refresh(ctx, "a", func(ctx context.Context, _ string, _ *cache.Meta) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		synctest.Wait()
		var panicked *cache.PanicError
		if _, err := c.Refresh(t.Context(), "a", func(context.Context, string, *cache.Meta) (string, error) { panic("boom") }); !errors.As(err, &panicked) {
			t.Error(err)
		}
		if _, err := c.Refresh(t.Context(), "a", func(context.Context, string, *cache.Meta) (string, error) {
			runtime.Goexit()
			return "", nil
		}); !errors.Is(err, cache.ErrGoexit) {
			t.Error(err)
		}
		if _, err := c.Refresh(t.Context(), "a", nil); !errors.Is(err, cache.ErrNotFound) {
			t.Error(err)
		}
		get(t, c, "a", "old")
		v, err := c.Refresh(t.Context(), "a", func(context.Context, string, *cache.Meta) (string, error) { return "new", nil })
		if v != "new" || err != nil {
			t.Errorf("%q, %v", v, err)
		}
		c.Close(t.Context())
		if _, err := c.Refresh(t.Context(), "a", nil); !errors.Is(err, cache.ErrClosed) {
			t.Error(err)
		}
	})
}

// TestRefreshOfOthers: what another process has loaded since is as good.
func TestRefreshOfOthers(t *testing.T) {
	bothStores(t, func(t *testing.T, l2 cache.L2, d *depot) {
		a, b, now := pair(t, l2, d, func(c *cache.Config[string, int64]) { c.Shared.Bus = nil })
		sees(t, a, 0)
		time.Sleep(10 * time.Millisecond)
		sees(t, b, 0)
		now.Store(1)
		if v, err := a.Refresh(t.Context(), "a", nil); v != 1 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
		time.Sleep(100 * time.Millisecond)
		sees(t, b, 0) // it has not heard
		now.Store(2)
		if v, err := b.Refresh(t.Context(), "a", nil); v < 1 || err != nil {
			t.Errorf("%d, %v: older than what another process has loaded", v, err)
		}
	})
}

// TestSince: what was invalidated after a value was read is so in it, although it
// was set later.
func TestSince(t *testing.T) {
	for how, invalidate := range map[string]func(ctx context.Context, c *cache.Cache[string, string]) error{
		"tag":   func(ctx context.Context, c *cache.Cache[string, string]) error { return c.InvalidateTags(ctx, "all") },
		"clear": func(ctx context.Context, c *cache.Cache[string, string]) error { return c.Clear(ctx) },
		"other": func(ctx context.Context, c *cache.Cache[string, string]) error { return c.InvalidateTags(ctx, "other") },
	} {
		for _, withL2 := range []bool{false, true} {
			bubble(t, how+" L2 "+strconv.FormatBool(withL2), func(t *testing.T) {
				cfg := cache.Config[string, string]{TTL: time.Minute, Jitter: -1}
				if withL2 {
					d := newDepot()
					cfg.Shared.L2, cfg.Shared.Bus = leasing{d}, d
				}
				c := closing(t, cfg)
				since := c.Stamp()
				time.Sleep(10 * time.Second)
				if err := invalidate(t.Context(), c); err != nil {
					t.Error(err)
				}
				if err := c.SetWith(t.Context(), "a", "read before", cache.Meta{Since: since, Tags: []string{"all"}}); err != nil {
					t.Error(err)
				}
				_, err := c.Get(t.Context(), "a")
				if gone := errors.Is(err, cache.ErrNotFound); gone != (how != "other") {
					t.Errorf("%v", err)
				}
				time.Sleep(49 * time.Second)
				if _, _, ok := c.Peek("a"); how == "other" && !ok {
					t.Error("it is good for a minute, of which 59 s have passed")
				}
				time.Sleep(2 * time.Second)
				if _, state, _ := c.Peek("a"); state == cache.Fresh {
					t.Error("its TTL counts from when it was read")
				}
			})
		}
	}
}
