package httpcache

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Who comes after a purge does not get what the handler was asked for before it.
func TestPurgeEndsWaiting(t *testing.T) {
	const url = "http://example.org/shop/7"
	for name, c := range map[string]struct {
		varies bool
		purge  func(ctx context.Context, h *Cache) error
	}{
		"URL":             {false, func(ctx context.Context, h *Cache) error { return h.Purge(ctx, url) }},
		"URL with others": {true, func(ctx context.Context, h *Cache) error { return h.Purge(ctx, url) }},
		"tag":             {false, func(ctx context.Context, h *Cache) error { return h.PurgeTags(ctx, "shop") }},
		"prefix":          {false, func(ctx context.Context, h *Cache) error { return h.PurgePrefix(ctx, "http://example.org/shop/") }},
		"all":             {false, func(ctx context.Context, h *Cache) error { return h.Clear(ctx) }},
	} {
		for _, warm := range []bool{false, true} { // the second one is a renewal
			t.Run(fmt.Sprint(name, " warm ", warm), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := newCache(t, Config{})
					var version atomic.Int64
					front := h.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
						v := version.Load()
						time.Sleep(time.Second)
						w.Header().Set("Cache-Control", "max-age=10, stale-while-revalidate=60")
						w.Header().Set("Surrogate-Key", "shop")
						if c.varies {
							w.Header().Set("Vary", "Accept-Language")
						}
						fmt.Fprint(w, v)
					}))
					if warm {
						ask(front, "GET", url)
						time.Sleep(20 * time.Second)
					}
					go ask(front, "GET", url)
					time.Sleep(time.Second / 2)
					version.Store(1)
					if err := c.purge(t.Context(), h); err != nil {
						t.Error(err)
					}
					time.Sleep(time.Millisecond)
					if text := body(ask(front, "GET", url)); text != "1" {
						t.Errorf("version %s", text)
					}
					if got := ask(front, "GET", url); got.Header.Get("Cache-Status") != "seawall; hit; ttl=9" {
						t.Errorf("then %q", got.Header)
					}
				})
			})
		}
	}
}
