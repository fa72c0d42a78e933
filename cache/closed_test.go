package cache_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache"
)

// TestClosed: after Close everything returns ErrClosed, whatever was there before.
func TestClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, shared := range []bool{false, true} {
			cfg := cache.Config[string, string]{Load: func(_ context.Context, key string, m *cache.Meta) (string, error) {
				m.Tags = []string{"x"}
				if key == "none" {
					return "", cache.ErrNotFound
				}
				return key, nil
			}}
			if shared {
				d := newDepot()
				cfg.Name, cfg.Shared.L2, cfg.Shared.Bus = "test", leasing{d}, d
			}
			c, err := cache.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			ctx := t.Context()
			c.Get(ctx, "a")
			c.Get(ctx, "none")
			for range 2 {
				if err := c.Close(ctx); err != nil {
					t.Error(err)
				}
			}
			_, many := c.GetMany(ctx, []string{"a", "b"})
			_, warm := c.Warm(ctx, slices.Values([]string{"a", "b"}), cache.WarmConfig{})
			_, known := c.Get(ctx, "a")
			_, unknown := c.Get(ctx, "b")
			_, none := c.Get(ctx, "none")
			_, own := c.GetOrLoad(ctx, "c", func(context.Context, string, *cache.Meta) (string, error) { return "", nil })
			for name, err := range map[string]error{
				"Get of what was there": known, "Get": unknown, "Get of what was not found": none, "GetOrLoad": own, "GetMany": many, "Warm": warm,
				"Set": c.Set(ctx, "a", "a"), "Delete": c.Delete(ctx, "a"), "InvalidateTags": c.InvalidateTags(ctx, "x"), "Clear": c.Clear(ctx),
				"purge": c.Override(ctx, seawall.Override{Control: "purge", Value: "*"}),
			} {
				if !errors.Is(err, cache.ErrClosed) {
					t.Errorf("shared %v: %s: %v", shared, name, err)
				}
			}
			if _, state, ok := c.Peek("a"); ok {
				t.Error("Peek:", state)
			}
			if s := c.Snapshot(); s.Detail.(cache.Stats).Entries != 0 {
				t.Errorf("%+v", s.Detail)
			}
		}
	})
}
