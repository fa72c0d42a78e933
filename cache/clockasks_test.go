package cache_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seawall-go/seawall/cache"
)

// asking is a depot that counts who asks for its time.
type asking struct {
	*depot
	asked atomic.Int64
}

func (c *asking) Get(ctx context.Context, keys []string, values [][]byte) (time.Time, error) {
	if cache.AsksTime(ctx) {
		c.asked.Add(1)
	}
	return c.depot.Get(ctx, keys, values)
}

// TestAsksForTimeOnceASecond: also where every trip is slower than the best, from
// which nothing can be learned.
func TestAsksForTimeOnceASecond(t *testing.T) {
	for _, mute := range []bool{false, true} {
		bubble(t, "mute "+strconv.FormatBool(mute), func(t *testing.T) {
			l2 := &asking{depot: newDepot()}
			l2.mute.Store(mute)
			l2.way.Store(0)
			cfg := cache.Config[int, int]{Load: func(_ context.Context, key int, _ *cache.Meta) (int, error) { return key, nil }}
			cfg.Shared.L2 = l2
			c := closing(t, cfg)
			c.Get(t.Context(), -1)
			l2.way.Store(int64(10 * time.Millisecond))
			l2.asked.Store(0)
			for i := range 1000 {
				c.Get(t.Context(), i)
				time.Sleep(10 * time.Millisecond) //house:sleep bubble makes one
			}
			asked := l2.asked.Load()
			if most := int64(26); asked > most || mute && asked > 0 || !mute && asked < 5 {
				t.Errorf("asked %d times in 10 to 25 seconds, want at most once a second, and never who does not tell", asked)
			}
		})
	}
}

// TestNameIsRequired: caches of one store are told apart by it.
func TestNameIsRequired(t *testing.T) {
	var cfg cache.Config[string, string]
	cfg.Shared.L2 = newDepot()
	if _, err := cache.New(cfg); err == nil || !strings.Contains(err.Error(), "Name or Shared.Prefix must be set with Shared.L2") {
		t.Error(err)
	}
	cfg.Shared.Prefix = "products"
	closing(t, cfg)
}

// silent is a bus that takes nothing while it is broken.
type silent struct {
	*depot
	broken atomic.Bool
}

func (s *silent) Publish(ctx context.Context, message []byte) error {
	if s.broken.Load() {
		return errors.New("broken")
	}
	return s.depot.Publish(ctx, message)
}

// TestToldOfAGap: more was to be told than MaxPending while the bus alone was
// broken. L2 knows all of it; the others are told that they have missed something,
// and do not believe their L1.
func TestToldOfAGap(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		d := newDepot()
		bus := &silent{depot: d}
		a, b, now := pair(t, leasing{d}, d, func(c *cache.Config[string, int64]) {
			c.Shared.Bus, c.Shared.MaxPending = bus, 4
		})
		sees(t, a, 0)
		time.Sleep(10 * time.Millisecond) //house:sleep bubble makes one
		sees(t, b, 0)
		bus.broken.Store(true)
		now.Store(1)
		a.Delete(t.Context(), "a")
		for i := range 20 {
			a.Delete(t.Context(), strconv.Itoa(i))
		}
		sees(t, b, 0) // it has not heard
		bus.broken.Store(false)
		time.Sleep(3 * time.Second) //house:sleep bubble makes one
		if s := a.Stats().L2; s.Overflows != 0 || s.Pending != 0 {
			t.Errorf("%+v", *s)
		}
		sees(t, b, 1)
	})
}
