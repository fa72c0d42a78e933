package cache_test

import (
	"context"
	"testing"
	"time"

	"github.com/seawall-go/seawall/cache"
)

// allocates checks that f allocates exactly so often.
func allocates(t *testing.T, name string, want float64, f func() error) {
	t.Helper()
	var bad error
	got := testing.AllocsPerRun(1000, func() {
		if err := f(); err != nil {
			bad = err
		}
	})
	if got != want || bad != nil {
		t.Errorf("%s: %v allocations, want %v (%v)", name, got, want, bad)
	}
}

// TestAllocs: what is on the path of every request allocates nothing, and what is
// not does so as often as stated here.
func TestAllocs(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for name, cfg := range map[string]cache.Config[string, string]{"lru": {MaxEntries: 100}, "ristretto": {MaxBytes: 4 << 20}} {
		t.Run(name, func(t *testing.T) {
			cfg.TTL, cfg.Early, cfg.StaleWhileRevalidate, cfg.StaleIfError = time.Hour, -1, time.Hour, time.Hour
			cfg.Load = func(_ context.Context, key string, m *cache.Meta) (string, error) {
				switch key {
				case "none":
					m.TTL = time.Hour
					return "", cache.ErrNotFound
				case "stale":
					m.TTL = time.Nanosecond
				}
				return key, nil
			}
			set, load := 2.0, 25.0 // its Entry, and the key, of which the size may be asked
			if cfg.MaxBytes > 0 {
				set++ // its cell
			}
			c, ctx := closing(t, cfg), t.Context()
			none := func() error {
				if _, err := c.Get(ctx, "none"); err != cache.ErrNotFound {
					return err
				}
				return nil
			}
			c.Get(ctx, "none")
			allocates(t, "hit", 0, func() error { _, err := c.Get(ctx, "a"); return err })
			allocates(t, "GetOrLoad hit", 0, func() error { _, err := c.GetOrLoad(ctx, "a", cfg.Load); return err })
			allocates(t, "Peek", 0, func() error { _, _, _ = c.Peek("a"); return nil })
			allocates(t, "not found", 0, none)
			if err := c.InvalidateTags(ctx, "other"); err != nil {
				t.Error(err)
			}
			allocates(t, "hit after an invalidation", 0, func() error { _, err := c.Get(ctx, "a"); return err })
			if err := c.Override(ctx, calm); err != nil {
				t.Error(err)
			}
			c.Get(ctx, "stale")
			allocates(t, "stale hit, not loaded anew", 0, func() error { _, err := c.Get(ctx, "stale"); return err })
			many := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
			allocates(t, "GetMany of 8 hits", 4, func() error { _, err := c.GetMany(ctx, many); return err })
			allocates(t, "Set", set, func() error { return c.Set(ctx, "a", "b") })
			allocates(t, "Delete and load", load, func() error {
				if err := c.Delete(ctx, "a"); err != nil {
					return err
				}
				_, err := c.Get(ctx, "a")
				return err
			})
			allocates(t, "Delete", 0, func() error { return c.Delete(ctx, "a", "b") })
		})
	}
}
