package cache_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache"
)

// heldL1 holds up who asks next, between what it has found and the answer.
type heldL1 struct {
	cache.L1[string, string]
	hold    atomic.Bool
	release chan struct{}
}

func (l *heldL1) Get(key string) (*cache.Entry[string], bool) {
	e, ok := l.L1.Get(key)
	if l.hold.Swap(false) {
		<-l.release
	}
	return e, ok
}

// TestMissedBefore: who has missed, and comes to load when another's load has just
// ended, finds what that has brought: nothing in between may make a second load.
func TestMissedBefore(t *testing.T) {
	for name, test := range map[string]struct {
		get    func(c *cache.Cache[string, string]) (string, error)
		before time.Duration // a first Get, so long ago
		err    error         // of the loader
		swr    time.Duration
	}{
		"Get": {func(c *cache.Cache[string, string]) (string, error) { return c.Get(context.Background(), "k") }, 0, nil, 0},
		"GetMany": {func(c *cache.Cache[string, string]) (string, error) {
			m, err := c.GetMany(context.Background(), []string{"k"})
			return m["k"], err
		}, 0, nil, 0},
		"not found": {func(c *cache.Cache[string, string]) (string, error) { return c.Get(context.Background(), "k") }, 0, cache.ErrNotFound, 0},
		"stale":     {func(c *cache.Cache[string, string]) (string, error) { return c.Get(context.Background(), "k") }, 65 * time.Second, nil, time.Hour},
		"stale, GetMany": {func(c *cache.Cache[string, string]) (string, error) {
			m, err := c.GetMany(context.Background(), []string{"k"})
			return m["k"], err
		}, 65 * time.Second, nil, time.Hour},
		"too stale": {func(c *cache.Cache[string, string]) (string, error) { return c.Get(context.Background(), "k") }, 65 * time.Second, nil, seawall.Off},
		"too stale, GetMany": {func(c *cache.Cache[string, string]) (string, error) {
			m, err := c.GetMany(context.Background(), []string{"k"})
			return m["k"], err
		}, 65 * time.Second, nil, seawall.Off},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l1 := &heldL1{L1: seawall.Must(cache.LRU[string, string](10)), release: make(chan struct{})}
				var loads atomic.Int64
				c := closing(t, cache.Config[string, string]{L1: l1, Jitter: seawall.Off, StaleWhileRevalidate: test.swr, Load: func(context.Context, string, *cache.Meta) (string, error) {
					loads.Add(1)
					time.Sleep(20 * time.Millisecond)
					return "v", test.err
				}})
				want := int64(1)
				if test.before > 0 {
					if _, err := c.Get(t.Context(), "k"); err != nil {
						t.Fatal(err)
					}
					time.Sleep(test.before)
					want = 2
				}
				l1.hold.Store(true)
				ended := make(chan error)
				go func() {
					_, err := test.get(c)
					ended <- err
				}()
				synctest.Wait()
				if _, err := c.Get(t.Context(), "k"); !errors.Is(err, test.err) {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
				close(l1.release)
				if err := <-ended; test.err == nil && err != nil {
					t.Error(err)
				}
				time.Sleep(time.Second)
				if n := loads.Load(); n != want {
					t.Errorf("%d loads, want %d", n, want)
				}
			})
		})
	}
}
