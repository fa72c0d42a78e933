package peers

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
)

// BenchmarkCache is as BenchmarkShed.
func BenchmarkCache(b *testing.B) { benchmark(b, Cache()) }

// needs ends a test whose scene could not be made: for want of a Redis it is left
// out, unless that is not allowed.
func needs(t testing.TB, err error) {
	t.Helper()
	switch {
	case err == nil:
	case errors.Is(err, ErrNoRedis) && os.Getenv("SEAWALL_REQUIRE_ENGINES") == "":
		t.Skip(err)
	default:
		t.Fatal(err)
	}
}

// TestHitRatios: where there is no room for all, everybody has about the room that
// was meant. (SEAWALL_LONG: all libraries.)
func TestHitRatios(t *testing.T) {
	for _, l := range Cache().Libraries {
		for _, c := range []Case{Aside, Load} {
			if !l.Has(c) || os.Getenv("SEAWALL_LONG") == "" && (c == Load || !strings.HasPrefix(l.Name, "seawall")) {
				continue
			}
			t.Run(string(c)+"/"+l.Name, func(t *testing.T) {
				s := scene(t, l, c)
				ratio := s.hits()
				t.Logf("%.1f %%", 100*ratio)
				least := 0.6
				if l.Name == "ristretto" {
					least = 0.3 // it drops what comes too fast
				}
				if ratio < least || ratio > 0.85 {
					t.Errorf("%.1f %% were hits, want %.0f to 85", 100*ratio, 100*least)
				}
			})
		}
	}
}

// TestHitsSee: a get that finds nothing, or that asks the other tier, is no hit.
func TestHitsSee(t *testing.T) {
	s := &store[uint64]{
		get:    func(k uint64) (string, bool) { return aValue, k != 7 },
		set:    func(uint64, string) bool { return true },
		settle: func() {},
	}
	if _, err := s.scene(Hit, []uint64{6, 7, 8}, nil, nil); err == nil {
		t.Error("a key is missing, and there is no error")
	}
	sc, err := s.scene(Hit, []uint64{6, 8}, popular(cached), nil)
	if err != nil {
		t.Fatal(err)
	}
	sc.admits = true
	if err := sc.Run(asked, 1); err == nil {
		t.Error("a get found nothing, and there is no error")
	}
	for _, l := range Cache().Libraries {
		if !l.Has(TwoTierHit) {
			continue
		}
		s := scene(t, l, TwoTierHit)
		if err := s.Run(10, 1); err != nil {
			t.Error(err)
		}
		count := s.count
		s.count = func() uint64 { return count() / 2 }
		if err := s.Run(10, 1); err == nil {
			t.Errorf("%s: half of the gets were no hits, and there is no error", l.Name)
		}
	}
}

// TestProduct: it has the size that is said.
func TestProduct(t *testing.T) {
	text, err := json.Marshal(product(7))
	if err != nil || len(text) < 450 || len(text) > 600 {
		t.Errorf("%d bytes, %v", len(text), err)
	}
}
