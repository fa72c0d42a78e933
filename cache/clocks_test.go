package cache_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/seawall-go/seawall/cache"
)

//house:sleep all are in bubbles, which a helper makes

// onClocks makes two Caches over one depot, with tags and without a bus, and a
// source whose values count the loads.
func onClocks(t *testing.T, d *depot) (a, b *cache.Cache[string, string], src *source) {
	t.Helper()
	src = &source{}
	cfg := cache.Config[string, string]{
		TTL: time.Minute, Jitter: -1, Early: -1, StaleWhileRevalidate: -1, StaleIfError: -1,
		Load: func(ctx context.Context, key string, m *cache.Meta) (string, error) {
			m.Tags = []string{"all"}
			return src.load(ctx, key, m)
		},
	}
	cfg.Shared.L2, cfg.Shared.LocalTTL = leasing{d}, time.Second
	return closing(t, cfg), closing(t, cfg), src
}

// invalidates looks that each kind of invalidation by a reaches b, and that what
// is there otherwise is used.
func invalidates(t *testing.T, a, b *cache.Cache[string, string], src *source) {
	t.Helper()
	wait := func() { time.Sleep(1100 * time.Millisecond) } // LocalTTL
	if err := a.Delete(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	wait()
	n := src.loads.Load()
	want := func(c *cache.Cache[string, string], more int64) {
		t.Helper()
		get(t, c, "a", "a-"+strconv.FormatInt(n+more, 10))
	}
	want(a, 1)
	wait()
	want(b, 1)
	for i, how := range []func() error{
		func() error { return a.Delete(t.Context(), "a") },
		func() error { return a.InvalidateTags(t.Context(), "all") },
		func() error { return a.Clear(t.Context()) },
		func() error { return a.InvalidateTags(t.Context(), "all") },
	} {
		if err := how(); err != nil {
			t.Error(err)
		}
		wait()
		want(b, int64(i)+2)
		for range 3 { // and then it stays
			wait()
			want(a, int64(i)+2)
			want(b, int64(i)+2)
		}
	}
}

// TestStoreClock: it makes no difference what time L2 thinks it is, nor that it
// does not say so with every answer.
func TestStoreClock(t *testing.T) {
	for _, shift := range []time.Duration{0, time.Hour, -time.Hour} {
		bubble(t, shift.String(), func(t *testing.T) {
			d := newDepot()
			d.shift.Store(int64(shift))
			a, b, src := onClocks(t, d)
			invalidates(t, a, b, src)
		})
	}
}

// TestStoreClockSet: when L2's clock is set, what is in L1 stays, what was made
// invalid stays so, and what is loaded after it is kept.
func TestStoreClockSet(t *testing.T) {
	for _, step := range []time.Duration{time.Hour, -time.Hour} {
		for _, how := range []string{"nothing", "tag", "clear"} {
			bubble(t, step.String()+" "+how, func(t *testing.T) {
				d := newDepot()
				a, b, src := onClocks(t, d)
				get(t, a, "a", "a-1")
				time.Sleep(10 * time.Millisecond)
				get(t, b, "a", "a-1")
				want := "a-1"
				switch how {
				case "tag":
					a.InvalidateTags(t.Context(), "all")
					want = "a-2"
				case "clear":
					a.Clear(t.Context())
					want = "a-2"
				}
				time.Sleep(1100 * time.Millisecond)
				get(t, b, "a", want)
				d.shift.Store(int64(step))
				for range 5 {
					time.Sleep(1100 * time.Millisecond)
					a.Get(t.Context(), "other") // somebody learns of it
					b.Get(t.Context(), "a")
					if v, err := b.Get(t.Context(), "a"); err != nil || want == "a-2" && v == "a-1" {
						t.Errorf("%q, %v was invalid before", v, err)
					}
				}
				// One load may have to be made anew; what is loaded after is kept.
				n := src.loads.Load()
				for range 10 {
					time.Sleep(1100 * time.Millisecond)
					a.Get(t.Context(), "a")
					b.Get(t.Context(), "a")
				}
				if more := src.loads.Load() - n; more > 1 {
					t.Errorf("%d loads in ten seconds, of a value that is good for a minute", more)
				}
				invalidates(t, a, b, src)
			})
		}
	}
}

// TestStoreClockDrifts: a clock that runs a little slower or faster invalidates
// nothing again.
func TestStoreClockDrifts(t *testing.T) {
	for _, drift := range []time.Duration{-50 * time.Microsecond, 50 * time.Microsecond} {
		bubble(t, drift.String(), func(t *testing.T) {
			d := newDepot()
			a, b, src := onClocks(t, d)
			a.Clear(t.Context())
			a.InvalidateTags(t.Context(), "all")
			time.Sleep(10 * time.Millisecond)
			a.Get(t.Context(), "a")
			n := src.loads.Load()
			for range 50 { // seconds
				time.Sleep(time.Second)
				d.shift.Add(int64(drift))
				a.Get(t.Context(), "a")
				b.Get(t.Context(), "a")
			}
			if more := src.loads.Load() - n; more > 0 {
				t.Errorf("%d loads", more)
			}
		})
	}
}

// TestWallClocks: two processes whose wall clocks differ by an hour, over an L2 that
// tells its time, or does not.
func TestWallClocks(t *testing.T) {
	for _, wrong := range []time.Duration{time.Hour, -time.Hour} {
		for _, tells := range []bool{true, false} {
			bubble(t, fmt.Sprintf("%v, told %v", wrong, tells), func(t *testing.T) {
				d := newDepot()
				d.mute.Store(!tells)
				a, b, src := onClocks(t, d)
				cache.SetWallClock(a, wrong)
				if !tells { // then all go by the clock ahead, from when they have read something by it
					for range 3 {
						a.Get(t.Context(), "first")
						b.Get(t.Context(), "first")
						time.Sleep(1100 * time.Millisecond)
						a.Delete(t.Context(), "first")
						b.Get(t.Context(), "first")
						a.Get(t.Context(), "first")
						time.Sleep(1100 * time.Millisecond)
					}
				}
				invalidates(t, a, b, src)
				invalidates(t, b, a, src)
			})
		}
	}
}

// TestLoadJustBefore: a value that was loaded just before its tag or all was made
// invalid is not believed afterwards, by anybody, however little is known of how
// L2's clock stands to that of a process: a trip to it takes some milliseconds.
func TestLoadJustBefore(t *testing.T) {
	for _, bus := range []bool{true, false} {
		for _, how := range []string{"tag", "clear"} {
			bubble(t, fmt.Sprintf("%s, bus %v", how, bus), func(t *testing.T) {
				for range 60 {
					d := newDepot()
					d.way.Store(int64(10 * time.Millisecond))
					a, b, now := pair(t, leasing{d}, d, func(c *cache.Config[string, int64]) {
						c.Shared.LocalTTL = time.Second
						if !bus {
							c.Shared.Bus = nil
						}
					})
					a.Get(t.Context(), "other")
					b.Get(t.Context(), "a")
					now.Add(1)
					if how == "tag" {
						a.InvalidateTags(t.Context(), "all")
					} else {
						a.Clear(t.Context())
					}
					time.Sleep(1100 * time.Millisecond)
					sees(t, a, now.Load())
					sees(t, b, now.Load())
				}
			})
		}
	}
}
