package httpcache

import (
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestLeaseWaitIsWait: who waits for another process does so for as long as for
// another client of its own, unless it is set.
func TestLeaseWaitIsWait(t *testing.T) {
	for name, c := range map[string]struct {
		cfg  Config
		want time.Duration
	}{
		"default": {Config{}, 10 * time.Second},
		"Wait":    {Config{Wait: 5 * time.Second}, 5 * time.Second},
		"longest": {Config{Wait: longest}, 20 * time.Second},
		"set":     {Config{Shared: shared{LeaseWait: time.Second}}, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDepot()
				var asked atomic.Int64
				handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					if asked.Add(1) == 1 {
						time.Sleep(20*time.Second + time.Millisecond)
					}
					w.Header().Set("Cache-Control", "max-age=60")
					io.WriteString(w, "hello")
				})
				var fronts [2]http.Handler
				for i := range fronts {
					cfg := c.cfg
					cfg.Name, cfg.Shared.L2, cfg.Shared.Bus = "pages", d, d
					fronts[i] = newCache(t, cfg).Middleware(handler)
				}
				time.Sleep(2 * time.Second) // until the depot's clock is known
				var slow sync.WaitGroup
				slow.Go(func() { ask(fronts[0], "GET", "/a") })
				time.Sleep(time.Millisecond)
				began := time.Now()
				ask(fronts[1], "GET", "/a")
				if took := time.Since(began); took < c.want || took > c.want+500*time.Millisecond {
					t.Errorf("waited for %v, want %v", took, c.want)
				}
				slow.Wait()
			})
		})
	}
}
