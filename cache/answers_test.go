package cache_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall/cache"
)

// TestJitterShortens: what is loaded together expires apart, none after TTL, none
// before the part that Jitter leaves.
func TestJitterShortens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const keys = 200
		c := closing(t, cache.Config[int, int]{
			Load: func(_ context.Context, key int, _ *cache.Meta) (int, error) { return key, nil },
			TTL:  10 * time.Second, Jitter: 0.5, Early: -1, StaleWhileRevalidate: -1, StaleIfError: -1,
		})
		for key := range keys {
			c.Get(t.Context(), key)
		}
		left := func() (n int) {
			for key := range keys {
				if _, _, ok := c.Peek(key); ok {
					n++
				}
			}
			return n
		}
		time.Sleep(5*time.Second - time.Millisecond)
		if n := left(); n != keys {
			t.Errorf("%d of %d before half of the TTL", n, keys)
		}
		time.Sleep(2500 * time.Millisecond)
		if n := left(); n < keys/4 || n > keys*3/4 {
			t.Errorf("%d of %d after three quarters", n, keys)
		}
		time.Sleep(2501 * time.Millisecond)
		if n := left(); n != 0 {
			t.Errorf("%d of %d after the TTL", n, keys)
		}
	})
}

// TestSliding: each hit begins the TTL anew, to a sixteenth, until MaxAge.
func TestSliding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{}
		c := closing(t, cache.Config[string, string]{
			Load: src.load, TTL: time.Second, Sliding: true, MaxAge: 5 * time.Second, Jitter: -1, Early: -1, StaleWhileRevalidate: -1, StaleIfError: -1,
		})
		get(t, c, "a", "a-1")
		for range 5 {
			time.Sleep(900 * time.Millisecond)
			get(t, c, "a", "a-1")
		}
		time.Sleep(499 * time.Millisecond)
		get(t, c, "a", "a-1")
		time.Sleep(2 * time.Millisecond) // 5001 ms after its load
		get(t, c, "a", "a-2")
		time.Sleep(time.Second)
		get(t, c, "a", "a-3") // nobody has asked for so long
	})
}

// TestMeta: what a Loader, LoadMany or SetWith says about a value counts.
func TestMeta(t *testing.T) {
	ways := map[string]func(c *cache.Cache[string, string], m cache.Meta, set func(cache.Meta)){
		"Get": func(c *cache.Cache[string, string], m cache.Meta, set func(cache.Meta)) {
			set(m)
			c.Get(context.Background(), "a")
		},
		"GetMany": func(c *cache.Cache[string, string], m cache.Meta, set func(cache.Meta)) {
			set(m)
			c.GetMany(context.Background(), []string{"a"})
		},
		"SetWith": func(c *cache.Cache[string, string], m cache.Meta, _ func(cache.Meta)) {
			c.SetWith(context.Background(), "a", "a", m)
		},
	}
	for name, put := range ways {
		bubble(t, name, func(t *testing.T) {
			var meta cache.Meta
			fails := false
			load := func(_ context.Context, key string, m *cache.Meta) (string, error) {
				if fails {
					return "", errBroken
				}
				*m = meta
				return key, nil
			}
			c := closing(t, cache.Config[string, string]{
				Load: load, LoadMany: func(ctx context.Context, keys []string, found func(string, string, cache.Meta)) error {
					for _, key := range keys {
						var m cache.Meta
						v, err := load(ctx, key, &m)
						if err != nil {
							return err
						}
						found(key, v, m)
					}
					return nil
				},
				TTL: time.Hour, Jitter: -1, Early: -1, ErrorPause: time.Millisecond,
			})
			state := func(want cache.State, after string) {
				t.Helper()
				if _, s, _ := c.Peek("a"); s != want {
					t.Errorf("%s: %v, want %v", after, s, want)
				}
			}
			put(c, cache.Meta{TTL: time.Second, StaleWhileRevalidate: time.Second, StaleIfError: -1, Tags: []string{"x", "y"}}, func(m cache.Meta) { meta = m })
			time.Sleep(time.Second - time.Millisecond)
			state(cache.Fresh, "before TTL")
			time.Sleep(time.Second)
			state(cache.Stale, "before StaleWhileRevalidate ends")
			time.Sleep(2 * time.Millisecond)
			state(cache.Miss, "after it")
			c.Delete(t.Context(), "a")
			put(c, cache.Meta{TTL: time.Second, StaleWhileRevalidate: -1, StaleIfError: 3 * time.Second, Tags: []string{"x", "y"}}, func(m cache.Meta) { meta = m })
			time.Sleep(3999 * time.Millisecond)
			fails = true
			get(t, c, "a", "a")
			time.Sleep(2 * time.Millisecond)
			if _, err := c.Get(t.Context(), "a"); !errors.Is(err, errBroken) {
				t.Errorf("after StaleIfError: %v", err)
			}
			fails = false
			put(c, cache.Meta{Tags: []string{"x", "y"}}, func(m cache.Meta) { meta = m })
			time.Sleep(59 * time.Minute)
			state(cache.Fresh, "of Config")
			c.InvalidateTags(t.Context(), "y")
			state(cache.Miss, "after its tag")
		})
	}
}

