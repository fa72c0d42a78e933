package memcachestore

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/seawall-go/seawall/cache"
)

// slow is a memcached that takes its time, and notes what it did.
type slow struct {
	takes   time.Duration
	deleted atomic.Int64
	started atomic.Int64
	now     atomic.Int64
	most    atomic.Int64
	err     error
}

func (s *slow) work() error {
	s.started.Add(1)
	if n := s.now.Add(1); n > s.most.Load() {
		s.most.Store(n)
	}
	time.Sleep(s.takes)
	s.now.Add(-1)
	return s.err
}

func (s *slow) Get(key string) (*memcache.Item, error) {
	return &memcache.Item{Key: key, Value: []byte("v")}, s.work()
}

func (s *slow) GetMulti(keys []string) (map[string]*memcache.Item, error) {
	return map[string]*memcache.Item{keys[0]: {Key: keys[0], Value: []byte("v"), CasID: 1}}, s.work()
}

func (s *slow) Set(*memcache.Item) error            { return s.work() }
func (s *slow) Add(*memcache.Item) error            { return s.work() }
func (s *slow) CompareAndSwap(*memcache.Item) error { return s.work() }

func (s *slow) Delete(string) error {
	s.deleted.Add(1)
	return s.work()
}

// hundred keys, and items for them.
var hundred, items = func() (keys []string, items []cache.Item) {
	for i := range 100 {
		keys = append(keys, fmt.Sprint("k", i))
		items = append(items, cache.Item{Key: keys[i], Value: []byte("v"), TTL: time.Hour})
	}
	return keys, items
}()

// methods are all of them, with a hundred keys.
func methods(s *Store) map[string]func(ctx context.Context) error {
	return map[string]func(ctx context.Context) error{
		"Get": func(ctx context.Context) error {
			_, err := s.Get(ctx, hundred, make([][]byte, 100))
			return err
		},
		"Get one": func(ctx context.Context) error {
			_, err := s.Get(ctx, hundred[:1], make([][]byte, 1))
			return err
		},
		"Set":     func(ctx context.Context) error { return s.Set(ctx, items) },
		"Delete":  func(ctx context.Context) error { return s.Delete(ctx, hundred) },
		"Lease":   func(ctx context.Context) error { return s.Lease(ctx, hundred, "a", time.Second, make([]bool, 100)) },
		"Fill":    func(ctx context.Context) error { return s.Fill(ctx, items, "a") },
		"Release": func(ctx context.Context) error { return s.Release(ctx, hundred, "a") },
	}
}

// TestContext: every method returns in the moment in which its context is done, and
// what it began ends by itself.
func TestContext(t *testing.T) {
	for name := range methods(newStore(&slow{})) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hangs := &slow{takes: time.Minute}
				call := methods(newStore(hangs))[name]
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				defer cancel()
				start := time.Now()
				err := call(ctx)
				if d := time.Since(start); d != 50*time.Millisecond || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%v after %v", err, d)
				}
				began := hangs.started.Load()
				if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("with a context that is done: %v", err)
				}
				if n := hangs.started.Load(); n != began {
					t.Errorf("it began %d more", n-began)
				}
				time.Sleep(time.Hour)
				undone := int64(0)
				if name != "Delete" {
					undone = hangs.deleted.Load()
				}
				if n := hangs.started.Load() - undone; n != began {
					t.Errorf("%d began after the caller had gone", n-began)
				}
			})
		})
	}
}

// TestBounded: however many callers there are and however many have gone, no more
// than 64 operations are under way, and they are all used again.
func TestBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := &slow{takes: time.Minute}
		s := newStore(hangs)
		before := runtime.NumGoroutine()
		for range 100 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			s.Delete(ctx, hundred)
			cancel()
		}
		synctest.Wait()
		if n := runtime.NumGoroutine() - before; n > maxUnderWay+20 { // others come and go, too
			t.Errorf("%d goroutines", n)
		}
		if n := hangs.most.Load(); n != maxUnderWay {
			t.Errorf("%d operations at once, want %d", n, maxUnderWay)
		}
		time.Sleep(time.Minute)
		hangs.takes = time.Millisecond
		if err := s.Delete(t.Context(), hundred); err != nil {
			t.Error(err)
		}
		if n := len(s.slots); n != 0 {
			t.Errorf("%d slots are still taken", n)
		}
	})
}

// TestLateWrites: what is written after its caller has gone is taken back.
func TestLateWrites(t *testing.T) {
	for name, undone := range map[string]bool{"Set": true, "Lease": true, "Fill": false, "Delete": false} {
		synctest.Test(t, func(t *testing.T) {
			hangs := &slow{takes: time.Minute}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			methods(newStore(hangs))[name](ctx)
			began := hangs.started.Load()
			before := hangs.deleted.Load()
			time.Sleep(time.Hour)
			if got := hangs.deleted.Load() - before; got != began && undone || got != 0 && !undone {
				t.Errorf("%s: %d of %d were undone", name, got, began)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		fails := &slow{takes: time.Minute, err: errors.New("i/o timeout")}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		newStore(fails).Set(ctx, items)
		time.Sleep(time.Hour)
		if n := fails.deleted.Load(); n != 0 {
			t.Errorf("%d that had failed were undone", n)
		}
	})
}

// TestCallersOwn: what the caller gave is its own again when the call returns. The
// race detector looks.
func TestCallersOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name := range methods(newStore(&slow{})) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			s := newStore(&reads{slow{takes: time.Minute}})
			keys, values, won := []string{"a", "b"}, make([][]byte, 2), make([]bool, 2)
			list := []cache.Item{{Key: "a", Value: []byte("value"), TTL: time.Hour}}
			switch name {
			case "Get":
				s.Get(ctx, keys, values)
			case "Set":
				s.Set(ctx, list)
			case "Lease":
				s.Lease(ctx, keys, "t", time.Second, won)
			case "Fill":
				s.Fill(ctx, list, "t")
			case "Delete":
				s.Delete(ctx, keys)
			}
			cancel()
			go func() {
				time.Sleep(time.Millisecond)
				keys[0], values[0], won[0], list[0].Key = "x", nil, true, "x"
				copy(list[0].Value, "other")
			}()
			time.Sleep(2 * time.Minute)
		}
	})
}

// reads looks at what it is given at the end, too.
type reads struct{ slow }

func (r *reads) Set(it *memcache.Item) error {
	r.work()
	_ = string(it.Value) + it.Key
	return nil
}

func (r *reads) Add(it *memcache.Item) error { return r.Set(it) }

func (r *reads) GetMulti(keys []string) (map[string]*memcache.Item, error) {
	r.work()
	_ = keys[0] + keys[1]
	return map[string]*memcache.Item{}, nil
}
