package cache_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache"
)

// apart runs a test in a process of its own, as it may end that.
func apart(t *testing.T) bool {
	t.Helper()
	if os.Getenv("SEAWALL_APART") == t.Name() {
		return true
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+t.Name()+"$", "-test.timeout=20s")
	cmd.Env = append(os.Environ(), "SEAWALL_APART="+t.Name())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("the process ended: %v\n%.600s", err, out)
	}
	return false
}

// TestOverflowIsForAll: when more changes were pending than MaxPending, this process
// reads nothing of before from L2, either.
func TestOverflowIsForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, s := &source{}, &store{rtt: 100 * time.Microsecond}
		a := fleet(t, 1, s, false, cache.Config[string, string]{Load: src.load, Early: -1, Shared: cache.Shared[string, string]{MaxPending: 8}})[0]
		var keys []string
		for i := range 20 {
			k := strconv.Itoa(i)
			keys = append(keys, k)
			get(t, a, k, fmt.Sprintf("%d-%d", i, i+1))
		}
		time.Sleep(time.Second)
		s.down.Store(true)
		for _, k := range keys {
			a.Delete(t.Context(), k)
		}
		time.Sleep(5 * time.Second)
		s.down.Store(false)
		time.Sleep(5 * time.Second)
		for i, k := range keys {
			if v, err := a.Get(t.Context(), k); err != nil || v == fmt.Sprintf("%d-%d", i, i+1) {
				t.Errorf("after Delete: %q, %v", v, err)
			}
		}
	})
}

// TestStaleOnPanics: a StaleOn that panics ends no process: what is stale is shown.
func TestStaleOnPanics(t *testing.T) {
	if !apart(t) {
		return
	}
	c := closing(t, cache.Config[string, string]{
		Load:    func(context.Context, string, *cache.Meta) (string, error) { return "", errors.New("broken") },
		StaleOn: func(err error) bool { return err.(interface{ Code() int }).Code() > 0 },
	})
	if _, err := c.Get(t.Context(), "a"); err == nil {
		t.Error("no error")
	}
}

// TestStaleOnGoexit: nor does one that ends its goroutine let anybody hang.
func TestStaleOnGoexit(t *testing.T) {
	c := closing(t, cache.Config[string, string]{
		Load:    func(context.Context, string, *cache.Meta) (string, error) { return "", errors.New("broken") },
		StaleOn: func(error) bool { runtime.Goexit(); return false },
	})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if _, err := c.Get(ctx, "a"); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

type panics struct{ cache.Codec[string] }

func (panics) Decode([]byte) (string, error) { panic("keys that cannot be compared") }

// TestDecodePanics: a value in L2 at which the Codec panics is loaded.
func TestDecodePanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, s := &source{}, &store{rtt: 100 * time.Microsecond}
		a := fleet(t, 1, s, false, cache.Config[string, string]{Load: src.load, Shared: cache.Shared[string, string]{Codec: cache.Raw[string]()}})[0]
		get(t, a, "x", "x-1")
		time.Sleep(time.Second)
		b := fleet(t, 1, s, false, cache.Config[string, string]{Load: src.load, Shared: cache.Shared[string, string]{Codec: panics{cache.Raw[string]()}}})[0]
		get(t, b, "x", "x-2")
	})
}

type appendPanics struct{ cache.Codec[string] }

func (appendPanics) Append([]byte, string) ([]byte, error) { panic("a value it does not know") }

// TestAppendPanics: one that it cannot write is answered all the same.
func TestAppendPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, s := &source{}, &store{rtt: 100 * time.Microsecond}
		a := fleet(t, 1, s, false, cache.Config[string, string]{Load: src.load, Shared: cache.Shared[string, string]{Codec: appendPanics{cache.Raw[string]()}}})[0]
		get(t, a, "x", "x-1")
	})
}