// TestMetaOfNothing: TTL and tags of what does not exist.
func TestMetaOfNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		c := closing(t, cache.Config[string, string]{Load: func(_ context.Context, _ string, m *cache.Meta) (string, error) {
			n++
			m.TTL, m.Tags = time.Hour, []string{"x"}
			return "", cache.ErrNotFound
		}})
		c.Get(t.Context(), "a")
		time.Sleep(time.Hour - time.Second)
		c.Get(t.Context(), "a")
		if n != 1 {
			t.Errorf("%d loads within its TTL", n)
		}
		c.InvalidateTags(t.Context(), "x")
		if _, state, ok := c.Peek("a"); ok {
			t.Error(state)
		}
		c.Get(t.Context(), "a")
		if n != 2 {
			t.Errorf("%d loads", n)
		}
	})
}

// TestNegativeBound: MaxNegative keys are remembered, those asked for last, and
// they take no room from values.
func TestNegativeBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		c := closing(t, cache.Config[int, int]{MaxEntries: 10, MaxNegative: 10, Load: func(_ context.Context, key int, _ *cache.Meta) (int, error) {
			n++
			if key < 10 {
				return key, nil
			}
			return 0, cache.ErrNotFound
		}})
		for key := range 1000 {
			c.Get(t.Context(), key)
		}
		n = 0
		for key := range 10 {
			c.Get(t.Context(), key)
			c.Get(t.Context(), 990+key)
		}
		if s := c.Stats(); n != 0 || s.Entries != 10 || s.Negatives != 10 || s.NotFound != 990 || s.Negative != 10 {
			t.Errorf("%d loads, %+v", n, s)
		}
	})
}

// TestStaleOn: only for errors that it names is there a stale answer; never for
// ErrNotFound.
func TestStaleOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{}
		forbidden := errors.New("forbidden")
		c := closing(t, cache.Config[string, string]{
			Load: src.load, TTL: time.Second, Jitter: -1, Early: -1, StaleWhileRevalidate: -1, StaleIfError: time.Hour, NegativeTTL: -1,
			StaleOn: func(err error) bool { return !errors.Is(err, forbidden) },
		})
		get(t, c, "a", "a-1")
		time.Sleep(2 * time.Second)
		src.breaks(errBroken)
		get(t, c, "a", "a-1")
		time.Sleep(2 * time.Second)
		src.breaks(fmt.Errorf("wrapped: %w", forbidden))
		if v, err := c.Get(t.Context(), "a"); !errors.Is(err, forbidden) {
			t.Errorf("%q, %v", v, err)
		}
		src.breaks(errBroken)
		get(t, c, "a", "a-1") // it is there still
		time.Sleep(2 * time.Second)
		src.breaks(cache.ErrNotFound)
		if v, err := c.Get(t.Context(), "a"); !errors.Is(err, cache.ErrNotFound) {
			t.Errorf("%q, %v", v, err)
		}
		src.breaks(errBroken)
		if v, err := c.Get(t.Context(), "a"); !errors.Is(err, errBroken) {
			t.Errorf("what does not exist any more: %q, %v", v, err)
		}
	})
}

// TestErrorPause: a source that fails is tried again after the pause, within a
// quarter, and no sooner, however many ask.
func TestErrorPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{}
		c := closing(t, cache.Config[string, string]{Load: src.load, TTL: time.Second, Early: -1, ErrorPause: 10 * time.Second, StaleIfError: time.Hour})
		get(t, c, "a", "a-1")
		time.Sleep(5 * time.Second)
		src.breaks(errBroken)
		began := time.Now()
		var tries []time.Duration
		for time.Since(began) < 5*time.Minute {
			n := src.loads.Load()
			for range 5 {
				get(t, c, "a", "a-1")
			}
			synctest.Wait()
			if src.loads.Load() != n {
				tries = append(tries, time.Since(began))
			}
			time.Sleep(100 * time.Millisecond)
		}
		if len(tries) < 24 || len(tries) > 40 {
			t.Errorf("tried %d times in 5 minutes", len(tries))
		}
		for i := range tries[1:] {
			if d := tries[i+1] - tries[i]; d < 7400*time.Millisecond || d > 12700*time.Millisecond {
				t.Errorf("tried again after %v", d)
			}
		}
	})
}

