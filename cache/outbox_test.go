package cache_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall/cache"
)

// pair is two Caches over a depot and its bus, and a source whose value is what
// now holds.
func pair(t *testing.T, l2 cache.L2, d *depot, change func(*cache.Config[string, int64])) (a, b *cache.Cache[string, int64], now *atomic.Int64) {
	t.Helper()
	now = new(atomic.Int64)
	cfg := cache.Config[string, int64]{
		TTL: time.Hour, Early: -1, StaleWhileRevalidate: -1,
		Load: func(_ context.Context, _ string, m *cache.Meta) (int64, error) {
			m.Tags = []string{"all"}
			return now.Load(), nil
		},
	}
	cfg.Shared.L2, cfg.Shared.Bus = l2, d
	if change != nil {
		change(&cfg)
	}
	a, b = closing(t, cfg), closing(t, cfg)
	synctest.Wait()
	return a, b, now
}

func sees(t *testing.T, c *cache.Cache[string, int64], want int64) {
	t.Helper()
	if v, err := c.Get(t.Context(), "a"); err != nil || v != want {
		t.Errorf("there is %d, %v; want %d", v, err, want)
	}
}

// both kinds of L2, with leases and without.
func bothStores(t *testing.T, f func(t *testing.T, l2 cache.L2, d *depot)) {
	t.Helper()
	bubble(t, "leases", func(t *testing.T) { d := newDepot(); f(t, leasing{d}, d) })
	bubble(t, "no leases", func(t *testing.T) { d := newDepot(); f(t, d, d) })
}

// TestDeleteOutlivesLoad: that a key was deleted is told, also if it is loaded anew
// before that could be done.
func TestDeleteOutlivesLoad(t *testing.T) {
	bothStores(t, func(t *testing.T, l2 cache.L2, d *depot) {
		a, b, now := pair(t, l2, d, nil)
		sees(t, a, 0)
		time.Sleep(10 * time.Millisecond)
		sees(t, b, 0)
		d.breaks(down)
		now.Store(1)
		a.Delete(t.Context(), "a")
		sees(t, a, 1)
		time.Sleep(5 * time.Second)
		d.breaks(sound)
		time.Sleep(5 * time.Second)
		sees(t, b, 1)
		sees(t, a, 1)
	})
}

// TestSetOutlivesLoad: the same for a Set whose value has had to leave L1.
func TestSetOutlivesLoad(t *testing.T) {
	bothStores(t, func(t *testing.T, l2 cache.L2, d *depot) {
		a, b, now := pair(t, l2, d, func(c *cache.Config[string, int64]) { c.MaxEntries = 1 })
		sees(t, a, 0)
		time.Sleep(10 * time.Millisecond)
		sees(t, b, 0)
		d.breaks(down)
		now.Store(1)
		a.Set(t.Context(), "a", 1)
		a.Get(t.Context(), "b") // in its place
		sees(t, a, 1)
		time.Sleep(5 * time.Second)
		d.breaks(sound)
		time.Sleep(5 * time.Second)
		sees(t, b, 1)
		sees(t, a, 1)
	})
}

// TestSetsOfTwo: two processes Set a key while L2 is away. Whoever is told first
// when it is back, the older value does not win.
func TestSetsOfTwo(t *testing.T) {
	for _, bus := range []bool{true, false} {
		bubble(t, "bus "+strconv.FormatBool(bus), func(t *testing.T) {
			d := newDepot()
			for round := range int64(40) {
				a, b, now := pair(t, leasing{d}, d, func(c *cache.Config[string, int64]) {
					c.Shared.LocalTTL = time.Hour
					if !bus {
						c.Shared.Bus = nil
					}
				})
				first, second := a, b
				if round%2 == 1 {
					first, second = b, a
				}
				d.breaks(down)
				now.Store(2*round + 1)
				first.Set(t.Context(), "a", now.Load())
				time.Sleep(500 * time.Millisecond)
				now.Store(2*round + 2)
				second.Set(t.Context(), "a", now.Load())
				time.Sleep(3*time.Second + time.Duration(round)*50*time.Millisecond) // whoever tries it first then
				d.breaks(sound)
				time.Sleep(5 * time.Second)
				if bus {
					sees(t, a, 2*round+2)
					sees(t, b, 2*round+2)
				}
				other, _, _ := pair(t, leasing{d}, d, nil)
				if v, err := other.GetOrLoad(t.Context(), "a", func(context.Context, string, *cache.Meta) (int64, error) { return now.Load(), nil }); v != now.Load() || err != nil {
					t.Errorf("round %d: in L2 is %d, %v; want %d", round, v, err, now.Load())
				}
			}
		})
	}
}

