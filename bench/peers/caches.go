package peers

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/Yiling-J/theine-go"
	"github.com/dgraph-io/ristretto/v2"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/jellydator/ttlcache/v3"
	"github.com/maypok86/otter/v2"

	"github.com/seawall-go/seawall/adapters/otterstore"
	"github.com/seawall-go/seawall/cache"
)

// engine is what is below a Cache of seawall's.
type engine int

const (
	onLRU engine = iota
	onRistretto
	onOtter
)

func seawallCache(e engine) func(Case) (*Scene, error) {
	inMemory := stored(
		func(c Case, loads *atomic.Uint64) (*store[uint64], error) { return seawallStore[uint64](e, c, loads) },
		func(c Case, loads *atomic.Uint64) (*store[string], error) { return seawallStore[string](e, c, loads) },
	)
	return func(c Case) (*Scene, error) {
		if c == TwoTierHit {
			return seawallTwoTiers(e)
		}
		return inMemory(c)
	}
}

func seawallStore[K comparable](e engine, c Case, loads *atomic.Uint64) (*store[K], error) {
	cfg := cache.Config[K, string]{TTL: time.Hour}
	if c == Load {
		load := source[K](loads)
		cfg.Load = func(_ context.Context, k K, _ *cache.Meta) (string, error) { return load(k), nil }
	}
	if err := below(&cfg, e, c.room(), bytesFor); err != nil {
		return nil, err
	}
	kept, err := cache.New(cfg)
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	get := func(k K) (string, bool) {
		v, err := kept.Get(ctx, k)
		return v, err == nil
	}
	return &store[K]{
		get:    get,
		set:    func(k K, v string) bool { return kept.Set(ctx, k, v) == nil },
		load:   get,
		settle: func() {},
		count:  func() uint64 { return kept.Stats().Hits },
		stop:   func() { _ = kept.Close(ctx) },
	}, nil
}

// below chooses the engine, with room for so many entries.
func below[K comparable, V any](cfg *cache.Config[K, V], e engine, room int, bytes func(int) int64) (err error) {
	switch e {
	case onLRU:
		cfg.MaxEntries = room
	case onRistretto:
		cfg.MaxBytes = bytes(room)
	case onOtter:
		cfg.L1, err = otterstore.New[K, V](otterstore.Config{MaxEntries: room})
	}
	return err
}

// bytesFor is how many bytes have room for so many entries of the benchmark.
func bytesFor(entries int) int64 {
	most := int64(entries) * 300
	for range 4 {
		c, err := cache.New(cache.Config[uint64, string]{MaxBytes: most, TTL: time.Hour})
		if err != nil {
			return most
		}
		for k := range uint64(4 * entries) {
			_ = c.Set(context.Background(), k, aValue)
		}
		most = most * int64(entries) / int64(max(1, c.Stats().Entries))
		_ = c.Close(context.Background())
	}
	return most
}

func lruStore[K comparable](c Case, _ *atomic.Uint64) (*store[K], error) {
	l, err := lru.New[K, string](c.room())
	if err != nil {
		return nil, err
	}
	return &store[K]{
		get: l.Get,
		set: func(k K, v string) bool {
			l.Add(k, v)
			return true
		},
		settle: func() {},
	}, nil
}

// ristrettoStore counts entries, not bytes, and not its own overhead.
func ristrettoStore[K interface {
	comparable
	uint64 | string
}](c Case, _ *atomic.Uint64) (*store[K], error) {
	r, err := ristretto.NewCache(&ristretto.Config[K, string]{
		NumCounters: int64(10 * c.room()), MaxCost: int64(c.room()), BufferItems: 64, IgnoreInternalCost: true,
	})
	if err != nil {
		return nil, err
	}
	s := &store[K]{
		get: r.Get,
		set: func(k K, v string) bool {
			r.Set(k, v, 1) // dropped now and then, which is its way
			return true
		},
		settle: r.Wait,
		stop:   r.Close,
	}
	if !(c == Aside) { // where they have to be there
		set := s.set
		patient := func(k K, v string) bool {
			set(k, v)
			r.Wait()
			return true
		}
		s.set = patient
		s.settle = func() { s.set = set }
	}
	return s, nil
}

func otterStore[K comparable](c Case, loads *atomic.Uint64) (*store[K], error) {
	o, err := otter.New(&otter.Options[K, string]{MaximumSize: c.room()})
	if err != nil {
		return nil, err
	}
	load, ctx := source[K](loads), context.Background()
	loader := otter.LoaderFunc[K, string](func(_ context.Context, k K) (string, error) { return load(k), nil })
	return &store[K]{
		get: o.GetIfPresent,
		set: func(k K, v string) bool {
			o.Set(k, v)
			return true
		},
		load: func(k K) (string, bool) {
			v, err := o.Get(ctx, k, loader)
			return v, err == nil
		},
		settle: func() {},
		stop:   func() { o.StopAllGoroutines() },
	}, nil
}

func theineStore[K comparable](c Case, loads *atomic.Uint64) (*store[K], error) {
	if c == Load {
		return theineLoading[K](c, loads)
	}
	t, err := theine.NewBuilder[K, string](int64(c.room())).Build()
	if err != nil {
		return nil, err
	}
	return &store[K]{
		get:    t.Get,
		set:    func(k K, v string) bool { return t.Set(k, v, 1) },
		settle: t.Wait,
		stop:   t.Close,
	}, nil
}

func theineLoading[K comparable](c Case, loads *atomic.Uint64) (*store[K], error) {
	load, ctx := source[K](loads), context.Background()
	t, err := theine.NewBuilder[K, string](int64(c.room())).Loading(func(_ context.Context, k K) (theine.Loaded[string], error) {
		return theine.Loaded[string]{Value: load(k), Cost: 1}, nil
	}).Build()
	if err != nil {
		return nil, err
	}
	return &store[K]{
		load: func(k K) (string, bool) {
			v, err := t.Get(ctx, k)
			return v, err == nil
		},
		stop: t.Close,
	}, nil
}

// ttlcacheStore has a TTL, which is what it is for, that a hit does not begin
// anew.
func ttlcacheStore[K comparable](c Case, loads *atomic.Uint64) (*store[K], error) { //nolint:unparam // as the others are
	load := source[K](loads)
	t := ttlcache.New(
		ttlcache.WithTTL[K, string](time.Hour),
		ttlcache.WithCapacity[K, string](uint64(c.room())),
		ttlcache.WithDisableTouchOnHit[K, string](),
	)
	loader := ttlcache.WithLoader[K, string](ttlcache.NewSuppressedLoader(ttlcache.LoaderFunc[K, string](
		func(t *ttlcache.Cache[K, string], k K) *ttlcache.Item[K, string] {
			return t.Set(k, load(k), ttlcache.DefaultTTL)
		},
	), nil))
	go t.Start()
	return &store[K]{
		get: func(k K) (string, bool) {
			if i := t.Get(k); i != nil {
				return i.Value(), true
			}
			return "", false
		},
		set: func(k K, v string) bool { return t.Set(k, v, ttlcache.DefaultTTL) != nil },
		load: func(k K) (string, bool) {
			if i := t.Get(k, loader); i != nil {
				return i.Value(), true
			}
			return "", false
		},
		settle: func() {},
		stop:   t.Stop,
	}, nil
}
