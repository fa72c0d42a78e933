package cache_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall/cache"
)

// closing makes a Cache that the test closes.
func closing[K comparable, V any](t testing.TB, cfg cache.Config[K, V]) *cache.Cache[K, V] {
	t.Helper()
	if cfg.Name == "" {
		cfg.Name = "test"
	}
	c, err := cache.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return c
}

// source is where values come from. Each load is another version.
type source struct {
	takes time.Duration
	loads atomic.Int64
	fail  atomic.Pointer[error]
}

func (s *source) load(ctx context.Context, key string, _ *cache.Meta) (string, error) {
	n := s.loads.Add(1)
	if s.takes > 0 {
		select {
		case <-time.After(s.takes):
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	if err := s.fail.Load(); err != nil {
		return "", *err
	}
	return fmt.Sprintf("%s-%d", key, n), nil
}

func (s *source) breaks(err error) {
	if err == nil {
		s.fail.Store(nil)
		return
	}
	s.fail.Store(&err)
}

func get(t *testing.T, c *cache.Cache[string, string], key, want string) {
	t.Helper()
	if v, err := c.Get(t.Context(), key); err != nil || v != want {
		t.Errorf("Get(%q) = %q, %v; want %q", key, v, err, want)
	}
}

func TestGetLoadsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{takes: 20 * time.Millisecond}
		c := closing(t, cache.Config[string, string]{Load: src.load})
		var wg sync.WaitGroup
		began := time.Now()
		for range 10_000 {
			wg.Go(func() { get(t, c, "a", "a-1") })
		}
		wg.Wait()
		if took := time.Since(began); took != 20*time.Millisecond {
			t.Errorf("took %v", took)
		}
		get(t, c, "a", "a-1")
		if n := src.loads.Load(); n != 1 {
			t.Errorf("%d loads, want 1", n)
		}
	})
}

func TestStaleWhileRevalidate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{takes: 20 * time.Millisecond}
		c := closing(t, cache.Config[string, string]{Load: src.load, TTL: time.Second, Jitter: -1, StaleWhileRevalidate: time.Second, Early: -1})
		get(t, c, "a", "a-1")
		time.Sleep(time.Second)
		began := time.Now()
		for range 1000 {
			get(t, c, "a", "a-1")
		}
		if time.Since(began) != 0 {
			t.Error("somebody waited")
		}
		time.Sleep(20 * time.Millisecond)
		synctest.Wait()
		get(t, c, "a", "a-2")
		if n := src.loads.Load(); n != 2 {
			t.Errorf("%d loads, want 2", n)
		}
		time.Sleep(20 * time.Second)
		get(t, c, "a", "a-3")
		if _, state, ok := c.Peek("a"); !ok || state != cache.Fresh {
			t.Error(state, ok)
		}
	})
}

func TestStaleIfError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{takes: 20 * time.Millisecond}
		c := closing(t, cache.Config[string, string]{Load: src.load, TTL: time.Second, Jitter: -1, StaleWhileRevalidate: -1, StaleIfError: 10 * time.Second, Early: -1})
		get(t, c, "a", "a-1")
		time.Sleep(2 * time.Second)
		broken := errors.New("broken")
		src.breaks(broken)
		for range 100 { // once, then it rests
			get(t, c, "a", "a-1")
		}
		if n := src.loads.Load(); n != 2 {
			t.Errorf("%d loads, want 2", n)
		}
		time.Sleep(9 * time.Second)
		if _, err := c.Get(t.Context(), "a"); !errors.Is(err, broken) {
			t.Errorf("after its end: %v", err)
		}
		src.breaks(nil)
		get(t, c, "a", "a-4")
	})
}

func TestLeaderLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{takes: 20 * time.Millisecond}
		c := closing(t, cache.Config[string, string]{Load: src.load})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		defer cancel()
		var wg sync.WaitGroup
		began := time.Now()
		wg.Go(func() {
			if _, err := c.Get(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 5*time.Millisecond {
				t.Error(err, time.Since(began))
			}
		})
		synctest.Wait()
		for range 10 {
			wg.Go(func() { get(t, c, "a", "a-1") })
		}
		wg.Wait()
		if time.Since(began) != 20*time.Millisecond {
			t.Error(time.Since(began))
		}
	})
}