// TestCloneInGetMany: when Clone panics in GetMany, a refresh that it had announced
// begins.
func TestCloneInGetMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{takes: time.Millisecond}
		var bad atomic.Bool
		c := closing(t, cache.Config[string, string]{
			Load: src.load, TTL: time.Second, Jitter: -1, Early: -1, StaleWhileRevalidate: time.Second, StaleIfError: -1, MaxRefreshes: 1,
			Clone: func(v string) string {
				if bad.Load() {
					panic("clone")
				}
				return v
			},
		})
		get(t, c, "a", "a-1")
		time.Sleep(1500 * time.Millisecond)
		bad.Store(true)
		func() {
			defer func() { recover() }()
			c.GetMany(t.Context(), []string{"a"})
		}()
		bad.Store(false)
		time.Sleep(10 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if v, err := c.Get(ctx, "a"); err != nil {
			t.Error(v, err)
		}
		if n := c.Stats().Refreshing; n != 0 {
			t.Errorf("%d are refreshing", n)
		}
	})
}

type badL1 struct {
	cache.L1[string, string]
	bad atomic.Bool
}

func (l *badL1) Set(key string, e *cache.Entry[string], cost int64) {
	if l.bad.Load() {
		panic("L1")
	}
	l.L1.Set(key, e, cost)
}

// TestL1Panics: when an L1 panics, nobody waits for ever.
func TestL1Panics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{takes: time.Millisecond}
		inner, _ := cache.LRU[string, string](10)
		l1 := &badL1{L1: inner}
		l1.bad.Store(true)
		c := closing(t, cache.Config[string, string]{Load: src.load, L1: l1})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		began := time.Now()
		c.Get(ctx, "a")
		if took := time.Since(began); took > time.Minute {
			t.Errorf("waited %v", took)
		}
	})
}

// TestSizeOfNothing: Size is not asked about keys that do not exist.
func TestSizeOfNothing(t *testing.T) {
	type post struct{ text string }
	c := closing(t, cache.Config[string, *post]{
		Load:     func(context.Context, string, *cache.Meta) (*post, error) { return nil, cache.ErrNotFound },
		MaxBytes: 4 << 20,
		Size:     func(key string, p *post) int64 { return int64(len(key) + len(p.text)) },
	})
	if _, err := c.Get(t.Context(), "a"); !errors.Is(err, cache.ErrNotFound) {
		t.Error(err)
	}
}

// TestPastItsLimit: what was within its limit when a load began is not shown after it.
func TestPastItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{}
		c := closing(t, cache.Config[string, string]{
			Load: src.load, TTL: time.Second, Jitter: -1, Early: -1, StaleWhileRevalidate: -1, StaleIfError: time.Second, SoftTimeout: -1,
		})
		get(t, c, "a", "a-1")
		time.Sleep(1900 * time.Millisecond)
		src.takes = 9 * time.Second
		src.breaks(errors.New("broken"))
		if v, err := c.Get(t.Context(), "a"); err == nil {
			t.Errorf("%q, 9 s after its limit", v)
		}
	})
}

// TestNotFoundAfterInvalidate: a Get after InvalidateTags does not get what a load
// found before.
func TestNotFoundAfterInvalidate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var there atomic.Bool
		c := closing(t, cache.Config[string, string]{Load: func(_ context.Context, _ string, m *cache.Meta) (string, error) {
			m.Tags = []string{"t"}
			is := there.Load()
			time.Sleep(20 * time.Millisecond)
			if is {
				return "here", nil
			}
			return "", cache.ErrNotFound
		}})
		var wg sync.WaitGroup
		wg.Go(func() { c.Get(t.Context(), "a") })
		time.Sleep(10 * time.Millisecond)
		there.Store(true)
		c.InvalidateTags(t.Context(), "t")
		get(t, c, "a", "here")
		wg.Wait()
	})
}

