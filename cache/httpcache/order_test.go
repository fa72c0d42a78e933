package httpcache

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestNewerStays: of two who ask by themselves the one that asked first, and came
// last, does not take the place of the other's answer, which is newer.
func TestNewerStays(t *testing.T) {
	for name, vary := range map[string][2]string{ // of the older one, and of the newer
		"pages": {}, "older varies": {german, ""}, "newer varies": {"", german}, "variants": {german, german},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newCache(t, Config{})
				var calls, version atomic.Int64
				front := h.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					v := version.Load()
					switch calls.Add(1) {
					case 1: // from now on nobody waits for anybody
						w.Header().Set("Cache-Control", "no-store")
						return
					case 2:
						time.Sleep(5 * time.Second)
					}
					w.Header().Set("Cache-Control", "max-age=60")
					if vary[v] != "" {
						w.Header().Set("Vary", vary[v])
					}
					fmt.Fprint(w, v)
				}))
				ask(front, "GET", "/a", german, "de")
				var slow sync.WaitGroup
				slow.Go(func() {
					if b := body(ask(front, "GET", "/a", german, "de")); b != "0" {
						t.Errorf("who asked first got %s", b)
					}
				})
				time.Sleep(time.Second)
				version.Store(1)
				ask(front, "GET", "/a", german, "de")
				for _, rest := range []time.Duration{0, 5 * time.Second} {
					time.Sleep(rest)
					if got := ask(front, "GET", "/a", german, "de"); body(got) != "1" || calls.Load() != 3 {
						t.Errorf("after %v: %v, %d calls", rest, got.Header, calls.Load())
					}
				}
				slow.Wait()
			})
		})
	}
}