// TestClone: what callers do to a value is their own affair, in every way to get it.
func TestClone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := cache.Config[string, []int]{
			Clone: slices.Clone[[]int], TTL: time.Second, Jitter: -1, StaleIfError: time.Hour, SoftTimeout: 10 * time.Millisecond,
			Load: func(context.Context, string, *cache.Meta) ([]int, error) { return []int{1}, nil },
		}
		c := closing(t, cfg)
		spoil := func(v []int, err error) {
			t.Helper()
			if err != nil || len(v) != 1 || v[0] != 1 {
				t.Fatal(v, err)
			}
			v[0] = 2
		}
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() { spoil(c.Get(t.Context(), "a")) })
		}
		both.Wait()
		for range 2 {
			spoil(c.Get(t.Context(), "a"))
			v, _, _ := c.Peek("a")
			spoil(v, nil)
			got, err := c.GetMany(t.Context(), []string{"a"})
			spoil(got["a"], err)
			time.Sleep(1050 * time.Millisecond) // stale
		}
	})
}

// TestTagLimits: too many tags, or too long ones, are an error of the call, and
// what a load brings with them is given and not kept.
func TestTagLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tags []string
		c := closing(t, cache.Config[string, string]{Load: func(_ context.Context, key string, m *cache.Meta) (string, error) {
			m.Tags = tags
			return key, nil
		}})
		most := make([]string, 64)
		for i := range most {
			most[i] = fmt.Sprint(i) + strings.Repeat("x", 198)
		}
		tags = most
		get(t, c, "a", "a")
		for _, bad := range [][]string{append(slices.Clone(most), "one more"), {strings.Repeat("x", 201)}, {""}} {
			tags = bad
			get(t, c, "b", "b")
			if err := c.SetWith(t.Context(), "b", "b", cache.Meta{Tags: bad}); err == nil {
				t.Error("SetWith took them")
			}
			if _, _, ok := c.Peek("b"); ok {
				t.Error("it was kept")
			}
			if len(bad) == 1 {
				if err := c.InvalidateTags(t.Context(), bad...); err == nil {
					t.Error("InvalidateTags took it")
				}
			}
		}
		if err := c.InvalidateTags(t.Context(), append(slices.Clone(most), "one more")...); err != nil {
			t.Error(err)
		}
		if _, _, ok := c.Peek("a"); ok {
			t.Error("it is still there")
		}
	})
}

// TestTagsForgotten: more tags than MaxTags make entries be forgotten, and none
// that was invalidated is ever seen.
func TestTagsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const keys = 100
		loads, version := 0, 0
		c := closing(t, cache.Config[int, int]{MaxTags: 16, MaxEntries: keys, Load: func(_ context.Context, key int, m *cache.Meta) (int, error) {
			loads++
			m.Tags = []string{"all", fmt.Sprint(key)}
			return version, nil
		}})
		for round := range 20 {
			for range 3 * keys {
				key := rand.IntN(keys)
				if v, err := c.Get(t.Context(), key); err != nil || v != version {
					t.Fatalf("round %d: %d, %v; want %d", round, v, err, version)
				}
			}
			version++
			c.InvalidateTags(t.Context(), "all")
		}
		if s := c.Stats(); s.TagsForgotten == 0 || loads < 20*keys {
			t.Errorf("%d loads, %+v", loads, s)
		}
		// Few keys have room for their tags, and are kept.
		n := loads
		for range 10 {
			for key := range 10 {
				c.Get(t.Context(), key)
			}
		}
		if loads > n+10 {
			t.Errorf("%d loads of 10 keys", loads-n)
		}
	})
}

// TestTagsAskedForStay: a flood of tags that nobody asks for again does not make
// forgotten what is asked for, and that is invalidated as before.
func TestTagsAskedForStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loads := 0
		c := closing(t, cache.Config[int, int]{MaxTags: 64, MaxEntries: 1000, TTL: time.Hour, Load: func(_ context.Context, key int, m *cache.Meta) (int, error) {
			if key < 4 {
				loads++
			}
			m.Tags = []string{fmt.Sprint(key), fmt.Sprint("of ", key)}
			return key, nil
		}})
		for i := range 10_000 {
			c.Get(t.Context(), 10+i)
			if i%2 == 0 {
				c.Get(t.Context(), i/2%4)
			}
		}
		// Before tags were forgotten for the first time nobody looked at them.
		if s := c.Stats(); loads > 8 || s.TagsForgotten < 100 {
			t.Errorf("%d loads of 4 keys, %+v", loads, s)
		}
		for key := range 4 {
			c.InvalidateTags(t.Context(), fmt.Sprint("of ", key))
			if _, _, ok := c.Peek(key); ok {
				t.Errorf("%d is there", key)
			}
		}
		before := c.Stats().TagsForgotten
		for range 3 {
			for key := range 100 {
				c.Get(t.Context(), key)
				c.Get(t.Context(), key)
			}
		}
		if c.Stats().TagsForgotten == before {
			t.Error("none goes where all are asked for")
		}
	})
}
