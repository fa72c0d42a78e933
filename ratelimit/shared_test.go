package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/seawall-go/seawall"
)

// crowd asks at a pace until end, from goroutines of its own, and counts.
type crowd struct {
	wg                                   sync.WaitGroup
	asked, admitted, lease, store, local atomic.Int64
	slowest                              atomic.Int64
}

func (c *crowd) ask(s *Shared, key string) {
	began := time.Now()
	d := s.Take(context.Background(), key, 1, seawall.Normal)
	took := int64(time.Since(began))
	for {
		old := c.slowest.Load()
		if took <= old || c.slowest.CompareAndSwap(old, took) {
			break
		}
	}
	c.asked.Add(1)
	if d.OK {
		c.admitted.Add(1)
	}
	switch d.Source {
	case Lease:
		c.lease.Add(1)
	case Store:
		c.store.Add(1)
	case Fallback:
		c.local.Add(1)
	case Local:
	}
}

// send asks so often a second, for so long, at random moments.
func (c *crowd) send(rng *rand.Rand, s *Shared, key string, pace float64, lasts time.Duration) {
	for end := time.Now().Add(lasts); ; {
		time.Sleep(time.Duration(rng.ExpFloat64() / pace * float64(time.Second)))
		if !time.Now().Before(end) {
			return
		}
		c.wg.Go(func() { c.ask(s, key) })
	}
}

func closed(t *testing.T, all ...*Shared) {
	t.Helper()
	for _, s := range all {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

func TestSharedHotKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newModelStore(200 * time.Microsecond)
		s := sharedWith(store, perSecond(10_000, 1000), 1, nil)
		var c crowd
		c.send(rand.New(rand.NewPCG(1, 1)), s, "hot", 8000, 2*time.Second)
		c.wg.Wait()
		calls, asked := store.calls.Load(), c.asked.Load()
		if float64(calls) > 0.02*float64(asked) {
			t.Errorf("%d calls for %d decisions", calls, asked)
		}
		if c.admitted.Load() != asked || c.local.Load() > 0 {
			t.Errorf("%d of %d admitted under the limit, %d without the store", c.admitted.Load(), asked, c.local.Load())
		}
		// Four times too many: what is refused costs no call.
		store.calls.Store(0)
		var over crowd
		over.send(rand.New(rand.NewPCG(2, 1)), s, "hot", 40_000, 2*time.Second)
		over.wg.Wait()
		if calls, refused := store.calls.Load(), over.asked.Load()-over.admitted.Load(); float64(calls) > 0.02*float64(over.asked.Load()) {
			t.Errorf("%d calls, %d refused of %d", calls, refused, over.asked.Load())
		}
		if got := float64(over.admitted.Load()) / (2*10_000 + 1000 + 500); got < 0.98 || got > 1 { // 500 may be leased from before
			t.Errorf("%.4f of the limit used", got)
		}
		closed(t, s)
	})
}

// Half of the load on one of eight.
func TestSharedFleet(t *testing.T) {
	for _, demand := range []float64{4000, 20_000} {
		for _, exact := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				store := newModelStore(300 * time.Microsecond)
				const lasts = 4 * time.Second
				const nodes = 8
				var c crowd
				var all []*Shared
				for i := range nodes {
					s := sharedWith(store, perSecond(5000, 500), nodes, func(c *SharedConfig) { c.Sharing.Exact = exact })
					all = append(all, s)
					pace := demand / 2
					if i > 0 {
						pace = demand / 2 / (nodes - 1)
					}
					c.wg.Go(func() { c.send(rand.New(rand.NewPCG(uint64(i), 2)), s, "shared", pace, lasts) })
				}
				time.Sleep(lasts + time.Second)
				c.wg.Wait()
				most := min(5000*lasts.Seconds()+500, float64(c.asked.Load()))
				got, trips := float64(c.admitted.Load())/most, float64(store.calls.Load())/float64(c.asked.Load())
				t.Logf("%.0f/s exact %v: %.2f %% of a perfect limiter's, %.3f calls a decision, %d without the store", demand, exact, 100*got, trips, c.local.Load())
				if got < 0.98 || got > 1 {
					t.Errorf("%.0f/s exact %v: %.4f of what a perfect limiter admits", demand, exact, got)
				}
				if c.local.Load() > 0 {
					t.Errorf("%d decisions without the store", c.local.Load())
				}
				closed(t, all...)
			})
		}
	}
}

