package httpcache_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache/httpcache"
	"github.com/seawall-go/seawall/seawalltest"
)

// quiet makes a Cache that says nothing of itself. Who comes while the client before
// is just leaving waits for that one's handler, which here ends only with its client.
func quiet(t *testing.T) *httpcache.Cache {
	t.Helper()
	c := seawall.Must(httpcache.New(httpcache.Config{CacheStatus: "off", Wait: 50 * time.Millisecond}))
	t.Cleanup(func() {
		if err := c.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return c
}

// TestConformance: what is not kept passes as if the Cache was not there.
func TestConformance(t *testing.T) {
	seawalltest.Conformance{}.Run(t, quiet(t).Middleware)
}

// TestConformanceStorable: where all may be kept, too, but for what makes it a cache:
// it holds back small answers, fills in their length, and asks once for HTTP/1.1 and
// HTTP/2.
func TestConformanceStorable(t *testing.T) {
	c := quiet(t)
	seawalltest.Conformance{Except: []string{"headers-exact", "early-hints", "pattern-outward"}}.Run(t, func(next http.Handler) http.Handler {
		if err := c.PurgeTags(t.Context(), "all"); err != nil { // another server may get a port again
			t.Error(err)
		}
		return c.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			w.Header().Set("Surrogate-Key", "all")
			next.ServeHTTP(w, r)
		}))
	})
}
