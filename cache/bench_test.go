package cache_test

import (
	"context"
	"strconv"
	"testing"

	"github.com/seawall-go/seawall/cache"
)

func BenchmarkGet(b *testing.B) {
	c := closing(b, cache.Config[uint64, string]{MaxEntries: 10_000, Load: func(_ context.Context, k uint64, _ *cache.Meta) (string, error) {
		return strconv.FormatUint(k, 10), nil
	}})
	ctx := context.Background()
	for k := range uint64(10_000) {
		c.Get(ctx, k)
	}
	b.Run("hit", func(b *testing.B) {
		b.ReportAllocs()
		k := uint64(0)
		for b.Loop() {
			if _, err := c.Get(ctx, k%10_000); err != nil {
				b.Fatal(err)
			}
			k += 7919
		}
	})
	l1, _ := cache.LRU[uint64, string](10_000)
	for k := range uint64(10_000) {
		l1.Set(k, new(cache.Entry[string]), 1)
	}
	b.Run("engine", func(b *testing.B) {
		k := uint64(0)
		for b.Loop() {
			l1.Get(k % 10_000)
			k += 7919
		}
	})
}
