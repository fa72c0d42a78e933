package cache_test

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall/cache"
)

// shelf is a BatchLoader: keys below 100 are there, those below 200 are not.
type shelf struct {
	takes time.Duration
	calls [][]int
	mu    sync.Mutex
	fails bool
}

func (s *shelf) load(ctx context.Context, keys []int, found func(int, int, cache.Meta)) error {
	s.mu.Lock()
	s.calls = append(s.calls, slices.Clone(keys))
	fails := s.fails
	s.mu.Unlock()
	select {
	case <-time.After(s.takes):
	case <-ctx.Done():
		return ctx.Err()
	}
	for i, key := range keys {
		if fails && i == len(keys)/2 {
			return errBroken
		}
		if key < 100 {
			found(key, 10*key, cache.Meta{})
		}
		found(-key-1, 0, cache.Meta{}) // nobody has asked for that
	}
	return nil
}

// TestGetMany: each key once, however often it is asked for; one call for all that
// are missing; what does not exist is not in the map.
func TestGetMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{takes: time.Millisecond}
		c := closing(t, cache.Config[int, int]{LoadMany: s.load})
		for range 2 {
			got, err := c.GetMany(t.Context(), []int{1, 2, 1, 150, 3, 150, 2})
			if err != nil || len(got) != 3 || got[1] != 10 || got[3] != 30 {
				t.Error(got, err)
			}
		}
		if len(s.calls) != 1 || len(s.calls[0]) != 4 {
			t.Errorf("calls %v", s.calls)
		}
		if v, err := c.Get(t.Context(), 7); v != 70 || err != nil { // without Load
			t.Error(v, err)
		}
		if _, err := c.Get(t.Context(), 170); !errors.Is(err, cache.ErrNotFound) {
			t.Error(err)
		}
		if _, _, ok := c.Peek(-2); ok {
			t.Error("what nobody has asked for was kept")
		}
		if got, err := c.GetMany(t.Context(), nil); len(got) != 0 || err != nil {
			t.Error(got, err)
		}
	})
}

// TestGetManyPartly: what was found before an error is there, and only the others
// have failed.
func TestGetManyPartly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{fails: true}
		c := closing(t, cache.Config[int, int]{LoadMany: s.load})
		got, err := c.GetMany(t.Context(), []int{1, 2, 3, 4})
		if len(got) != 2 || got[1] != 10 || got[2] != 20 || !errors.Is(err, errBroken) {
			t.Error(got, err)
		}
		s.fails = false
		got, err = c.GetMany(t.Context(), []int{1, 2, 3, 4})
		if len(got) != 4 || err != nil || len(s.calls) != 2 || len(s.calls[1]) != 2 {
			t.Error(got, err, s.calls)
		}
	})
}

// TestGetManyTogether: overlapping calls share their loads, and who leaves early
// takes nothing from the others.
func TestGetManyTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{takes: 20 * time.Millisecond}
		c := closing(t, cache.Config[int, int]{LoadMany: s.load})
		var all sync.WaitGroup
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		defer cancel()
		began := time.Now()
		all.Go(func() {
			got, err := c.GetMany(ctx, []int{1, 2, 3})
			if len(got) != 0 || !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 5*time.Millisecond {
				t.Error(got, err, time.Since(began))
			}
		})
		synctest.Wait()
		all.Go(func() {
			got, err := c.GetMany(t.Context(), []int{3, 2, 4})
			if len(got) != 3 || err != nil || time.Since(began) != 20*time.Millisecond {
				t.Error(got, err, time.Since(began))
			}
		})
		all.Go(func() {
			if v, err := c.Get(t.Context(), 2); v != 20 || err != nil {
				t.Error(v, err)
			}
		})
		all.Wait()
		if len(s.calls) != 2 || !slices.Equal(s.calls[1], []int{4}) {
			t.Errorf("calls %v", s.calls)
		}
	})
}

