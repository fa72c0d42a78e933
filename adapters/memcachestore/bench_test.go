package memcachestore

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache"
)

// BenchmarkStore has the bare client beside it, on loopback, with values of 500
// bytes.
func BenchmarkStore(b *testing.B) {
	e := startMemcached(b)
	c := clientOf(b, patience, e)
	s := seawall.Must(New(Config{Client: c}))
	value := []byte(strings.Repeat("v", 500))
	keys, items := make([]string, 100), make([]cache.Item, 100)
	for i := range keys {
		keys[i] = fmt.Sprintf("product:%d", i)
		items[i] = cache.Item{Key: keys[i], Value: value, TTL: time.Hour}
	}
	ctx := b.Context()
	must := func(b *testing.B, err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	must(b, s.Set(ctx, items))
	bench := func(name string, f func(b *testing.B, i int)) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				f(b, i)
			}
		})
	}
	values := make([][]byte, 100)
	bench("get/seawall", func(b *testing.B, _ int) {
		_, err := s.Get(ctx, keys[:1], values[:1])
		must(b, err)
	})
	bench("get/gomemcache", func(b *testing.B, _ int) {
		_, err := c.Get(keys[0])
		must(b, err)
	})
	bench("get100/seawall", func(b *testing.B, _ int) {
		_, err := s.Get(ctx, keys, values)
		must(b, err)
	})
	bench("get100/gomemcache", func(b *testing.B, _ int) {
		_, err := c.GetMulti(keys)
		must(b, err)
	})
	bench("set/seawall", func(b *testing.B, _ int) { must(b, s.Set(ctx, items[:1])) })
	bench("set/gomemcache", func(b *testing.B, _ int) {
		must(b, c.Set(&memcache.Item{Key: keys[0], Value: value, Expiration: 3600}))
	})
	bench("set100/seawall", func(b *testing.B, _ int) { must(b, s.Set(ctx, items)) })
	won := make([]bool, 1)
	bench("load missing/seawall", func(b *testing.B, i int) {
		item := []cache.Item{{Key: fmt.Sprint("missing", b.N, i), Value: value, TTL: time.Minute}}
		must(b, s.Lease(ctx, []string{item[0].Key}, "token", time.Minute, won))
		must(b, s.Fill(ctx, item, "token"))
	})
	bench("load stale/seawall", func(b *testing.B, i int) {
		must(b, s.Lease(ctx, keys[:1], "token", time.Minute, won))
		must(b, s.Fill(ctx, items[:1], "token"))
	})
	for _, idle := range []int{0, 64} {
		few := memcache.New(e.addr)
		few.MaxIdleConns = idle
		b.Cleanup(func() { few.Close() })
		s := seawall.Must(New(Config{Client: few}))
		b.Run(fmt.Sprintf("parallel/MaxIdleConns=%d", idle), func(b *testing.B) {
			b.SetParallelism(8)
			b.RunParallel(func(pb *testing.PB) {
				values := make([][]byte, 1)
				for pb.Next() {
					if _, err := s.Get(ctx, keys[:1], values); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
