package cache_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall/cache"
)

// TestEarlyHotKey: a key that is asked for a thousand times a second is loaded anew
// before its end, by one load each time, and nobody ever sees it expired or waits.
// (Asked for a hundred times a second, one end in forty is met: there are too few
// draws.)
func TestEarlyHotKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{takes: 100 * time.Millisecond}
		c := closing(t, cache.Config[string, string]{Load: src.load, TTL: 10 * time.Second, Jitter: -1, StaleWhileRevalidate: -1, StaleIfError: -1})
		get(t, c, "a", "a-1")
		before := c.Stats()
		const minutes = 4
		for range minutes * 60 * 1000 {
			time.Sleep(time.Millisecond)
			began := time.Now()
			if _, err := c.Get(t.Context(), "a"); err != nil || time.Since(began) > 0 {
				t.Fatalf("%v after %v", err, time.Since(began))
			}
		}
		s := c.Stats()
		if s.Stale != before.Stale || s.Misses != before.Misses {
			t.Errorf("%d were stale, %d missed", s.Stale-before.Stale, s.Misses-before.Misses)
		}
		// Every 10 s, less some tenths.
		if n := s.Refreshes; n < minutes*6 || n > minutes*6*108/100 {
			t.Errorf("%d loads in %d minutes", n, minutes)
		}
	})
}

// TestEarlyApart: a hundred processes that have loaded a key in the same moment do
// not load it anew together, and none before its time.
func TestEarlyApart(t *testing.T) {
	if raceEnabled {
		t.Skip("a simulation of minutes, in which nothing races")
	}
	synctest.Test(t, func(t *testing.T) {
		const caches = 100
		var underWay, most, loads atomic.Int64
		var first time.Time
		began := time.Now()
		load := func(context.Context, string, *cache.Meta) (string, error) {
			if loads.Add(1) == caches+1 {
				first = time.Now()
			}
			n := underWay.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				continue
			}
			time.Sleep(100 * time.Millisecond)
			underWay.Add(-1)
			return "", nil
		}
		var all []*cache.Cache[string, string]
		var once sync.WaitGroup
		for range caches {
			c := closing(t, cache.Config[string, string]{Load: load, TTL: 10 * time.Second, Jitter: -1, StaleWhileRevalidate: -1, StaleIfError: -1})
			all = append(all, c)
			once.Go(func() { c.Get(t.Context(), "a") })
		}
		once.Wait()
		if most.Swap(0) != caches {
			t.Fatal("they were to begin together")
		}
		for loads.Load() < 2*caches {
			time.Sleep(10 * time.Millisecond)
			for _, c := range all {
				c.Get(t.Context(), "a")
			}
		}
		synctest.Wait()
		if at := first.Sub(began); at < 9*time.Second || at > 10*time.Second {
			t.Errorf("the first load anew after %v", at)
		}
		if n := most.Load(); n > caches*2/3 {
			t.Errorf("%d of %d loaded it anew at once", n, caches)
		}
	})
}

// TestMaxLoads: so many loads run at once and no more, whoever asks, and all get
// their value.
func TestMaxLoads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const bound = 7
		l := &limited{takes: 10 * time.Millisecond}
		c := closing(t, cache.Config[int, int]{Load: l.load, MaxLoads: bound})
		var all sync.WaitGroup
		keys := make([]int, 30)
		for i := range keys {
			keys[i] = 1000 + i
		}
		began := time.Now()
		for key := range 40 {
			all.Go(func() {
				if v, err := c.Get(t.Context(), key); v != key || err != nil {
					t.Error(v, err)
				}
			})
		}
		all.Go(func() {
			if got, err := c.GetMany(t.Context(), keys); len(got) != 30 || err != nil {
				t.Error(len(got), err)
			}
		})
		time.Sleep(5 * time.Millisecond)
		if n := c.Stats().Loading; n != bound {
			t.Errorf("%d are loading", n)
		}
		all.Wait()
		if took := time.Since(began); l.most.Load() != bound || took != 100*time.Millisecond {
			t.Errorf("%d at once, %v", l.most.Load(), took)
		}
		synctest.Wait()
		if n := c.Stats().Loading; n != 0 {
			t.Errorf("%d are loading still", n)
		}
	})
}

