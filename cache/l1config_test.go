package cache_test

import (
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall/cache"
)

func TestL1Errors(t *testing.T) {
	ristretto := func(c cache.RistrettoConfig) error {
		l1, err := cache.Ristretto[string, int](c)
		if err == nil {
			l1.Close()
		}
		return err
	}
	_, lru := cache.LRU[string, int](0)
	for _, c := range []struct {
		got  error
		want string
	}{
		{lru, "seawall/cache: LRU: entries must be positive (got 0)"},
		{ristretto(cache.RistrettoConfig{}), "MaxBytes must be at least 1048576 (got 0)"},
		{ristretto(cache.RistrettoConfig{MaxBytes: -1}), "MaxBytes must be at least 1048576 (got -1)"},
		{ristretto(cache.RistrettoConfig{MaxBytes: 1 << 20, Counters: -1}), "Counters must be between 0 and"},
		{ristretto(cache.RistrettoConfig{MaxBytes: 1 << 20, Counters: math.MaxInt64}), "Counters must be between 0 and"},
		{ristretto(cache.RistrettoConfig{MaxBytes: 1 << 20, Counters: 1 << 20}), "Counters must leave room for entries (got 1048576,"},
	} {
		if c.got == nil || !strings.Contains(c.got.Error(), c.want) {
			t.Errorf("error %v, want %q", c.got, c.want)
		}
	}
	if err := ristretto(cache.RistrettoConfig{MaxBytes: 1 << 20}); err != nil {
		t.Errorf("the smallest: %v", err)
	}
}

// TestL1NaN: a key that is not equal to itself must not fill the cache for ever.
func TestL1NaN(t *testing.T) {
	lru, err := cache.LRU[float64, int](10)
	if err != nil {
		t.Fatal(err)
	}
	ristretto, err := cache.Ristretto[float64, int](cache.RistrettoConfig{MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer ristretto.Close()
	for name, l1 := range map[string]cache.L1[float64, int]{"lru": lru, "ristretto": ristretto} {
		for range 100 {
			l1.Set(math.NaN(), new(cache.Entry[int]), 1)
		}
		if n := l1.Len(); n != 0 {
			t.Errorf("%s keeps %d entries of a key that cannot be found", name, n)
		}
	}
}

// TestRistrettoBubble: it works where time is not that of the wall, and leaves no
// goroutine there.
func TestRistrettoBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l1, err := cache.Ristretto[int, int](cache.RistrettoConfig{MaxBytes: 2 << 20})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 10_000 {
			l1.Set(i, new(cache.Entry[int]), 1000)
			l1.Get(i)
		}
		time.Sleep(time.Hour)
		if _, ok := l1.Get(9999); !ok {
			t.Error("an hour made it forget")
		}
		l1.Close()
	})
}

type point struct {
	x, y int
	name string
}

// TestRistrettoKeys: any comparable type will do.
func TestRistrettoKeys(t *testing.T) {
	l1, err := cache.Ristretto[point, int](cache.RistrettoConfig{MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer l1.Close()
	a, b := new(cache.Entry[int]), new(cache.Entry[int])
	l1.Set(point{1, 2, "a"}, a, 100)
	l1.Set(point{1, 2, "b"}, b, 100)
	if e, _ := l1.Get(point{1, 2, "a"}); e != a {
		t.Error("one key has another's entry")
	}
}
