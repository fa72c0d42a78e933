package cache_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache"
)

// mute is a store whose bus does not take messages.
type mute struct{ *store }

func (mute) Publish(context.Context, []byte) error { return errors.New("NOPERM") }

func muted(t *testing.T, s *store, cfg cache.Config[string, string]) *cache.Cache[string, string] {
	t.Helper()
	cfg.Name, cfg.Shared.L2, cfg.Shared.Bus = "test", s, mute{s}
	c, err := cache.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return c
}

// TestMuteBusHoldsUpL2: while the bus takes no messages, L2 is told of everything.
func TestMuteBusHoldsUpL2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, s := &source{}, &store{rtt: 100 * time.Microsecond}
		c := muted(t, s, cache.Config[string, string]{Load: src.load, Early: -1})
		defer func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			c.Close(ctx)
		}()
		var keys []string
		for i := range 400 {
			keys = append(keys, strconv.Itoa(i))
		}
		c.GetMany(t.Context(), keys)
		time.Sleep(time.Second)
		c.Delete(t.Context(), keys...)
		time.Sleep(10 * time.Second)
		s.mu.Lock()
		defer s.mu.Unlock()
		left := 0
		for k := range s.values {
			if strings.Contains(k, ":v:") {
				left++
			}
		}
		if left > 0 {
			t.Errorf("%d of 400 are in L2 still, 10 s after their Delete", left)
		}
	})
}

// TestWritesWait: then no write waits, nor while an operator has switched L2 off.
func TestWritesWait(t *testing.T) {
	for _, how := range []string{"bus", "off"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src, s := &source{}, &store{rtt: 100 * time.Microsecond}
				var c *cache.Cache[string, string]
				if how == "bus" {
					c = muted(t, s, cache.Config[string, string]{Load: src.load, Early: -1})
				} else {
					c = fleet(t, 1, s, true, cache.Config[string, string]{Load: src.load, Early: -1})[0]
					off(t, c, "off")
				}
				defer func() {
					if how == "off" {
						off(t, c, "")
						time.Sleep(5 * time.Second)
						return
					}
					ctx, cancel := context.WithTimeout(context.Background(), time.Second)
					defer cancel()
					c.Close(ctx)
				}()
				c.Set(t.Context(), "x", "0")
				time.Sleep(10 * time.Second)
				began := time.Now()
				for i := range 100 {
					c.Set(t.Context(), "x", strconv.Itoa(i))
				}
				if took := time.Since(began); took > time.Second {
					t.Errorf("%s: 100 writes took %v", how, took)
				} else {
					t.Log(how, took)
				}
			})
		})
	}
}

// TestCloseWaitsForMuteBus: and Close comes back.
func TestCloseWaitsForMuteBus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, s := &source{}, &store{rtt: 100 * time.Microsecond}
		c := muted(t, s, cache.Config[string, string]{Load: src.load, Early: -1})
		c.Set(t.Context(), "x", "0")
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		began := time.Now()
		err := c.Close(ctx)
		if took := time.Since(began); took > time.Minute {
			t.Errorf("Close took %v: %v", took, err)
		}
	})
}

// TestMuteBusClearsL2: and after MaxPending changes L2 is not cleared.
func TestMuteBusClearsL2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, s := &source{}, &store{rtt: 100 * time.Microsecond}
		c := muted(t, s, cache.Config[string, string]{Load: src.load, Early: -1, Shared: cache.Shared[string, string]{MaxPending: 100}})
		defer func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			c.Close(ctx)
		}()
		for i := range 200 {
			c.Delete(t.Context(), strconv.Itoa(i))
			time.Sleep(100 * time.Millisecond)
		}
		if n := c.Stats().L2.Overflows; n > 1 {
			t.Errorf("L2 was made invalid %d times, though it answers", n)
		}
	})
}

// sparing is a store that tells its time once a second, as redisstore does. Its
// clock is an hour ahead.
type sparing struct {
	*store
	mu   sync.Mutex
	told time.Time
}

func (s *sparing) Get(ctx context.Context, keys []string, values [][]byte) (time.Time, error) {
	if _, err := s.store.Get(ctx, keys, values); err != nil {
		return time.Time{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !cache.AsksTime(ctx) && time.Since(s.told) < time.Second {
		return time.Time{}, nil
	}
	s.told = time.Now()
	return time.Now().Add(time.Hour), nil
}

// TestOneClockForTwo: of two caches with one Store each learns L2's clock.
func TestOneClockForTwo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, s := &source{}, &sparing{store: &store{rtt: 100 * time.Microsecond}}
		one := func(name string, s cache.L2) *cache.Cache[string, string] {
			return closing(t, cache.Config[string, string]{Name: name, Load: src.load, Early: -1, Shared: cache.Shared[string, string]{L2: s}})
		}
		posts, users := one("posts", s), one("users", s)
		posts.Get(t.Context(), "x")
		get(t, users, "x", "x-2")
		time.Sleep(2 * time.Second)
		other := one("users", &sparing{store: s.store}) // in another process
		get(t, other, "x", "x-2")
	})
}

