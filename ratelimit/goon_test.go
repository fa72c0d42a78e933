package ratelimit

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
)

type stateCounter struct{ n int }

func (*stateCounter) Observe(context.Context, seawall.Event) {}

func (c *stateCounter) ObserveState(context.Context, seawall.StateChange) { c.n++ }

// TestUpdateTellsTheNewObserver: what a store does is told to whoever observes
// now.
func TestUpdateTellsTheNewObserver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, before, after := newModelStore(0), new(stateCounter), new(stateCounter)
		cfg := Config{Observer: before, Policies: []Policy{{Rate: Per(10, time.Second), Sharing: &Sharing{Store: store, Nodes: 1}}}}
		l := limits(t, cfg)
		h := l.Middleware(nothing)
		wantStatus(t, ask(h, "192.0.2.1"), 200)
		cfg.Observer = after
		if err := l.Update(cfg); err != nil {
			t.Fatal(err)
		}
		store.down.Store(true)
		for range 20 {
			time.Sleep(time.Second)
			ask(h, "192.0.2.1")
		}
		if before.n != 0 || after.n != 1 {
			t.Errorf("the old one was told %d times, the new one %d", before.n, after.n)
		}
		if err := l.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// TestSetRateKeepsLeases: what is leased is still there under another rate.
func TestSetRateKeepsLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newModelStore(100 * time.Microsecond)
		s := sharedWith(store, perSecond(1000, 400), 1, func(c *SharedConfig) { c.Reserve = Reserve{0.5, 0.5, 0, 0} })
		for range 200 {
			s.Take(context.Background(), "k", 1, seawall.Normal)
		}
		held := s.Stats().Held
		if err := s.SetRate(perSecond(500, 300)); err != nil {
			t.Fatal(err)
		}
		if d := s.Take(context.Background(), "k", 1, seawall.Normal); d.Source != Lease || s.Stats().Held != held-1 {
			t.Errorf("by %v, %d held of %d", d.Source, s.Stats().Held, held)
		}
		closed(t, s)
	})
}

// TestSharedQuotaGivesBack: a restart costs nothing of the window.
func TestSharedQuotaGivesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newModelStore(100 * time.Microsecond)
		s := sharedWith(store, Rate{}, 1, func(c *SharedConfig) { c.Quota = Quota{N: 1000, Each: Day} })
		for range 20 {
			s.Take(context.Background(), "k", 1, seawall.Normal)
		}
		if s.Stats().Held == 0 {
			t.Fatal("nothing was leased beforehand")
		}
		closed(t, s)
		if err := s.SetRate(perSecond(1, 1)); err == nil {
			t.Error("a quota has taken another rate")
		}
		again := sharedWith(store, Rate{}, 1, func(c *SharedConfig) { c.Quota = Quota{N: 1000, Each: Day}; c.Sharing.Exact = true })
		if d := again.Take(context.Background(), "k", 1, seawall.Normal); d.Remaining() != 979 {
			t.Errorf("%d remain of 1000 after 21", d.Remaining())
		}
		closed(t, again)
	})
}

// TestUpdateKeepsDebts: a rate that is a little other frees nobody.
func TestUpdateKeepsDebts(t *testing.T) {
	for _, factor := range []float64{0.1, 0.5, 0.9, 1.2, 2, 10} {
		synctest.Test(t, func(t *testing.T) {
			r := Per(1000, time.Hour).WithBurst(10)
			k := keyedOf(t, KeyedConfig{Rate: r, Bytes: minBytes})
			for range 10 {
				k.Take("a", 1, seawall.Normal)
			}
			other := r
			other.Limit *= multiply(1, factor)
			if err := k.Update(KeyedConfig{Rate: other, Bytes: minBytes}); err != nil {
				t.Fatal(err)
			}
			n := 0
			for k.Take("a", 1, seawall.Normal).OK {
				n++
			}
			if most := int(10 * max(0, 1-factor)); n > most+1 {
				t.Errorf("times %v: %d at once, after ten of ten, want at most %d", factor, n, most)
			}
		})
	}
}
