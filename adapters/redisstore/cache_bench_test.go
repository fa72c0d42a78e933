package redisstore

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seawall-go/seawall/cache"
)

// benchItems have 500 bytes each, as a product in JSON has.
func benchItems(b *testing.B, s *Store, n int) (keys []string, items []cache.Item) {
	b.Helper()
	for i := range n {
		keys = append(keys, fmt.Sprint("shop:product:", i))
		items = append(items, cache.Item{Key: keys[i], Value: bytes.Repeat([]byte("v"), 500), TTL: time.Hour})
	}
	if err := s.Set(b.Context(), items); err != nil {
		b.Fatal(err)
	}
	return keys, items
}

// BenchmarkCacheGet is beside what go-redis takes for the same without a Store.
func BenchmarkCacheGet(b *testing.B) {
	s := storeOf(b, startRedis(b).addr)
	ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
	defer cancel()
	for _, n := range []int{1, 10, 100} {
		keys, _ := benchItems(b, s, n)
		values := make([][]byte, n)
		b.Run(fmt.Sprint("store-", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Get(ctx, keys, values); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprint("go-redis-", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if n == 1 {
					values[0], err = s.client.Get(ctx, keys[0]).Bytes()
				} else {
					_, err = s.client.MGet(ctx, keys...).Result()
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCacheWrite is of one key, and of a hundred. Beside it is a bare SET, and
// a pipeline of them.
func BenchmarkCacheWrite(b *testing.B) {
	s := storeOf(b, startRedis(b).addr)
	ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
	defer cancel()
	for _, n := range []int{1, 100} {
		keys, items := benchItems(b, s, n)
		won := make([]bool, n)
		run := func(name string, call func(token string) error) {
			b.Run(fmt.Sprint(name, "-", n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := call("0123456789abcdef"); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		run("go-redis-set", func(string) error {
			pipe := s.client.Pipeline()
			for _, it := range items {
				pipe.Set(ctx, it.Key, it.Value, it.TTL)
			}
			_, err := pipe.Exec(ctx)
			return err
		})
		run("set", func(string) error { return s.Set(ctx, items) })
		run("delete", func(string) error { return s.Delete(ctx, keys) })
		run("lease-lost", func(token string) error { return s.Lease(ctx, keys, token, time.Hour, won) })
		run("lease+fill", func(token string) error {
			if err := s.Lease(ctx, keys, token, time.Hour, won); err != nil {
				return err
			}
			return s.Fill(ctx, items, token)
		})
		run("release", func(token string) error { return s.Release(ctx, keys, token) })
	}
}

func BenchmarkBusPublish(b *testing.B) {
	e := startRedis(b)
	bus := busOf(b, &redis.UniversalOptions{Addrs: []string{e.addr}})
	message := bytes.Repeat([]byte("m"), 100)
	b.Run("bus", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := bus.Publish(b.Context(), message); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("go-redis", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := bus.client.Publish(b.Context(), bus.channel, message).Err(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