// limited counts how many loads run at once.
type limited struct {
	takes      time.Duration
	quick      atomic.Bool // from now on a load takes a millisecond
	now, most  atomic.Int64
	loads      atomic.Int64
	ignoresEnd bool
}

func (l *limited) load(ctx context.Context, key int, _ *cache.Meta) (int, error) {
	l.loads.Add(1)
	n := l.now.Add(1)
	defer l.now.Add(-1)
	for m := l.most.Load(); n > m && !l.most.CompareAndSwap(m, n); m = l.most.Load() {
		continue
	}
	takes := l.takes
	if l.quick.Load() {
		takes = time.Millisecond
	}
	if l.ignoresEnd {
		time.Sleep(takes)
		return key, nil
	}
	select {
	case <-time.After(takes):
		return key, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// TestMaxRefreshes: after a pause of all traffic everything is stale; it is loaded
// anew so many at a time, and everybody is answered at once.
func TestMaxRefreshes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const bound, keys = 5, 100
		l := &limited{takes: 10 * time.Millisecond}
		c := closing(t, cache.Config[int, int]{Load: l.load, MaxRefreshes: bound, TTL: time.Second, StaleWhileRevalidate: time.Hour, StaleIfError: time.Hour, Early: -1})
		for key := range keys {
			c.Get(t.Context(), key)
		}
		l.most.Store(0)
		time.Sleep(time.Minute)
		for range 30 {
			began := time.Now()
			for key := range keys {
				if v, err := c.Get(t.Context(), key); v != key || err != nil {
					t.Fatal(v, err)
				}
			}
			if time.Since(began) > 0 {
				t.Error("somebody waited")
			}
			time.Sleep(11 * time.Millisecond)
		}
		s := c.Stats()
		if n := l.most.Load(); n != bound || s.PutOff == 0 || s.Refreshes != keys {
			t.Errorf("%d at once, %+v", n, s)
		}
	})
}

// TestLoadTimeout: a load that does not heed its context fails for all who wait when
// its time is over, and holds up nobody who comes then.
func TestLoadTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &limited{takes: time.Minute, ignoresEnd: true}
		c := closing(t, cache.Config[int, int]{Load: l.load, LoadTimeout: time.Second})
		var all sync.WaitGroup
		began := time.Now()
		for i := range 20 {
			all.Go(func() {
				time.Sleep(time.Duration(i) * 10 * time.Millisecond)
				if _, err := c.Get(t.Context(), 1); err == nil || time.Since(began) != time.Second {
					t.Errorf("%v after %v", err, time.Since(began))
				}
			})
		}
		all.Wait()
		l.quick.Store(true)
		if v, err := c.Get(t.Context(), 1); v != 1 || err != nil || time.Since(began) != 1001*time.Millisecond {
			t.Error(v, err, time.Since(began))
		}
		if s := c.Stats(); s.Loads != 2 || s.Failures != 1 || s.Loading != 1 {
			t.Errorf("%+v", s)
		}
		time.Sleep(time.Minute) // what it brings then is too late
		if s := c.Stats(); s.Loading != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestFinishLoads: a load that nobody waits for is canceled, or goes on and fills
// the cache.
func TestFinishLoads(t *testing.T) {
	for _, finish := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			l := &limited{takes: 20 * time.Millisecond}
			c := closing(t, cache.Config[int, int]{Load: l.load, FinishLoads: finish})
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
			defer cancel()
			c.GetMany(ctx, []int{1, 2, 3})
			time.Sleep(time.Millisecond)
			if n := l.now.Load() > 0; n != finish {
				t.Errorf("finish %v: under way %v", finish, n)
			}
			time.Sleep(50 * time.Millisecond)
			for key := range 3 {
				if _, _, ok := c.Peek(key + 1); ok != finish {
					t.Errorf("finish %v: key %d is there: %v", finish, key+1, ok)
				}
			}
		})
	}
}