// TestDeleteOfMany: a Delete of more keys than MaxPending makes nothing else invalid.
func TestDeleteOfMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, s := &source{}, &store{rtt: 100 * time.Microsecond}
		c := fleet(t, 1, s, true, cache.Config[string, string]{Load: src.load, Early: -1})[0]
		var keys []string
		for i := range 20_000 {
			keys = append(keys, strconv.Itoa(i))
		}
		c.Delete(t.Context(), keys...)
		if n := c.Stats().L2.Overflows; n > 0 {
			t.Errorf("%d overflows", n)
		}
	})
}

// TestForgottenTagsAndL2: once there were more tags than MaxTags, L2 is believed about
// those that it was asked about.
func TestForgottenTagsAndL2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, s := &source{}, &store{rtt: 100 * time.Microsecond}
		cfg := cache.Config[string, string]{Early: -1, MaxTags: 100, MaxEntries: 1000, Load: func(ctx context.Context, key string, m *cache.Meta) (string, error) {
			m.Tags = []string{"row:" + key}
			return src.load(ctx, key, m)
		}}
		nodes := fleet(t, 2, s, true, cfg)
		for i := range 300 {
			nodes[0].Get(t.Context(), strconv.Itoa(i))
		}
		time.Sleep(time.Second)
		before := src.loads.Load()
		for i := range 300 {
			nodes[1].Get(t.Context(), strconv.Itoa(i))
		}
		if n := src.loads.Load() - before; n > 0 {
			t.Errorf("%d of 300 loaded again, though they are in L2 and fresh", n)
		}
	})
}

// early is a store as a process sees it to which answers take long: its time is that
// of when the question came.
type far struct {
	*store
	back time.Duration
}

func (s far) Get(ctx context.Context, keys []string, values [][]byte) (time.Time, error) {
	now, err := s.store.Get(ctx, keys, values)
	time.Sleep(s.back)
	return now, err
}

// TestReadersClock: what this process does not know of L2's clock is allowed for when
// an invalidation is read.
func TestReadersClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, s := &source{}, &store{}
		load := func(ctx context.Context, key string, m *cache.Meta) (string, error) {
			m.Tags = []string{"t"}
			return src.load(ctx, key, m)
		}
		one := func(s cache.L2) *cache.Cache[string, string] {
			return closing(t, cache.Config[string, string]{Load: load, Early: -1, Shared: cache.Shared[string, string]{L2: s}})
		}
		near, away := one(s), one(far{s, 40 * time.Millisecond})
		away.Get(t.Context(), "other")
		near.Get(t.Context(), "other")
		time.Sleep(time.Second)
		get(t, near, "x", "x-2") // at 0
		time.Sleep(10 * time.Millisecond)
		away.InvalidateTags(t.Context(), "t") // at 10 ms
		get(t, away, "x", "x-3")
	})
}

// TestL2ClockGoesBack: when L2's clock is set back, what was invalidated stays so.
func TestL2ClockGoesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, s := &source{}, &stepped{store: &store{rtt: 100 * time.Microsecond}}
		load := func(ctx context.Context, key string, m *cache.Meta) (string, error) {
			m.Tags = []string{"t"}
			return src.load(ctx, key, m)
		}
		one := func() *cache.Cache[string, string] {
			return closing(t, cache.Config[string, string]{Load: load, Early: -1, TTL: 10 * time.Minute, Shared: cache.Shared[string, string]{L2: s}})
		}
		a, b := one(), one()
		get(t, a, "x", "x-1")
		b.Get(t.Context(), "other")
		time.Sleep(time.Minute)
		b.InvalidateTags(t.Context(), "t")
		time.Sleep(time.Minute)
		s.step.Store(int64(-time.Hour))
		b.Get(t.Context(), "third")
		time.Sleep(time.Second)
		get(t, b, "x", "x-4")
	})
}

type stepped struct {
	*store
	step atomic.Int64
}

func (s *stepped) Get(ctx context.Context, keys []string, values [][]byte) (time.Time, error) {
	now, err := s.store.Get(ctx, keys, values)
	return now.Add(time.Duration(s.step.Load())), err
}

