package cache_test

import (
	"testing"

	"github.com/seawall-go/seawall/cache"
)

func TestL1HitAllocs(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for name, l1 := range engines(t) {
		for i := range uint64(100) {
			l1.Set(i, new(cache.Entry[int]), 100)
		}
		if n := testing.AllocsPerRun(1000, func() {
			for i := range uint64(100) {
				if _, ok := l1.Get(i); !ok {
					t.Fatal("a miss")
				}
			}
		}); n > 1 { // ristretto collects what it is told in blocks
			t.Errorf("%s: %v allocations for 100 hits, want none", name, n)
		}
	}
}

// engines are those of this package, with room for 10,000 entries of 100 bytes at
// least.
func engines(tb testing.TB) map[string]cache.L1[uint64, int] {
	tb.Helper()
	lru, err := cache.LRU[uint64, int](10_000)
	if err != nil {
		tb.Fatal(err)
	}
	ristretto, err := cache.Ristretto[uint64, int](cache.RistrettoConfig{MaxBytes: 8 << 20})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(ristretto.Close)
	return map[string]cache.L1[uint64, int]{"lru": lru, "ristretto": ristretto}
}
