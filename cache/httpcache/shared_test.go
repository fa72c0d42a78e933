package httpcache

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall/cache"
)

type shared = cache.Shared[Key, *Response]

// crowd lets many clients ask each node at once.
func crowd(t *testing.T, all []*node, clients int, path, want string, fields ...string) (longest time.Duration) {
	t.Helper()
	var wg sync.WaitGroup
	var most atomic.Int64
	for _, a := range all {
		for range clients {
			wg.Go(func() {
				began := time.Now()
				if got := a.get(t, path, want, fields...); got.StatusCode != http.StatusOK {
					t.Errorf("%s: %s", path, got.Status)
				}
				for took := int64(time.Since(began)); ; {
					if old := most.Load(); old >= took || most.CompareAndSwap(old, took) {
						return
					}
				}
			})
		}
	}
	wg.Wait()
	return time.Duration(most.Load())
}

// TestSharedCrowd: a cold URL is asked for by all clients of all processes.
func TestSharedCrowd(t *testing.T) {
	for name, fields := range map[string][]string{
		"plain":   {"Cache-Control", "max-age=60"},
		"variant": {"Cache-Control", "max-age=60", "Vary", "Accept-Language"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, s := newDepot(), newEdition(fields...)
				s.takes.Store(int64(time.Second))
				all := nodes(t, 4, d, &s.site, Config{Shared: shared{Bus: d}})
				if took := crowd(t, all, 1000, "/a", "/ade of 1", "Accept-Language", "de"); took > 1200*time.Millisecond {
					t.Errorf("somebody waited for %v", took)
				}
				s.asked(t, 1)
				crowd(t, all, 10, "/a", "/ade of 1", "Accept-Language", "de")
				// A process that is there now has nothing of its own, and a crowd at once.
				late := opens(t, d, &s.site, Config{Shared: shared{Bus: d}})
				crowd(t, []*node{late}, 1000, "/a", "/ade of 1", "Accept-Language", "de")
				s.asked(t, 0)
			})
		})
	}
}

// TestSharedStale: what was good until a moment ago is renewed by one process for all.
func TestSharedStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s := newDepot(), newEdition("Cache-Control", "max-age=60", "Etag", "yes")
		all := nodes(t, 4, d, &s.site, Config{Shared: shared{Bus: d}})
		crowd(t, all, 10, "/a", "/a of 1")
		s.asked(t, 1)
		s.takes.Store(int64(100 * time.Millisecond))
		for _, way := range []time.Duration{time.Millisecond, 20 * time.Millisecond} {
			d.way.Store(int64(way))
			time.Sleep(61 * time.Second)
			crowd(t, all, 100, "/a", "/a of 1")
			s.asked(t, 1)
			s.n.Add(1)
			time.Sleep(61 * time.Second)
			crowd(t, all, 100, "/a", "")
			s.asked(t, 1)
			s.n.Add(-1)
			time.Sleep(61 * time.Second)
			crowd(t, all, 100, "/a", "/a of 1")
			s.asked(t, 1)
		}
	})
}

// TestSharedPrivate: what one process has found to be for one client alone keeps
// nobody waiting in any.
func TestSharedPrivate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s := newDepot(), newEdition("Cache-Control", "private")
		s.takes.Store(int64(time.Second))
		all := nodes(t, 4, d, &s.site, Config{Shared: shared{Bus: d}})
		if took := crowd(t, all, 100, "/a", "/a of 1"); took > 2200*time.Millisecond {
			t.Errorf("somebody waited for %v", took)
		}
		s.asked(t, 400)
		late := opens(t, d, &s.site, Config{Shared: shared{Bus: d}})
		if took := crowd(t, []*node{late}, 100, "/a", "/a of 1"); took > 1050*time.Millisecond {
			t.Errorf("somebody waited for %v, and it was known", took)
		}
		s.asked(t, 100)
	})
}
