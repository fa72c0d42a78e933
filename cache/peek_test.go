package cache_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall/cache"
)

// TestPeekLocalTTL: what is to be looked up in L2 is there all the same, as stale,
// for whoever has nothing better; what was deleted is not, nor what is too old.
func TestPeekLocalTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, s := &source{}, &store{rtt: 100 * time.Microsecond}
		cfg := cache.Config[string, string]{Load: src.load, TTL: time.Minute, Jitter: -1, Early: -1, StaleWhileRevalidate: -1, StaleIfError: -1}
		cfg.Shared.LocalTTL = 10 * time.Second
		nodes := fleet(t, 2, s, false, cfg)
		for _, c := range nodes {
			get(t, c, "a", "a-1")
			get(t, c, "b", "b-2")
		}
		began := time.Now()
		for _, m := range []struct {
			after time.Duration
			want  cache.State
		}{{9 * time.Second, cache.Fresh}, {11 * time.Second, cache.Stale}, {59 * time.Second, cache.Stale}, {61 * time.Second, cache.Miss}} {
			time.Sleep(m.after - time.Since(began))
			for i, c := range nodes {
				if _, state, ok := c.Peek("a"); state != m.want || ok != (m.want != cache.Miss) {
					t.Errorf("process %d after %v: %v, want %v", i, m.after, state, m.want)
				}
			}
			nodes[1].Delete(t.Context(), "b")
			if _, state, ok := nodes[1].Peek("b"); ok {
				t.Errorf("deleted, and %v", state)
			}
		}
	})
	synctest.Test(t, func(t *testing.T) { // and nothing changes where there is no L2
		src := &source{}
		c := closing(t, cache.Config[string, string]{Load: src.load, TTL: time.Minute, Jitter: 0.9, Early: -1, StaleWhileRevalidate: -1, StaleIfError: -1})
		get(t, c, "a", "a-1")
		time.Sleep(time.Minute - time.Nanosecond)
		if _, state, ok := c.Peek("a"); ok {
			t.Error(state)
		}
	})
}