// However they share it, together they never get more than there is, and the
// store is never told otherwise.
func TestSharedNeverOver(t *testing.T) {
	for seed := range uint64(12) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 7))
			store := newModelStore(time.Duration(rng.IntN(4000)) * time.Microsecond)
			nodes := 1 + rng.IntN(5)
			r := perSecond(float64(1+rng.IntN(3000)), 1+rng.Int64N(600))
			var c crowd
			var all []*Shared
			began := time.Now()
			for range nodes {
				s := sharedWith(store, r, nodes, func(c *SharedConfig) {
					c.Sharing.Exact = rng.IntN(3) == 0
					c.Sharing.Budget = time.Second
					c.Leases = 8
				})
				all = append(all, s)
			}
			lasts := time.Second
			for i, s := range all {
				pace := float64(10 + rng.IntN(4000))
				c.wg.Go(func() { c.send(rand.New(rand.NewPCG(seed, uint64(i))), s, "one", pace, lasts) })
				c.wg.Go(func() { // others displace it now and then
					rng := rand.New(rand.NewPCG(seed, uint64(i)))
					for range 50 {
						time.Sleep(20 * time.Millisecond)
						s.Take(context.Background(), fmt.Sprint(rng.IntN(40)), 1, seawall.Normal)
					}
				})
			}
			time.Sleep(lasts + time.Second)
			c.wg.Wait()
			took := time.Since(began).Seconds()
			if most := float64(r.Limit)*took + float64(r.Burst) + 1; float64(c.admitted.Load()) > most {
				t.Errorf("seed %d: %d admitted of at most %.0f, at %v by %d", seed, c.admitted.Load(), most, r, nodes)
			}
			closed(t, all...)
		})
	}
}

func TestSharedStoreLost(t *testing.T) {
	type fault struct {
		name       string
		begin, end func(*modelStore)
	}
	for _, f := range []fault{
		{"down", func(m *modelStore) { m.down.Store(true) }, func(m *modelStore) { m.down.Store(false) }},
		{"frozen", func(m *modelStore) { m.frozen.Store(true) }, func(m *modelStore) { m.frozen.Store(false) }},
		{"slow", func(m *modelStore) { m.latency.Store(int64(40 * time.Millisecond)) }, func(m *modelStore) { m.latency.Store(int64(300 * time.Microsecond)) }},
		{"panics", func(m *modelStore) { m.panics.Store(true) }, func(m *modelStore) { m.panics.Store(false) }},
	} {
		synctest.Test(t, func(t *testing.T) {
			store := newModelStore(300 * time.Microsecond)
			const nodes = 4
			var changes atomic.Int64
			var all []*Shared
			for range nodes {
				all = append(all, sharedWith(store, perSecond(2000, 200), nodes, func(c *SharedConfig) {
					c.OnChange = func(bool, error) { changes.Add(1) }
				}))
			}
			phase := func(lasts time.Duration, seed uint64) *crowd {
				c := new(crowd)
				for i, s := range all {
					c.wg.Go(func() { c.send(rand.New(rand.NewPCG(seed, uint64(i))), s, "hot", 1500, lasts) })
				}
				time.Sleep(lasts)
				c.wg.Wait()
				return c
			}
			phase(time.Second, 1)
			f.begin(store)
			lost := phase(3*time.Second, 2)
			if most := 1.1 * 2000 * 3; float64(lost.admitted.Load()) > most || float64(lost.admitted.Load()) < 0.8*2000*3 {
				t.Errorf("%s: %d admitted of %d in 3 s without the store", f.name, lost.admitted.Load(), 2000*3)
			}
			if slowest := time.Duration(lost.slowest.Load()); slowest > 5*time.Millisecond {
				t.Errorf("%s: a request waited %v", f.name, slowest)
			}
			if got := float64(lost.local.Load()) / float64(lost.asked.Load()); got < 0.9 {
				t.Errorf("%s: only %.2f decided without the store", f.name, got)
			}
			f.end(store)
			phase(time.Second, 4)
			back := phase(2*time.Second, 3)
			if back.local.Load() > 0 {
				t.Errorf("%s: a second later %d of %d are decided without the store", f.name, back.local.Load(), back.asked.Load())
			}
			if got := back.admitted.Load(); float64(got) > 2000*2+200+1 {
				t.Errorf("%s: %d admitted in 2 s when it was back", f.name, got)
			}
			if n := changes.Load(); n != 2*nodes {
				t.Errorf("%s: told %d times of a change, want lost and back by each of %d", f.name, n, nodes)
			}
			closed(t, all...)
			if n := store.inside.Load(); n != 0 {
				t.Errorf("%s: %d calls still under way", f.name, n)
			}
		})
	}
}

