package cache_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall/cache"
)

// store is an L2 in memory, with leases, a bus, and faults.
type store struct {
	rtt   time.Duration
	trips atomic.Int64
	down  atomic.Bool
	hangs atomic.Bool

	mu     sync.Mutex
	values map[string]kept
	leases map[string]kept
	ears   []*ear
}

type kept struct {
	value []byte
	until time.Time
}

type ear struct {
	heard func([]byte)
	lost  func()
}

var errStore = errors.New("store is down")

func (s *store) trip(ctx context.Context) error {
	s.trips.Add(1)
	if s.hangs.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	time.Sleep(s.rtt)
	if s.down.Load() {
		return errStore
	}
	return nil
}

func (s *store) Get(ctx context.Context, keys []string, values [][]byte) (time.Time, error) {
	if err := s.trip(ctx); err != nil {
		return time.Time{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, k := range keys {
		if v, ok := s.values[k]; ok && time.Now().Before(v.until) {
			values[i] = v.value
		}
	}
	return time.Now(), nil
}

func (s *store) Set(ctx context.Context, items []cache.Item) error {
	if err := s.trip(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, it := range items {
		delete(s.leases, it.Key)
		s.put(it)
	}
	return nil
}

func (s *store) put(it cache.Item) {
	if s.values == nil {
		s.values = make(map[string]kept)
	}
	s.values[it.Key] = kept{it.Value, time.Now().Add(it.TTL)}
}

func (s *store) Delete(ctx context.Context, keys []string) error {
	if err := s.trip(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range keys {
		delete(s.leases, k)
		delete(s.values, k)
	}
	return nil
}

func (s *store) Lease(ctx context.Context, keys []string, token string, ttl time.Duration, won []bool) error {
	if err := s.trip(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leases == nil {
		s.leases = make(map[string]kept)
	}
	for i, k := range keys {
		if l, ok := s.leases[k]; ok && time.Now().Before(l.until) {
			continue
		}
		s.leases[k] = kept{[]byte(token), time.Now().Add(ttl)}
		won[i] = true
	}
	return nil
}

func (s *store) Fill(ctx context.Context, items []cache.Item, token string) error {
	if err := s.trip(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, it := range items {
		if string(s.leases[it.Key].value) == token {
			delete(s.leases, it.Key)
			s.put(it)
		}
	}
	return nil
}

func (s *store) Release(ctx context.Context, keys []string, token string) error {
	if err := s.trip(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range keys {
		if string(s.leases[k].value) == token {
			delete(s.leases, k)
		}
	}
	return nil
}

func (s *store) Publish(_ context.Context, message []byte) error {
	if s.down.Load() {
		return errStore
	}
	s.mu.Lock()
	ears := append([]*ear(nil), s.ears...)
	s.mu.Unlock()
	for _, e := range ears {
		e.heard(message)
	}
	return nil
}

func (s *store) Listen(ctx context.Context, heard func([]byte), lost func()) {
	e := &ear{heard, lost}
	s.mu.Lock()
	s.ears = append(s.ears, e)
	s.mu.Unlock()
	lost()
	<-ctx.Done()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.ears {
		if s.ears[i] == e {
			s.ears = append(s.ears[:i], s.ears[i+1:]...)
			return
		}
	}
}

func fleet(t *testing.T, n int, s *store, bus bool, cfg cache.Config[string, string]) []*cache.Cache[string, string] {
	t.Helper()
	cfg.Shared.L2 = s
	if bus {
		cfg.Shared.Bus = s
	}
	var out []*cache.Cache[string, string]
	for range n {
		out = append(out, closing(t, cfg))
	}
	synctest.Wait()
	return out
}

func TestFleetLoadsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, s := &source{takes: 20 * time.Millisecond}, &store{rtt: 100 * time.Microsecond}
		nodes := fleet(t, 4, s, true, cache.Config[string, string]{Load: src.load, TTL: time.Second, StaleWhileRevalidate: time.Second})
		for round := range 5 {
			var wg sync.WaitGroup
			for _, c := range nodes {
				for range 100 {
					wg.Go(func() {
						if _, err := c.Get(t.Context(), "a"); err != nil {
							t.Error(err)
						}
					})
				}
			}
			wg.Wait()
			time.Sleep(300 * time.Millisecond)
			if n := src.loads.Load(); n != int64(round+1) {
				t.Errorf("round %d: %d loads", round, n)
			}
			time.Sleep(time.Second)
		}
		t.Logf("%+v", nodes[0].Stats().L2)
	})
}

func TestFleetInvalidates(t *testing.T) {
	for _, bus := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			t.Log("bus:", bus)
			src, s := &source{takes: time.Millisecond}, &store{rtt: 100 * time.Microsecond}
			nodes := fleet(t, 2, s, bus, cache.Config[string, string]{Load: func(ctx context.Context, key string, m *cache.Meta) (string, error) {
				m.Tags = []string{"all", "row:" + key}
				return src.load(ctx, key, m)
			}, Early: -1})
			a, b := nodes[0], nodes[1]
			wait := func() {
				synctest.Wait()
				if !bus {
					time.Sleep(8 * time.Second) // LocalTTL, and stale once
					a.Get(t.Context(), "x")
					b.Get(t.Context(), "x")
				}
				time.Sleep(10 * time.Millisecond)
			}
			get(t, a, "x", "x-1")
			time.Sleep(time.Millisecond)
			get(t, b, "x", "x-1")
			a.Set(t.Context(), "x", "set")
			wait()
			get(t, b, "x", "set")
			a.Delete(t.Context(), "x")
			wait()
			get(t, b, "x", "x-2")
			wait()
			get(t, a, "x", "x-2")
			b.InvalidateTags(t.Context(), "row:x")
			wait()
			get(t, a, "x", "x-3")
			wait()
			get(t, b, "x", "x-3")
			b.Clear(t.Context())
			time.Sleep(time.Second)
			wait()
			get(t, a, "x", "x-4")
		})
	}
}

func TestStoreDown(t *testing.T) {
	for _, how := range []string{"down", "hangs"} {
		synctest.Test(t, func(t *testing.T) {
			src, s := &source{takes: time.Millisecond}, &store{rtt: 100 * time.Microsecond}
			nodes := fleet(t, 2, s, true, cache.Config[string, string]{Load: src.load, Early: -1})
			a, b := nodes[0], nodes[1]
			get(t, a, "x", "x-1")
			time.Sleep(time.Millisecond)
			get(t, b, "x", "x-1")
			(map[string]*atomic.Bool{"down": &s.down, "hangs": &s.hangs})[how].Store(true)
			a.Delete(t.Context(), "x")
			get(t, a, "x", "x-2")
			get(t, a, "y", "y-3")
			began := time.Now()
			for range 100 {
				a.Delete(t.Context(), "x")
				if _, err := a.Get(t.Context(), "x"); err != nil {
					t.Fatal(err)
				}
			}
			if took := time.Since(began); took != 100*time.Millisecond {
				t.Errorf("%s: 100 loads of a millisecond took %v", how, took)
			}
			n := src.loads.Load()
			s.down.Store(false)
			s.hangs.Store(false)
			time.Sleep(10 * time.Second)
			if st := a.Stats().L2; st.Pending != 0 || !st.Up {
				t.Errorf("%+v", st)
			}
			if v, err := b.Get(t.Context(), "x"); err != nil || v == "x-1" {
				t.Errorf("b: %q, %v", v, err)
			}
			t.Log(n, src.loads.Load())
		})
	}
}