// TestOverflow: more is to be told than MaxPending. Then nothing that is in L2 is
// believed, neither by others nor by the process that has too much to tell.
func TestOverflow(t *testing.T) {
	bothStores(t, func(t *testing.T, l2 cache.L2, d *depot) {
		a, b, now := pair(t, l2, d, func(c *cache.Config[string, int64]) { c.Shared.MaxPending = 4 })
		keys := make([]string, 20)
		for i := range keys {
			keys[i] = strconv.Itoa(i)
			a.Get(t.Context(), keys[i])
		}
		sees(t, a, 0)
		time.Sleep(10 * time.Millisecond)
		b.GetMany(t.Context(), keys)
		sees(t, b, 0)
		d.breaks(down)
		now.Store(1)
		for _, key := range keys {
			a.Delete(t.Context(), key)
		}
		a.Delete(t.Context(), "a")
		time.Sleep(3 * time.Second)
		d.breaks(sound)
		time.Sleep(3 * time.Second)
		for name, c := range map[string]*cache.Cache[string, int64]{"who deleted": a, "the other": b} {
			sees(t, c, 1)
			got, err := c.GetMany(t.Context(), keys)
			for k, v := range got {
				if v != 1 || err != nil {
					t.Errorf("%s: %q has %d, %v", name, k, v, err)
				}
			}
		}
		time.Sleep(time.Second) // what was loaded just now is to be told, too
		if s := a.Stats().L2; s.Overflows == 0 || s.Pending != 0 {
			t.Errorf("%+v", *s)
		}
	})
}

// TestCloseInTrouble: Close comes back when its context ends, whatever L2 does, and
// says if something was not told.
func TestCloseInTrouble(t *testing.T) {
	for fault := range faults {
		bubble(t, strconv.Itoa(int(fault)), func(t *testing.T) {
			d := newDepot()
			var calls sync.WaitGroup
			cfg := cache.Config[int, sight]{Name: "test", Load: newTruthLoad(20 * time.Millisecond)}
			cfg.Shared.L2, cfg.Shared.Bus = leasing{d}, d
			c, err := cache.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			d.breaks(fault)
			for i := range 20 {
				calls.Go(func() {
					for range 10 {
						if _, err := c.Get(t.Context(), i); err != nil && !errors.Is(err, cache.ErrClosed) {
							t.Error(err)
						}
						if err := c.Delete(t.Context(), i); err != nil && !errors.Is(err, cache.ErrClosed) {
							t.Error(err)
						}
						time.Sleep(10 * time.Millisecond)
					}
				})
			}
			time.Sleep(30 * time.Millisecond)
			began := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			err = c.Close(ctx)
			if took := time.Since(began); took > time.Second {
				t.Errorf("took %v", took)
			}
			if fault == sound && err != nil || (fault == down || fault == gone) && err == nil {
				t.Errorf("fault %d: %v", fault, err)
			}
			calls.Wait()
			d.breaks(sound)
		})
	}
}

// newTruthLoad is a Loader that takes its time.
func newTruthLoad(takes time.Duration) cache.Loader[int, sight] {
	return func(_ context.Context, key int, _ *cache.Meta) (sight, error) {
		time.Sleep(takes)
		return sight{key, 0}, nil
	}
}
