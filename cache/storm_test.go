package cache_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/seawall-go/seawall/cache"
)

// storm is the model with real goroutines: tiny loads of a few keys, and writes in
// the middle of them.
type storm struct {
	t    *testing.T
	c    *cache.Cache[int, sight]
	keys [3]struct {
		writer  sync.Mutex
		present atomic.Int64 // version
		floor   atomic.Int64 // a Get that begins now must not return less
	}
	raced atomic.Int64 // loads in which a write fell
	reads atomic.Int64
}

// load reads, and then takes its time.
func (s *storm) load(_ context.Context, key int, m *cache.Meta) (sight, error) {
	m.Tags = tagsOf(key)
	k := &s.keys[key]
	for range rand.IntN(3) {
		runtime.Gosched()
	}
	n := k.present.Load()
	for range rand.IntN(8) {
		runtime.Gosched()
	}
	if k.present.Load() != n {
		s.raced.Add(1)
	}
	if absent(int(n)) {
		return sight{}, cache.ErrNotFound
	}
	return sight{key, int(n)}, nil
}

func (s *storm) read(ctx context.Context, key int) {
	k := &s.keys[key]
	floor := int(k.floor.Load())
	v, err := s.c.Get(ctx, key)
	n := int(k.present.Load())
	s.reads.Add(1)
	switch {
	case errors.Is(err, cache.ErrNotFound):
		for m := n; m >= floor; m-- {
			if absent(m) {
				return
			}
		}
		s.t.Errorf("key %d was not found in a version above %d of %d", key, floor, n)
	case err != nil:
		if ctx.Err() == nil {
			s.t.Error(err)
		}
	case v.Key != key || v.N < floor || v.N > n:
		s.t.Errorf("key %d has %+v, valid is %d, there is %d", key, v, floor, n)
	}
}

func (s *storm) write(ctx context.Context, key int) {
	k := &s.keys[key]
	k.writer.Lock()
	n := k.present.Add(1)
	set := !absent(int(n)) && rand.IntN(2) == 0
	var err error
	if set {
		err = s.c.SetWith(ctx, key, sight{key, int(n)}, cache.Meta{Tags: tagsOf(key)})
	}
	k.writer.Unlock()
	switch how := rand.IntN(8); {
	case set:
	case how < 4:
		err = s.c.Delete(ctx, key)
	case how < 7:
		err = s.c.InvalidateTags(ctx, tagsOf(key)[0])
	default:
		err = s.c.Clear(ctx)
	}
	if err != nil {
		s.t.Error(err)
	}
	for {
		old := k.floor.Load()
		if old >= n || k.floor.CompareAndSwap(old, n) {
			return
		}
	}
}

func (s *storm) blow(raced int64) {
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			for s.raced.Load() < raced && !s.t.Failed() {
				key := rand.IntN(len(s.keys))
				if rand.IntN(3) == 0 {
					s.write(s.t.Context(), key)
					continue
				}
				ctx, cancel := context.WithCancel(s.t.Context())
				if rand.IntN(8) == 0 { // somebody who leaves at once
					cancel()
				}
				s.read(ctx, key)
				cancel()
			}
		})
	}
	all.Wait()
	for key := range s.keys {
		s.keys[key].floor.Store(s.keys[key].present.Load())
		s.read(s.t.Context(), key)
	}
}

// TestStorm: no value is seen, by anybody who asks later, that was read before a
// Set, Delete, InvalidateTags or Clear that has returned, however they fall into
// loads. SEAWALL_LONG=1 goes on until a million loads had a write in their middle.
func TestStorm(t *testing.T) {
	raced := int64(400)
	if long() {
		raced = 1_000_000
	}
	for name, cfg := range map[string]cache.Config[int, sight]{
		"lru":       {MaxEntries: 2},
		"ristretto": {MaxBytes: 2 << 20},
		"many tags": {MaxTags: 4, NegativeTTL: -1, Early: -1},
		"finish":    {FinishLoads: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := &storm{t: t}
			cfg.Load = s.load
			s.c = closing(t, cfg)
			s.blow(raced / 4)
			t.Logf("%d loads raced, %d loads, %d reads", s.raced.Load(), s.c.Stats().Loads, s.reads.Load())
		})
	}
}