// TestProgressGoexit: Warm comes back when Progress ends its goroutine.
func TestProgressGoexit(t *testing.T) {
	src := &source{}
	c := closing(t, cache.Config[string, string]{Load: src.load})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	began := time.Now()
	var wg sync.WaitGroup
	wg.Go(func() {
		c.Warm(ctx, slices.Values([]string{"a", "b", "c"}), cache.WarmConfig{Workers: 1, Batch: 1, Progress: func(cache.WarmProgress) { runtime.Goexit() }})
	})
	wg.Wait()
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %v", took)
	}
}

// TestProgressPanics: and says so when it panics.
func TestProgressPanics(t *testing.T) {
	if !apart(t) {
		return
	}
	src := &source{}
	c := closing(t, cache.Config[string, string]{Load: src.load})
	defer func() { recover() }()
	c.Warm(t.Context(), slices.Values([]string{"a"}), cache.WarmConfig{Progress: func(cache.WarmProgress) { panic("bar") }})
}

// TestNegativeAfterClose: Get returns ErrClosed after Close, whatever it knew.
func TestNegativeAfterClose(t *testing.T) {
	src := &source{}
	src.breaks(cache.ErrNotFound)
	c, err := cache.New(cache.Config[string, string]{Name: "test", Load: src.load})
	if err != nil {
		t.Fatal(err)
	}
	c.Get(t.Context(), "a")
	c.Close(t.Context())
	if _, err := c.Get(t.Context(), "a"); !errors.Is(err, cache.ErrClosed) {
		t.Error(err)
	}
}

// TestOutboxKeepsNoValues: while L2 is away, the outbox keeps no values of Sets.
func TestOutboxKeepsNoValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, s := &source{}, &store{}
		s.down.Store(true)
		c, err := cache.New(cache.Config[string, string]{Name: "test", Load: src.load, MaxEntries: 10, Shared: cache.Shared[string, string]{L2: s, CompressAbove: -1}})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			c.Close(ctx)
		}()
		heap := func() uint64 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return m.HeapAlloc
		}
		// L2 was known before it went away
		s.down.Store(false)
		time.Sleep(3 * time.Second)
		s.down.Store(true)
		for i := range 3 {
			c.Set(t.Context(), "y"+strconv.Itoa(i), "")
			time.Sleep(300 * time.Millisecond)
		}
		before := heap()
		value := strings.Repeat("x", 100<<10)
		for i := range 2000 {
			c.Set(t.Context(), strconv.Itoa(i), value[:100<<10-i])
		}
		time.Sleep(3 * time.Second)
		if n := int64(heap()) - int64(before); n > 20<<20 {
			t.Errorf("%d MiB beside an L1 of 10 entries, 3 s after the last Set", n>>20)
		}
		runtime.KeepAlive(c)
	})
}

type badObserver struct{}

func (badObserver) Observe(context.Context, seawall.Event)            {}
func (badObserver) ObserveState(context.Context, seawall.StateChange) { panic("observer") }

// TestObserverPanics: an Observer that panics when L2 is lost ends no process.
func TestObserverPanics(t *testing.T) {
	if !apart(t) {
		return
	}
	src, s := &source{}, &store{}
	s.down.Store(true)
	c := closing(t, cache.Config[string, string]{Load: src.load, Observer: badObserver{}, Shared: cache.Shared[string, string]{L2: s}})
	for i := range 100 {
		get(t, c, strconv.Itoa(i), fmt.Sprintf("%d-%d", i, i+1))
		time.Sleep(10 * time.Millisecond)
	}
}

// TestFillReplacesNoDelete: without leases, a value that is loaded while L2 is away
// does not take the place of a Delete that it is still to be told of.
func TestFillReplacesNoDelete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, s := &source{}, &store{rtt: 100 * time.Microsecond}
		nodes := fleet(t, 2, s, true, cache.Config[string, string]{Load: src.load, Early: -1, Shared: cache.Shared[string, string]{NoLease: true}})
		a, b := nodes[0], nodes[1]
		get(t, a, "x", "x-1")
		time.Sleep(time.Second)
		get(t, b, "x", "x-1")
		s.down.Store(true)
		a.Delete(t.Context(), "x")
		a.Get(t.Context(), "x")
		time.Sleep(5 * time.Second)
		s.down.Store(false)
		time.Sleep(5 * time.Second)
		if v, _ := b.Get(t.Context(), "x"); v == "x-1" {
			t.Errorf("L1 of another process: %q was deleted 10 s ago", v)
		}
		c := fleet(t, 1, s, true, cache.Config[string, string]{Load: src.load, Early: -1, Shared: cache.Shared[string, string]{NoLease: true}})[0]
		if v, _ := c.Get(t.Context(), "x"); v == "x-1" {
			t.Errorf("L2: %q was deleted 10 s ago", v)
		}
	})
}
