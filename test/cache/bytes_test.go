package cachetest

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/dgraph-io/ristretto/v2"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/maypok86/otter/v2"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/adapters/otterstore"
	"github.com/seawall-go/seawall/cache"
)

// TestBytesAboveEngine: what a Cache takes for an entry above its engine with the
// bare value, which is ristretto as it comes for Ristretto, that has an index of its
// own. (SEAWALL_LONG: a million entries.)
func TestBytesAboveEngine(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector takes memory on its own account")
	}
	n := 1 << 18
	if long() {
		n = 1_000_000
	}
	t.Run("numbers", func(t *testing.T) { bytesAboveEngine(t, n, func(i int) uint64 { return uint64(i) }) })
	// Strings that are cut from one: what they point to is the same on both sides.
	text := strings.Repeat("0123456789abcdef", 1<<10)
	t.Run("strings", func(t *testing.T) { bytesAboveEngine(t, n, func(i int) string { return text[i%100 : i%100+16] }) })
}

func bytesAboveEngine[V any](t *testing.T, n int, value func(int) V) {
	engines := []struct {
		name  string
		least float64 // bytes above the library that are surely used
		bare  func() (set func(uint64, V), length func() int, end func())
		cfg   func() cache.Config[uint64, V]
	}{
		{"golang-lru", 8, func() (func(uint64, V), func() int, func()) {
			c := seawall.Must(lru.New[uint64, V](n))
			return func(k uint64, v V) { c.Add(k, v) }, c.Len, c.Purge
		}, func() cache.Config[uint64, V] { return cache.Config[uint64, V]{MaxEntries: n} }},
		{"otter", 8, func() (func(uint64, V), func() int, func()) {
			c := seawall.Must(otter.New(&otter.Options[uint64, V]{MaximumSize: 2 * n}))
			return func(k uint64, v V) { c.Set(k, v) }, c.EstimatedSize, func() { c.StopAllGoroutines() }
		}, func() cache.Config[uint64, V] {
			return cache.Config[uint64, V]{L1: seawall.Must(otterstore.New[uint64, V](otterstore.Config{MaxEntries: 2 * n}))}
		}},
		{"ristretto", -100, func() (func(uint64, V), func() int, func()) {
			c := seawall.Must(ristretto.NewCache(&ristretto.Config[uint64, V]{
				NumCounters: int64(10 * n), MaxCost: int64(2 * n), BufferItems: 64, IgnoreInternalCost: true,
			}))
			set := func(k uint64, v V) {
				c.Set(k, v, 1)
				if k%64 == 0 {
					c.Wait() // or it drops them
				}
			}
			there := func() (found int) {
				c.Wait()
				for k := range uint64(n) {
					if _, ok := c.Get(k); ok {
						found++
					}
				}
				return found
			}
			return set, there, c.Close
		}, func() cache.Config[uint64, V] { return cache.Config[uint64, V]{MaxBytes: int64(n) * 1024} }},
	}
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			set, length, end := e.bare()
			before := heap()
			for i := range n {
				set(uint64(i), value(i))
			}
			bare := heap() - before
			if have := length(); have != n {
				t.Fatalf("%d of %d are in the bare library", have, n)
			}
			end()

			cfg := e.cfg()
			cfg.TTL = time.Hour
			c := seawall.Must(cache.New(cfg))
			before = heap()
			for i := range n {
				if err := c.Set(context.Background(), uint64(i), value(i)); err != nil {
					t.Fatal(err)
				}
			}
			whole := heap() - before
			if have := c.Stats().Entries; have != n {
				t.Fatalf("%d of %d are in the cache", have, n)
			}
			if err := c.Close(context.Background()); err != nil {
				t.Fatal(err)
			}
			each := float64(whole-bare) / float64(n)
			t.Logf("bytes an entry: %.1f bare, %.1f in a Cache: %.1f above", float64(bare)/float64(n), float64(whole)/float64(n), each)
			if each >= 80.5 || each < e.least {
				t.Errorf("%.1f bytes an entry above the engine, want at most 80, and %.0f that are surely used", each, e.least)
			}
		})
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
