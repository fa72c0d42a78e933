package seawall_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache"
)

// BenchmarkCache is what a request pays for an answer, by how it is found.
func BenchmarkCache(b *testing.B) {
	ctx := context.Background()
	const keys = 10_000
	load := func(_ context.Context, key uint64, _ *cache.Meta) (string, error) {
		return strconv.FormatUint(key, 10), nil
	}
	filled := func(b *testing.B, cfg cache.Config[uint64, string]) *cache.Cache[uint64, string] {
		b.Helper()
		cfg.Load = load
		c := seawall.Must(cache.New(cfg))
		b.Cleanup(func() { c.Close(ctx) })
		for key := range uint64(keys) {
			if _, err := c.Get(ctx, key); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportAllocs()
		b.ResetTimer()
		return c
	}
	lru, ristretto := cache.Config[uint64, string]{MaxEntries: keys}, cache.Config[uint64, string]{MaxBytes: 64 << 20}
	for name, cfg := range map[string]cache.Config[uint64, string]{"lru": lru, "ristretto": ristretto} {
		b.Run("hit/"+name, func(b *testing.B) {
			c := filled(b, cfg)
			b.RunParallel(func(pb *testing.PB) {
				for key := uint64(0); pb.Next(); key += 7919 {
					c.Get(ctx, key%keys)
				}
			})
			if s := c.Stats(); s.Misses > keys {
				b.Errorf("%d were no hits", s.Misses-keys)
			}
		})
	}
	b.Run("stale-hit", func(b *testing.B) { // as while the database is away
		cfg := lru
		cfg.TTL, cfg.StaleWhileRevalidate, cfg.StaleIfError, cfg.Early = time.Millisecond, seawall.Off, time.Hour, seawall.Off
		c := filled(b, cfg)
		if err := c.Override(ctx, seawall.Override{Control: "loads", Value: "when_empty"}); err != nil {
			b.Fatal(err)
		}
		for state := cache.Fresh; state == cache.Fresh; { // until the TTL of the last is over
			_, state, _ = c.Peek(keys - 1)
		}
		for key := uint64(0); b.Loop(); key += 7919 {
			c.Get(ctx, key%keys)
		}
		if s := c.Stats(); s.Stale == 0 || s.Loads > keys {
			b.Errorf("%+v", s)
		}
	})
	b.Run("many-100", func(b *testing.B) {
		c := filled(b, lru)
		page := make([]uint64, 100)
		for i := range page {
			page[i] = uint64(i) * 97
		}
		for b.Loop() {
			if got, err := c.GetMany(ctx, page); len(got) != len(page) || err != nil {
				b.Fatal(len(got), err)
			}
		}
	})
	b.Run("miss", func(b *testing.B) { // a flight, a goroutine, a load that takes no time
		c := filled(b, lru)
		for key := uint64(keys); b.Loop(); key++ {
			if _, err := c.Get(ctx, key); err != nil {
				b.Fatal(err)
			}
		}
	})
	for name, cfg := range map[string]cache.Config[uint64, string]{"lru": lru, "ristretto": ristretto} {
		b.Run("set/"+name, func(b *testing.B) {
			c := filled(b, cfg)
			for key := uint64(0); b.Loop(); key += 7919 {
				if err := c.Set(ctx, key%keys, "a value"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
