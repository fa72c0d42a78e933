package cachetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache"
)

// TestFloodOfMissing: keys that do not exist, however many, neither take memory
// beyond the bound nor push out values. (SEAWALL_LONG: ten million keys.)
func TestFloodOfMissing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector takes memory on its own account")
	}
	const maxBytes, values = 32 << 20, 20_000
	n := 100_000
	if long() {
		n = 10_000_000
	}
	before := heapAlloc()
	c := seawall.Must(cache.New(cache.Config[string, string]{
		MaxBytes: maxBytes,
		Load: func(_ context.Context, key string, _ *cache.Meta) (string, error) {
			if strings.HasPrefix(key, "no ") {
				return "", cache.ErrNotFound
			}
			return strings.Repeat("x", 1000), nil
		},
	}))
	defer c.Close(t.Context())
	for i := range 2 * values { // twice as many as fit
		if _, err := c.Get(t.Context(), fmt.Sprint("yes ", i)); err != nil {
			t.Fatal(err)
		}
	}
	entries := c.Stats().Entries
	var all sync.WaitGroup
	for part := range 4 {
		all.Go(func() {
			for i := part; i < n; i += 4 {
				if _, err := c.Get(t.Context(), fmt.Sprint("no ", i)); !errors.Is(err, cache.ErrNotFound) {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	s := c.Stats()
	taken := float64(heapAlloc()-before) / maxBytes
	runtime.KeepAlive(c)
	t.Logf("%d keys that are not there: %d remembered; %d values of %d left; %.1f %% of MaxBytes on the heap", n, s.Negatives, s.Entries, entries, 100*taken)
	if taken > 1.1 {
		t.Errorf("%.1f %% of MaxBytes on the heap", 100*taken)
	}
	if s.Entries < entries {
		t.Errorf("%d values of %d are left", s.Entries, entries)
	}
}

func heapAlloc() int64 {
	for range 3 { // pools are emptied by the second
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
