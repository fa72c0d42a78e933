package memcachestore

import (
	"slices"
	"testing"
	"time"

	"github.com/seawall-go/seawall/cache"
)

func set(t testing.TB, s *Store, key, value string) {
	t.Helper()
	if err := s.Set(t.Context(), []cache.Item{{Key: key, Value: []byte(value), TTL: time.Hour}}); err != nil {
		t.Fatal(err)
	}
}

func remove(t testing.TB, s *Store, keys ...string) {
	t.Helper()
	if err := s.Delete(t.Context(), keys); err != nil {
		t.Fatal(err)
	}
}

// get returns the values, "-" for none.
func get(t testing.TB, s *Store, keys ...string) []string {
	t.Helper()
	values := make([][]byte, len(keys))
	now, err := s.Get(t.Context(), keys, values)
	if err != nil || !now.IsZero() {
		t.Fatalf("%v, %v", now, err)
	}
	got := make([]string, len(keys))
	for i, v := range values {
		got[i] = "-"
		if v != nil {
			got[i] = string(v)
		}
	}
	return got
}

func holdsThat(t testing.TB, s *Store, key, want string) {
	t.Helper()
	if got := get(t, s, key); got[0] != want {
		t.Errorf("%q is %.80q, want %.80q", key, got[0], want)
	}
}

func lease(t testing.TB, s *Store, token string, keys ...string) []bool {
	t.Helper()
	won := make([]bool, len(keys))
	if err := s.Lease(t.Context(), keys, token, time.Minute, won); err != nil {
		t.Fatal(err)
	}
	return won
}

func wins(t testing.TB, s *Store, token string, keys ...string) {
	t.Helper()
	if won := lease(t, s, token, keys...); slices.Contains(won, false) {
		t.Fatalf("%s won %v of %.80q", token, won, keys)
	}
}

func loses(t testing.TB, s *Store, token string, keys ...string) {
	t.Helper()
	if won := lease(t, s, token, keys...); slices.Contains(won, true) {
		t.Fatalf("%s won %v of %.80q", token, won, keys)
	}
}

func fill(t testing.TB, s *Store, token, key, value string) {
	t.Helper()
	if err := s.Fill(t.Context(), []cache.Item{{Key: key, Value: []byte(value), TTL: time.Hour}}, token); err != nil {
		t.Fatal(err)
	}
}

func release(t testing.TB, s *Store, token string, keys ...string) {
	t.Helper()
	if err := s.Release(t.Context(), keys, token); err != nil {
		t.Fatal(err)
	}
}