func TestLastLeaves(t *testing.T) {
	for _, finish := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			src := &source{takes: 20 * time.Millisecond}
			c := closing(t, cache.Config[string, string]{Load: src.load, FinishLoads: finish})
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
			defer cancel()
			c.Get(ctx, "a")
			time.Sleep(time.Second)
			want := "a-2"
			if finish {
				want = "a-1"
			}
			get(t, c, "a", want)
		})
	}
}

func TestPanicAndGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		how := func() { panic("boom") }
		c := closing(t, cache.Config[string, string]{Load: func(context.Context, string, *cache.Meta) (string, error) {
			time.Sleep(time.Millisecond)
			how()
			return "ok", nil
		}})
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				_, err := c.Get(t.Context(), "a")
				if pe := (*cache.PanicError)(nil); !errors.As(err, &pe) || pe.Value != "boom" || len(pe.Stack) == 0 {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		how = runtime.Goexit
		for range 10 {
			wg.Go(func() {
				if _, err := c.Get(t.Context(), "a"); !errors.Is(err, cache.ErrGoexit) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		how = func() {}
		get(t, c, "a", "ok")
	})
}

func TestSetAndDeleteDuringLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{takes: 20 * time.Millisecond}
		c := closing(t, cache.Config[string, string]{Load: src.load})
		var wg sync.WaitGroup
		wg.Go(func() { get(t, c, "a", "a-1") })
		synctest.Wait()
		wg.Go(func() { get(t, c, "b", "b-2") })
		time.Sleep(10 * time.Millisecond)
		c.Set(t.Context(), "a", "set")
		c.Delete(t.Context(), "b")
		get(t, c, "a", "set")
		get(t, c, "b", "b-3")
		wg.Wait()
		time.Sleep(time.Second)
		get(t, c, "a", "set")
		get(t, c, "b", "b-3")
	})
}

func TestTags(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{}
		c := closing(t, cache.Config[string, string]{Load: func(ctx context.Context, key string, m *cache.Meta) (string, error) {
			m.Tags = []string{"table:a", "row:" + key}
			time.Sleep(time.Millisecond)
			return src.load(ctx, key, m)
		}})
		get(t, c, "a", "a-1")
		get(t, c, "b", "b-2")
		c.InvalidateTags(t.Context(), "row:a")
		get(t, c, "a", "a-3")
		get(t, c, "b", "b-2")
		c.InvalidateTags(t.Context(), "table:a")
		get(t, c, "a", "a-4")
		get(t, c, "b", "b-5")
		c.Clear(t.Context())
		get(t, c, "a", "a-6")
		// During a load: who waits since before gets it, it is not kept.
		c.Delete(t.Context(), "a")
		var wg sync.WaitGroup
		wg.Go(func() { get(t, c, "a", "a-7") })
		synctest.Wait()
		c.InvalidateTags(t.Context(), "row:a")
		get(t, c, "a", "a-8")
		wg.Wait()
	})
}

func TestNegative(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{}
		src.breaks(fmt.Errorf("no rows: %w", cache.ErrNotFound))
		c := closing(t, cache.Config[string, string]{Load: src.load, NegativeTTL: time.Second})
		for range 10 {
			if _, err := c.Get(t.Context(), "a"); !errors.Is(err, cache.ErrNotFound) {
				t.Fatal(err)
			}
		}
		if n := src.loads.Load(); n != 1 {
			t.Errorf("%d loads", n)
		}
		time.Sleep(time.Second)
		src.breaks(nil)
		get(t, c, "a", "a-2")
		src.breaks(cache.ErrNotFound)
		c.Delete(t.Context(), "a")
		c.Get(t.Context(), "a")
		c.Set(t.Context(), "a", "set")
		get(t, c, "a", "set")
	})
}

func TestSoftTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{}
		c := closing(t, cache.Config[string, string]{Load: src.load, TTL: time.Second, Jitter: -1, Early: -1, StaleWhileRevalidate: -1, SoftTimeout: 100 * time.Millisecond})
		get(t, c, "a", "a-1")
		time.Sleep(2 * time.Second)
		src.takes = 5 * time.Second
		began := time.Now()
		get(t, c, "a", "a-1")
		if took := time.Since(began); took != 100*time.Millisecond {
			t.Error(took)
		}
		get(t, c, "a", "a-1")
		if took := time.Since(began); took != 100*time.Millisecond {
			t.Error("waits again:", took)
		}
		time.Sleep(5 * time.Second)
		if v, state, _ := c.Peek("a"); v != "a-2" {
			t.Error(v, state)
		}
	})
}
