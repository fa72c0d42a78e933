package cache_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall/cache"
)

// TestMissingOfBefore: who asks after Clear or InvalidateTags does not get the
// ErrNotFound of a load that began before.
func TestMissingOfBefore(t *testing.T) {
	for _, how := range []string{"clear", "tag", "clear and delete"} {
		bubble(t, how, func(t *testing.T) {
			var exists atomic.Bool
			c := closing(t, cache.Config[string, string]{Load: func(_ context.Context, key string, m *cache.Meta) (string, error) {
				m.Tags = []string{"all"}
				found := exists.Load()
				time.Sleep(20 * time.Millisecond)
				if !found {
					return "", cache.ErrNotFound
				}
				return key, nil
			}})
			var all sync.WaitGroup
			all.Go(func() {
				if _, err := c.Get(t.Context(), "a"); !errors.Is(err, cache.ErrNotFound) {
					t.Error("who asked before:", err)
				}
			})
			time.Sleep(time.Millisecond)
			exists.Store(true)
			if how == "tag" {
				c.InvalidateTags(t.Context(), "all")
			} else {
				c.Clear(t.Context())
			}
			all.Go(func() { get(t, c, "a", "a") })
			time.Sleep(time.Millisecond)
			if how == "clear and delete" {
				c.Delete(t.Context(), "a")
			}
			all.Wait()
			get(t, c, "a", "a")
		})
	}
}

// TestStaleLimitWhileWaiting: a stale answer is given until its limit, also to who
// has waited for a load meanwhile.
func TestStaleLimitWhileWaiting(t *testing.T) {
	const limit = 2 * time.Second
	for _, how := range []string{"slow", "soft", "fails late", "deadline"} {
		bubble(t, how, func(t *testing.T) {
			src := &source{}
			cfg := cache.Config[string, string]{Load: src.load, TTL: time.Second, StaleIfError: time.Second, StaleWhileRevalidate: -1, Jitter: -1, Early: -1}
			if how != "soft" {
				cfg.SoftTimeout = -1
			}
			c := closing(t, cfg)
			began := time.Now()
			get(t, c, "a", "a-1")
			time.Sleep(limit - 100*time.Millisecond)
			src.takes = 3 * time.Second
			ctx := t.Context()
			switch how {
			case "fails late":
				src.breaks(errBroken)
			case "deadline":
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 300*time.Millisecond)
				defer cancel()
			}
			v, err := c.Get(ctx, "a")
			if age := time.Since(began); v == "a-1" && age > limit+tick {
				t.Errorf("an answer of an age of %v, error %v; StaleIfError ended at %v", age, err, limit)
			}
		})
	}
}

// TestStaleOfStore: a stale value of L2, kept for when the load fails, is not given
// to who asks after it was made invalid, nor past its limit.
func TestStaleOfStore(t *testing.T) {
	for _, how := range []string{"tag", "clear", "limit"} {
		bubble(t, how, func(t *testing.T) {
			d, src := newDepot(), &source{}
			cfg := cache.Config[string, string]{
				TTL: time.Second, StaleIfError: time.Second, StaleWhileRevalidate: -1, Jitter: -1, Early: -1, SoftTimeout: -1,
				Load: func(ctx context.Context, key string, m *cache.Meta) (string, error) {
					m.Tags = []string{"all"}
					return src.load(ctx, key, m)
				},
			}
			cfg.Shared.L2 = leasing{d}
			began := time.Now()
			get(t, closing(t, cfg), "a", "a-1")
			time.Sleep(1500 * time.Millisecond)
			b := closing(t, cfg) // it has it in L2 alone
			src.takes = time.Second
			src.breaks(errBroken)
			var all sync.WaitGroup
			all.Go(func() {
				v, err := b.Get(t.Context(), "a")
				if how == "limit" && (v == "a-1" || err == nil) {
					t.Errorf("after %v: %q, %v", time.Since(began), v, err)
				}
			})
			time.Sleep(200 * time.Millisecond)
			switch how {
			case "tag":
				b.InvalidateTags(t.Context(), "all")
			case "clear":
				b.Clear(t.Context())
			}
			if how != "limit" {
				if v, err := b.Get(t.Context(), "a"); err == nil {
					t.Errorf("%q was invalid before this was asked", v)
				}
			}
			all.Wait()
		})
	}
}

// TestSlidingStaysAtHome: what one process keeps alive the others would not know of.
func TestSlidingStaysAtHome(t *testing.T) {
	cfg := cache.Config[string, string]{Name: "test", Sliding: true}
	cfg.Shared.L2 = newDepot()
	if _, err := cache.New(cfg); err == nil || !strings.Contains(err.Error(), "Sliding must be false with Shared.L2 (got true)") {
		t.Error(err)
	}
}

// TestNaN: what cannot be found again is not kept, nor is that it does not exist.
func TestNaN(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		exists := true
		c := closing(t, cache.Config[float64, int]{Load: func(context.Context, float64, *cache.Meta) (int, error) {
			if !exists {
				return 0, cache.ErrNotFound
			}
			return 1, nil
		}})
		nan := math.NaN()
		for range 10 {
			if v, err := c.Get(t.Context(), nan); v != 1 || err != nil {
				t.Fatal(v, err)
			}
		}
		got, err := c.GetMany(t.Context(), []float64{nan, 1, nan})
		if err != nil || got[1] != 1 || len(got) != 3 {
			t.Error(got, err)
		}
		if err := c.Set(t.Context(), nan, 2); err != nil {
			t.Error(err)
		}
		if v, _ := c.Get(t.Context(), nan); v != 1 {
			t.Error(v)
		}
		exists = false
		for range 10 {
			if _, err := c.Get(t.Context(), nan); !errors.Is(err, cache.ErrNotFound) {
				t.Fatal(err)
			}
		}
		if err := c.Delete(t.Context(), nan); err != nil {
			t.Error(err)
		}
		if s := c.Stats(); s.Entries != 1 || s.Negatives != 0 {
			t.Errorf("%d entries and %d negatives, want 1 and 0", s.Entries, s.Negatives)
		}
	})
}
