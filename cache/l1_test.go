package cache_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/seawall-go/seawall/cache"
	"github.com/seawall-go/seawall/seawalltest/cachetest"
)

func TestLRU(t *testing.T) {
	cachetest.L1(t, func(t *testing.T, entries int) cache.L1[string, int] {
		l1, err := cache.LRU[string, int](entries)
		if err != nil {
			t.Fatal(err)
		}
		return l1
	})
}

func TestRistretto(t *testing.T) {
	cachetest.L1(t, func(t *testing.T, entries int) cache.L1[string, int] {
		l1, err := cache.Ristretto[string, int](cache.RistrettoConfig{
			MaxBytes: int64(entries)*(cachetest.L1Cost+300) + 1<<20, Counters: 10 * int64(entries),
		})
		if err != nil {
			t.Fatal(err)
		}
		return l1
	})
}

// TestRistrettoReadsItsWrites: whatever the pressure, what has been Set is there.
func TestRistrettoReadsItsWrites(t *testing.T) {
	const goroutines, sets = 8, 20_000
	const fit = (8 << 20) / 4000 // a new entry stands before at least half of the window
	l1, err := cache.Ristretto[int, int](cache.RistrettoConfig{MaxBytes: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer l1.Close()
	var all atomic.Int64
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range sets {
				key := g + goroutines*i
				e := new(cache.Entry[int])
				before := all.Load()
				l1.Set(key, e, 1000)
				// Others may have set more than fits before this goroutine went on.
				if got, ok := l1.Get(key); got != e && (ok || all.Add(1)-before < fit) {
					t.Errorf("set %d of goroutine %d: Get = %p, %v; want %p", i, g, got, ok, e)
					return
				}
				all.Add(1)
				l1.Get(key - goroutines*(i%50)) // so that some go to ristretto
			}
		})
	}
	wg.Wait()
}