// TestSpareAfterInvalidate: nor what was stale in L2, when the load fails.
func TestSpareAfterInvalidate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, s := &source{}, &store{rtt: 100 * time.Microsecond}
		load := func(ctx context.Context, key string, m *cache.Meta) (string, error) {
			m.Tags = []string{"t"}
			return src.load(ctx, key, m)
		}
		cfg := cache.Config[string, string]{Load: load, TTL: time.Second, Jitter: -1, Early: -1, StaleWhileRevalidate: -1, StaleIfError: time.Minute, SoftTimeout: -1}
		a := fleet(t, 1, s, true, cfg)[0]
		get(t, a, "x", "x-1")
		time.Sleep(2 * time.Second)
		src.takes = 20 * time.Millisecond
		src.breaks(errors.New("broken"))
		b := fleet(t, 1, s, true, cfg)[0]
		var wg sync.WaitGroup
		wg.Go(func() { b.Get(t.Context(), "x") }) // came before: may have it
		time.Sleep(10 * time.Millisecond)
		b.InvalidateTags(t.Context(), "t")
		if v, err := b.Get(t.Context(), "x"); err == nil {
			t.Errorf("after InvalidateTags: %q", v)
		}
		wg.Wait()
	})
}

func off(t *testing.T, c *cache.Cache[string, string], value string) {
	t.Helper()
	if err := c.Override(t.Context(), seawall.Override{Control: "l2", Value: value}); err != nil {
		t.Fatal(err)
	}
}

// TestEpochGoesBack: a process that was cut off does not take back, with its own
// invalidation of a tag, what another one has made invalid since.
func TestEpochGoesBack(t *testing.T) {
	for _, all := range []bool{false, true} {
		t.Run(strconv.FormatBool(all), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src, s := &source{}, &store{rtt: 100 * time.Microsecond}
				load := func(ctx context.Context, key string, m *cache.Meta) (string, error) {
					m.Tags = []string{"t"}
					return src.load(ctx, key, m)
				}
				cfg := cache.Config[string, string]{Load: load, Early: -1}
				nodes := fleet(t, 2, s, false, cfg)
				a, b := nodes[0], nodes[1]
				invalidate := func(c *cache.Cache[string, string]) {
					if all {
						c.Clear(t.Context())
					} else {
						c.InvalidateTags(t.Context(), "t")
					}
				}
				b.Get(t.Context(), "other")
				a.Get(t.Context(), "other")
				off(t, a, "off")
				invalidate(a)
				time.Sleep(time.Second)
				get(t, b, "x", "x-2")
				time.Sleep(time.Second)
				invalidate(b)
				time.Sleep(time.Second)
				off(t, a, "")
				time.Sleep(5 * time.Second)
				c := fleet(t, 1, s, false, cfg)[0]
				if v, _ := c.Get(t.Context(), "x"); v == "x-2" {
					t.Errorf("all %v: %q was invalidated", all, v)
				} else {
					t.Log(v)
				}
			})
		})
	}
}

// TestRepeatOverwrites: what is repeated after a failure does not take the place of
// what another process has set since.
func TestRepeatOverwrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, s := &source{}, &store{rtt: 100 * time.Microsecond}
		nodes := fleet(t, 2, s, true, cache.Config[string, string]{Load: src.load, Early: -1})
		a, b := nodes[0], nodes[1]
		a.Get(t.Context(), "other")
		b.Get(t.Context(), "other")
		time.Sleep(time.Second)
		s.down.Store(true)
		a.Set(t.Context(), "x", "1")
		time.Sleep(time.Second)
		s.down.Store(false)
		seen := func() bool { // a has written x, and is about to repeat that
			s.mu.Lock()
			defer s.mu.Unlock()
			_, ok := s.values["default:v:x"]
			return ok
		}
		for n := 0; !seen() && n < 2000; n++ {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(20 * time.Millisecond)
		b.Set(t.Context(), "x", "2")
		time.Sleep(5 * time.Second)
		for _, c := range nodes {
			if v, _ := c.Get(t.Context(), "x"); v == "1" {
				t.Error("it was set to 2 later")
			}
		}
	})
}