// A store that was never there costs one budget, and then nothing.
func TestSharedNeverThere(t *testing.T) {
	for _, loss := range []OnLoss{Alone, Open, Closed} {
		synctest.Test(t, func(t *testing.T) {
			store := newModelStore(0)
			store.frozen.Store(true)
			s := sharedWith(store, perSecond(10, 4), 2, func(c *SharedConfig) { c.Sharing.OnLoss = loss })
			began := time.Now()
			admitted := 0
			for i := range 100 {
				d := s.Take(context.Background(), "k", 1, seawall.Normal)
				if d.OK {
					admitted++
				}
				if d.Source != Fallback {
					t.Errorf("%v: decided by %v", loss, d.Source)
				}
				if !d.OK && d.RetryAfter() <= 0 {
					t.Errorf("%v: refused, come back in %v", loss, d.RetryAfter())
				}
				if took := time.Since(began); took != 5*time.Millisecond {
					t.Fatalf("%v: after %d requests %v have passed", loss, i+1, took)
				}
			}
			if want := map[OnLoss]int{Alone: 2, Open: 100, Closed: 0}[loss]; admitted != want {
				t.Errorf("%v: %d admitted, want %d", loss, admitted, want)
			}
			store.frozen.Store(false)
			closed(t, s)
		})
	}
}

func TestSharedClientLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newModelStore(4 * time.Millisecond)
		s := sharedWith(store, perSecond(10, 4), 2, nil)
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		began := time.Now()
		s.Take(ctx, "k", 1, seawall.Normal)
		if took := time.Since(began); took != time.Millisecond {
			t.Errorf("waited %v for a client that had left", took)
		}
		closed(t, s)
	})
}

// What a priority must not use is not leased by it either.
func TestSharedReserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newModelStore(100 * time.Microsecond)
		s := sharedWith(store, perSecond(1, 100), 1, func(c *SharedConfig) { c.Reserve = Reserve{0.5, 0.5, 0.5, 0} })
		take := func(p seawall.Priority) (n int) {
			for range 200 {
				if s.Take(context.Background(), "k", 1, p).OK {
					n++
				}
			}
			return n
		}
		if n := take(seawall.Normal); n != 50 {
			t.Errorf("%d Normal admitted, want 50", n)
		}
		if n := take(seawall.Critical); n != 50 {
			t.Errorf("then %d Critical, want 50", n)
		}
		closed(t, s)
	})
}

// Tokens that are not used go back, with the next call and at the end.
func TestSharedGivesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newModelStore(100 * time.Microsecond)
		s := sharedWith(store, Rate{Limit: rate.Every(time.Hour), Burst: 100}, 1, nil)
		for range 20 {
			s.Take(context.Background(), "k", 1, seawall.Normal)
		}
		held := s.Stats().Held
		if held == 0 {
			t.Fatal("nothing was leased beforehand")
		}
		time.Sleep(leaseVoid + time.Millisecond)
		if n := s.Stats().Held; n != 0 {
			t.Errorf("%d tokens held after they were void", n)
		}
		s.Take(context.Background(), "k", 1, seawall.Normal)
		if n := s.Stats().Returned; int64(n) != held {
			t.Errorf("%d given back of %d that were void", n, held)
		}
		closed(t, s)
		b := store.take(RemoteTake{Key: store.asked[0].Key, Rate: store.asked[0].Rate, UpTo: 100})
		if b.Left != 79 {
			t.Errorf("%d left after the end, want 100 - 21", b.Left)
		}
		if d := s.Take(context.Background(), "k", 1, seawall.Normal); d.Source != Fallback || !d.OK {
			t.Errorf("after Close: %v by %v", d.OK, d.Source)
		}
	})
}

// Many at once on a cold key: one call, or a few, and not one for each.
func TestSharedSingleFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newModelStore(time.Millisecond)
		s := sharedWith(store, perSecond(1000, 1000), 1, func(c *SharedConfig) { c.Sharing.Exact = true })
		var c crowd
		for range 500 {
			c.wg.Go(func() { c.ask(s, "k") })
		}
		c.wg.Wait()
		if n := store.calls.Load(); n > 4 || c.admitted.Load() != 500 || c.local.Load() != 0 {
			t.Errorf("%d calls for 500 at once, %d admitted, %d without the store", n, c.admitted.Load(), c.local.Load())
		}
		closed(t, s)
	})
}

// In exact mode the last token is given to somebody, and no other.
func TestSharedExactToTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newModelStore(time.Millisecond)
		var all []*Shared
		for range 3 {
			all = append(all, sharedWith(store, Rate{Limit: rate.Every(24 * time.Hour), Burst: 100}, 3, func(c *SharedConfig) { c.Sharing.Exact = true }))
		}
		var c crowd
		for i := range 300 {
			c.wg.Go(func() {
				time.Sleep(time.Duration(i/30) * 700 * time.Microsecond)
				c.ask(all[i%3], "k")
			})
		}
		c.wg.Wait()
		if n := c.admitted.Load(); n != 100 {
			t.Errorf("%d admitted of 100", n)
		}
		closed(t, all...)
	})
}

func TestSharedCosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newModelStore(time.Millisecond)
		s := sharedWith(store, perSecond(1, 100), 1, nil)
		ctx := context.Background()
		if d := s.Take(ctx, "k", 101, seawall.Normal); d.OK || d.RetryAfter() != Never || store.calls.Load() != 0 {
			t.Errorf("more than the burst: %v, retry %v, %d calls", d.OK, d.RetryAfter(), store.calls.Load())
		}
		if d := s.Take(ctx, "k", 80, seawall.Normal); !d.OK {
			t.Error("80 of 100 refused")
		}
		if d := s.Take(ctx, "k", 30, seawall.Normal); d.OK || d.RetryAfter() < 9*time.Second || d.RetryAfter() > 11*time.Second {
			t.Errorf("30 of 20: %v, retry %v", d.OK, d.RetryAfter())
		}
		if d := s.Take(ctx, "k", 10, seawall.Normal); !d.OK {
			t.Error("10 of 20 refused, because 30 were")
		}
		if d := s.Take(ctx, "k", 0, seawall.Normal); !d.OK || d.Remaining() > 11 {
			t.Errorf("a look: %v, %d remain", d.OK, d.Remaining())
		}
		closed(t, s)
	})
}

func TestSharedKeysAreHashed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newModelStore(0)
		secret := []byte("0123456789abcdef")
		names := make(map[string]bool)
		for _, c := range [][]byte{nil, secret} {
			s := sharedWith(store, perSecond(1, 100), 1, func(cfg *SharedConfig) { cfg.Name, cfg.Sharing.Secret = "login", c })
			s.Take(context.Background(), "alice@example.com", 1, seawall.Normal)
			closed(t, s)
			key := store.asked[0].Key
			store.asked = nil
			names[key] = true
			if !strings.HasPrefix(key, "seawall:login:{") || strings.Contains(key, "alice") || len(key) > 128 {
				t.Errorf("the bucket is called %q", key)
			}
		}
		if len(names) != 2 {
			t.Error("with a secret the name is the same")
		}
	})
}

func TestSharedConfigErrors(t *testing.T) {
	store := newModelStore(0)
	for want, c := range map[string]SharedConfig{
		"Sharing.Store must be set":                                    {Rate: Per(1, time.Second), Sharing: Sharing{Nodes: 1}},
		"Sharing.Nodes must be between 1 and 10000 (got 0)":            {Rate: Per(1, time.Second), Sharing: Sharing{Store: store}},
		"Sharing.Budget must be between 100µs and 10s (got -1ns)":      {Rate: Per(1, time.Second), Sharing: Sharing{Store: store, Nodes: 1, Budget: -1}},
		"Sharing.OnLoss must be Alone, Open or Closed (got 3)":         {Rate: Per(1, time.Second), Sharing: Sharing{Store: store, Nodes: 1, OnLoss: 3}},
		"Sharing.Secret must be at least 16 bytes (got 3)":             {Rate: Per(1, time.Second), Sharing: Sharing{Store: store, Nodes: 1, Secret: []byte("abc")}},
		`Sharing.Prefix must be printable ASCII without spaces and br`: {Rate: Per(1, time.Second), Sharing: Sharing{Store: store, Nodes: 1, Prefix: "a b"}},
		"Leases must be between 8 and 16777216 (got 1)":                {Rate: Per(1, time.Second), Leases: 1, Sharing: Sharing{Store: store, Nodes: 1}},
		"Rate.Limit must be positive (got 0)":                          {Sharing: Sharing{Store: store, Nodes: 1}},
		"Name may hold letters":                                        {Name: "{", Rate: Per(1, time.Second), Sharing: Sharing{Store: store, Nodes: 1}},
	} {
		_, err := NewShared(c)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

// An answer that cannot be is a failure of the store.
func TestSharedDistrustsTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, a := range []RemoteTaken{{Got: -1}, {Got: 1 << 40}, {Got: 1, State: strings.Repeat("x", 65)}} {
			var cause error
			s := sharedWith(fixedStore{a}, perSecond(10, 4), 2, func(c *SharedConfig) { c.OnChange = func(_ bool, err error) { cause = err } })
			for range 3 {
				if d := s.Take(context.Background(), "k", 1, seawall.Normal); d.Source != Fallback {
					t.Errorf("%+v: decided by %v", a, d.Source)
				}
			}
			time.Sleep(50 * time.Millisecond)
			s.Take(context.Background(), "k", 1, seawall.Normal) // and again
			closed(t, s)
			if cause == nil || errors.Is(cause, errDown) {
				t.Errorf("%+v: told %v", a, cause)
			}
		}
	})
}

type fixedStore struct{ a RemoteTaken }

func (f fixedStore) TakeUpTo(context.Context, RemoteTake) (RemoteTaken, error) { return f.a, nil }
