package ratelimit

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
)

// TestSharedQuota: the processes of a fleet share a quota, to the last token if it
// is exact; whoever is refused is told when there is more; the next window is new.
func TestSharedQuota(t *testing.T) {
	for _, exact := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			sleepUntil(t, time.Date(2000, 2, 28, 18, 0, 0, 0, time.UTC))
			store := newModelStore(time.Millisecond)
			var all [3]*Shared
			for i := range all {
				all[i] = sharedWith(store, Rate{}, len(all), func(c *SharedConfig) {
					c.Quota, c.Sharing.Exact = Quota{N: 300, Each: Day}, exact
				})
			}
			spend := func() (n int) {
				for range 200 {
					for _, s := range all {
						if s.Take(context.Background(), "k", 1, seawall.Normal).OK {
							n++
						}
					}
					time.Sleep(time.Millisecond)
				}
				return n
			}
			least := 300
			if !exact {
				least = 300 - 3*50 // what the others hold is void when nobody asks any more
			}
			for range 3 {
				if n := spend(); n > 300 || n < least {
					t.Errorf("exact %v: %d of 300", exact, n)
				}
				now := time.Now()
				ends := time.Date(now.Year(), now.Month(), now.Day()+1, 0, 0, 0, 0, time.UTC)
				d := all[0].Take(context.Background(), "k", 1, seawall.Normal)
				if d.OK || d.Source != Lease {
					t.Errorf("exact %v: %v by %v", exact, d.OK, d.Source)
				}
				if got, want := d.RetryAfter(), time.Until(ends); got != want {
					t.Errorf("exact %v: come back in %v, want %v", exact, got, want)
				}
				if got, want := d.ResetAfter(), time.Until(ends); got != want {
					t.Errorf("exact %v: all is there in %v, want %v", exact, got, want)
				}
				if d.Remaining() != 0 {
					t.Errorf("exact %v: %d remain", exact, d.Remaining())
				}
				asked := store.asked[len(store.asked)-1]
				if !asked.Until.Equal(ends) || asked.Rate.Burst != 300 || !strings.Contains(asked.Key, "}:") {
					t.Errorf("the store was asked %+v", asked)
				}
				if d := all[0].Take(context.Background(), "k", 301, seawall.Normal); d.RetryAfter() != Never {
					t.Errorf("more than there ever is: come back in %v", d.RetryAfter())
				}
				sleepUntil(t, ends)
			}
			closed(t, all[:]...)
		})
	}
}

// TestSharedQuotaMidnight: who is asked for at the end of a window and answered in
// the next one has charged the old one.
func TestSharedQuotaMidnight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newModelStore(4 * time.Millisecond)
		s := sharedWith(store, Rate{}, 1, func(c *SharedConfig) {
			c.Quota, c.Sharing.Exact = Quota{N: 5, Each: Hour}, true
		})
		ends := time.Now().Add(time.Hour)
		sleepUntil(t, ends.Add(-2*time.Millisecond))
		if d := s.Take(context.Background(), "k", 3, seawall.Normal); !d.OK || !time.Now().After(ends) {
			t.Errorf("at %v: %v", time.Now(), d.OK)
		}
		n := 0
		for s.Take(context.Background(), "k", 1, seawall.Normal).OK {
			n++
		}
		if n != 5 {
			t.Errorf("%d in the new window, want 5", n)
		}
		if a, b := store.asked[0], store.asked[len(store.asked)-1]; a.Key == b.Key || !a.Until.Equal(ends) || !b.Until.Equal(ends.Add(time.Hour)) {
			t.Errorf("%+v and %+v", a, b)
		}
		closed(t, s)
	})
}

// TestSharedQuotaLost: without the store a process has its part, once a window.
func TestSharedQuotaLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newModelStore(0)
		store.down.Store(true)
		s := sharedWith(store, Rate{}, 4, func(c *SharedConfig) { c.Quota = Quota{N: 100, Each: Hour} })
		for range 3 {
			n := 0
			for range 100 {
				if s.Take(context.Background(), "k", 1, seawall.Normal).OK {
					n++
				}
			}
			if n != 25 {
				t.Errorf("%d without the store, want 100/4", n)
			}
			time.Sleep(time.Hour)
		}
		closed(t, s)
	})
}

// TestLimitsQuota: fields, answers and refunds of quotas in a middleware, keyed,
// for all and shared.
func TestLimitsQuota(t *testing.T) {
	for _, shared := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			sleepUntil(t, time.Date(2000, 1, 31, 23, 0, 0, 0, time.UTC))
			q := Policy{Name: "contract", Quota: Quota{N: 10, Each: Month}, Key: ByHeader("X-Api-Key"), Bytes: minBytes}
			if shared {
				q.Sharing = &Sharing{Store: newModelStore(time.Millisecond), Nodes: 1, Exact: true}
			}
			l := limits(t, Config{Fields: Always, Policies: []Policy{q, {Name: "total", Rate: Per(1, time.Second).WithBurst(3)}}})
			h := l.Middleware(nothing)
			resp := ask(h, "192.0.2.1", "X-Api-Key", "a")
			wantStatus(t, resp, 200)
			wantField(t, resp, "RateLimit-Policy", `"contract";q=10;w=2592000, "total";q=1;w=1`)
			wantField(t, resp, "RateLimit", `"contract";r=9;t=3600, "total";r=2;t=1`)
			got := statuses(h, 20, "192.0.2.1", "X-Api-Key", "a")
			if got[200] != 2 || got[503] != 18 {
				t.Errorf("%v", got)
			}
			n := 3
			for range 20 {
				time.Sleep(time.Second)
				n += statuses(h, 1, "192.0.2.1", "X-Api-Key", "a")[200]
			}
			if n != 10 {
				t.Errorf("shared %v: %d admitted of 10, with refusals by another policy between", shared, n)
			}
			resp = ask(h, "192.0.2.1", "X-Api-Key", "a")
			wantStatus(t, resp, 429)
			wantField(t, resp, "RateLimit", `"contract";r=0;t=3580`)
			wantRetryAfter(t, resp.Header.Get("Retry-After"), 3580)
			time.Sleep(time.Hour)
			wantStatus(t, ask(h, "192.0.2.1", "X-Api-Key", "a"), 200)
			closeLimits(t, l)
		})
	}
}

// TestLimitsQuotaUpdate: what was used stays used when N changes.
func TestLimitsQuotaUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := func(n int64) Config { return Config{Policies: []Policy{{Name: "day", Quota: Quota{N: n, Each: Day}}}} }
		l := limits(t, cfg(5))
		h := l.Middleware(nothing)
		if got := statuses(h, 10, "192.0.2.1"); got[200] != 5 || got[503] != 5 {
			t.Errorf("%v", got)
		}
		if err := l.Update(cfg(7)); err != nil {
			t.Fatal(err)
		}
		if got := statuses(h, 10, "192.0.2.1"); got[200] != 2 {
			t.Errorf("%v, want 2 more", got)
		}
		if st := l.Stats().Policies[0]; st.Rate != "7 a day" {
			t.Errorf("%+v", st)
		}
	})
}