// TestWarm: all keys are loaded, in batches, so many at once; the report says what
// has become of each.
func TestWarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{takes: 50 * time.Millisecond}
		c := closing(t, cache.Config[int, int]{LoadMany: s.load})
		c.GetMany(t.Context(), []int{0, 1, 2})
		s.calls = nil
		keys := make([]int, 200)
		for i := range keys {
			keys[i] = i
		}
		var told []cache.WarmProgress
		began := time.Now()
		report, err := c.Warm(t.Context(), slices.Values(keys), cache.WarmConfig{
			Workers: 2, Batch: 10, Total: len(keys), Progress: func(p cache.WarmProgress) { told = append(told, p) },
		})
		want := cache.WarmProgress{Done: 200, Total: 200, Present: 3, Loaded: 97, NotFound: 100, Took: 500 * time.Millisecond}
		if err != nil || report.WarmProgress != want || len(report.Failures) != 0 {
			t.Errorf("%+v, %v", report, err)
		}
		if len(s.calls) != 20 || time.Since(began) != 500*time.Millisecond {
			t.Errorf("%d calls, %v", len(s.calls), time.Since(began))
		}
		if n := len(told); n < 3 || n > 7 || told[n-1] != want {
			t.Errorf("told %+v", told)
		}
		for i := range told[1:] {
			if told[i+1].Done < told[i].Done {
				t.Errorf("told %+v", told)
			}
		}
	})
}

// TestWarmFailures: a bound on failures ends it, and the first hundred are told.
func TestWarmFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		how := func() error { return errBroken }
		c := closing(t, cache.Config[int, int]{Load: func(_ context.Context, key int, _ *cache.Meta) (int, error) {
			if key%2 == 0 {
				return key, nil
			}
			return 0, how()
		}})
		counting := func(to int, asked *int) iter.Seq[int] {
			return func(yield func(int) bool) {
				for *asked = 0; *asked < to && yield(*asked); *asked++ {
					continue
				}
			}
		}
		var asked int
		report, err := c.Warm(t.Context(), counting(1000, &asked), cache.WarmConfig{})
		if err != nil || report.Failed != 500 || report.Loaded != 500 || len(report.Failures) != 100 || !errors.Is(report.Failures[0].Err, errBroken) {
			t.Errorf("%+v, %v", report.WarmProgress, err)
		}
		for _, most := range []int{-1, 10} {
			report, err = c.Warm(t.Context(), counting(1000, &asked), cache.WarmConfig{MaxFailures: most, Workers: 1, Batch: 4})
			if !errors.Is(err, cache.ErrWarm) || !errors.Is(err, errBroken) || report.Failed <= max(most, 0) || asked > 100 {
				t.Errorf("at most %d: %+v, %v, asked for %d", most, report.WarmProgress, err, asked)
			}
			synctest.Wait() // for loads that nobody waits for any more
		}
		for name, f := range map[string]func() error{
			"panic": func() error { panic("boom") }, "Goexit": func() error { runtime.Goexit(); return nil },
		} {
			how = f
			report, err = c.Warm(t.Context(), counting(100, &asked), cache.WarmConfig{})
			if err != nil || report.Failed != 50 || report.Done != 100 {
				t.Errorf("%s: %+v, %v", name, report.WarmProgress, err)
			}
		}
	})
}

// TestWarmEnds: it ends with its context, with what it has done until then; a panic
// of the iterator is the caller's, and leaves nothing running.
func TestWarmEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var loads atomic.Int64
		c := closing(t, cache.Config[int, int]{Load: func(_ context.Context, key int, _ *cache.Meta) (int, error) {
			loads.Add(1)
			time.Sleep(10 * time.Millisecond)
			return key, nil
		}})
		forever := func(yield func(int) bool) {
			for i := 0; yield(i); i++ {
				continue
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 105*time.Millisecond)
		defer cancel()
		began := time.Now()
		report, err := c.Warm(ctx, forever, cache.WarmConfig{Workers: 2, Batch: 3})
		if !errors.Is(err, context.DeadlineExceeded) || report.Failed != 0 || report.Loaded != 60 || report.Done != 60 || time.Since(began) > 116*time.Millisecond {
			t.Errorf("%+v, %v after %v", report, err, time.Since(began))
		}
		func() {
			defer func() {
				if v := recover(); v != "boom" {
					t.Error(v)
				}
			}()
			c.Warm(t.Context(), func(yield func(int) bool) {
				for i := 1000; i < 1010; i++ {
					yield(i)
				}
				panic("boom")
			}, cache.WarmConfig{Batch: 2})
		}()
		for _, bad := range []cache.WarmConfig{{Workers: -1}, {Batch: -1}, {Total: -1}, {MaxFailures: -2}} {
			if _, err := c.Warm(t.Context(), forever, bad); err == nil {
				t.Errorf("%+v was taken", bad)
			}
		}
	})
}
