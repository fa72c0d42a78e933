package cache

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"sync"
	"sync/atomic"

	"github.com/seawall-go/seawall/internal/coarse"
	"github.com/seawall-go/seawall/internal/tally"
)

const component = "cache"

// ErrNotFound is what a Loader returns for what does not exist, and Get then,
// too.
var ErrNotFound = errors.New("seawall/cache: not found")

// ErrClosed is returned after Close.
var ErrClosed = errors.New("seawall/cache: closed")

// Cache keeps values of type V by keys of type K. All methods may be called from
// many goroutines.
type Cache[K comparable, V any] struct {
	// What a fresh hit reads stands together, apart from what others write.
	l1    L1[K, V]
	clock *coarse.Clock
	clone func(V) V // or nil
	// epoch changes whenever entries may have become invalid by something else than
	// their key. An entry that has seen it needs no second look.
	epoch atomic.Uint32
	gap   atomic.Uint32 // the epoch since which messages are known to be complete
	hits  tally.Tally

	cfg     Config[K, V]
	size    func(*K, *V) int64 // nil if L1 does not ask, as is keySize
	keySize func(*K) int64
	stats   counters
	all     atomic.Int64 // what was loaded before is invalid
	tags    tagTable

	flights   flights[K, V]
	negatives *negatives[K, V]
	loads     chan struct{}
	refreshes chan struct{}
	stamps    atomic.Int64

	remote *remote[K, V] // nil without L2
	hand   byHand        // an operator's

	ctx    context.Context //nolint:containedctx // the Cache's own life, which Close ends
	cancel context.CancelFunc
	mu     sync.Mutex // of closed and of work.Add
	closed bool
	work   sync.WaitGroup
}

// New returns a Cache. It takes little memory until there is something to keep,
// but for MaxBytes, of which a thirtieth is taken at once. With a Bus it starts
// one goroutine, with MaxBytes two.
func New[K comparable, V any](cfg Config[K, V]) (*Cache[K, V], error) {
	cfg, err := cfg.resolve()
	if err != nil {
		return nil, err
	}
	if cfg.Load == nil && cfg.LoadMany != nil {
		cfg.Load = oneOfMany(cfg.LoadMany)
	}
	c := &Cache[K, V]{
		cfg: cfg, clock: coarse.New(), clone: cfg.Clone,
		loads: make(chan struct{}, cfg.MaxLoads), refreshes: make(chan struct{}, cfg.MaxRefreshes),
	}
	c.flights.seed = maphash.MakeSeed()
	c.tags.most = cfg.MaxTags
	c.tags.lost = math.MinInt64 // what others have loaded may be older than this process
	c.all.Store(math.MinInt64)
	if err := c.makeL1(); err != nil {
		return nil, err
	}
	if cfg.NegativeTTL > 0 {
		c.negatives = newNegatives[K, V](cfg.MaxNegative)
	}
	c.hand.prepare(cfg.Shared.L2 != nil)
	c.ctx, c.cancel = context.WithCancel(context.Background()) //nolint:gosec // Close cancels it
	if cfg.Shared.L2 != nil {
		c.remote = newRemote(c)
	}
	return c, nil
}

func (c *Cache[K, V]) makeL1() (err error) {
	switch {
	case c.cfg.L1 != nil:
		c.l1 = c.cfg.L1
	case c.cfg.MaxBytes > 0:
		room := c.cfg.MaxBytes
		if c.cfg.NegativeTTL > 0 {
			room -= min(int64(c.cfg.MaxNegative)*negativeBytes, room/2)
		}
		c.l1, err = Ristretto[K, V](RistrettoConfig{MaxBytes: room})
	default:
		if c.cfg.MaxEntries == 0 {
			c.cfg.MaxEntries = 10_000
		}
		c.l1, err = LRU[K, V](c.cfg.MaxEntries)
	}
	if err != nil {
		return fmt.Errorf("seawall/cache: L1: %w", err)
	}
	if _, asks := c.l1.(Coster); asks {
		c.size, c.keySize = sizeOf(c.cfg.Size), sizer[K]()
	}
	return nil
}

// Get returns the value of a key: from L1, from L2, or from Config.Load. However
// many ask at once, there is one load. A fresh hit costs what the engine costs and
// about 20 ns, and allocates nothing. The error is that of the load, ErrNotFound,
// ctx's, or a *PanicError.
func (c *Cache[K, V]) Get(ctx context.Context, key K) (V, error) {
	e, ok := c.l1.Get(key)
	if ok && e.plain(c.clock.Now(), c.epoch.Load()) { // as in GetOrLoad: to call that takes 3 ns, and copies the value twice
		c.hits.Add()
		if c.clone == nil { // through out a large value would be copied once more
			return e.value, nil
		}
		return c.clone(e.value), nil
	}
	v, _, err := c.consider(ctx, key, e, c.cfg.Load)
	return v, err
}

// GetState is Get that also says what it found: Fresh, Stale, Negative, or Miss if
// the caller had to wait for L2 or a load, whatever that brought.
func (c *Cache[K, V]) GetState(ctx context.Context, key K) (V, State, error) {
	e, ok := c.l1.Get(key)
	if ok && e.plain(c.clock.Now(), c.epoch.Load()) {
		c.hits.Add()
		return c.out(e.value), Fresh, nil
	}
	return c.consider(ctx, key, e, c.cfg.Load)
}

// GetOrLoad is Get with a Loader of its own. Those who ask for the same key at once
// share one load all the same.
func (c *Cache[K, V]) GetOrLoad(ctx context.Context, key K, load Loader[K, V]) (V, error) {
	e, ok := c.l1.Get(key)
	if ok && e.plain(c.clock.Now(), c.epoch.Load()) {
		c.hits.Add()
		if c.clone == nil { // through out a large value would be copied once more
			return e.value, nil
		}
		return c.clone(e.value), nil
	}
	v, _, err := c.consider(ctx, key, e, load)
	return v, err
}

// consider is for all but the plainest hit. E is nil if there is none.
func (c *Cache[K, V]) consider(ctx context.Context, key K, e *Entry[V], load Loader[K, V]) (v V, state State, err error) {
	e, state = c.look(key, e)
	switch state {
	case Fresh:
		c.hits.Add()
		return c.out(e.value), Fresh, nil
	case Stale:
		c.stats.stale.Add(1)
		return c.out(e.value), Stale, nil
	case refreshing:
		state = Stale
		if c.clock.Exact() < e.fresh.Load() { // before its end
			state = Fresh
			c.hits.Add()
		} else {
			c.stats.stale.Add(1)
		}
		c.refresh(ctx, key, e, load, false)
		return c.out(e.value), state, nil
	case Negative:
		c.stats.negative.Add(1)
		return v, Negative, ErrNotFound
	default:
		c.stats.misses.Add(1)
		if load == nil && c.remote == nil {
			return v, Miss, c.absence()
		}
		v, err = c.wait(ctx, key, load, e)
		return v, Miss, err
	}
}

// absence is the answer where there is nothing, and nobody to ask.
func (c *Cache[K, V]) absence() error {
	if err := c.open(); err != nil {
		return err
	}
	return ErrNotFound
}

func (c *Cache[K, V]) out(v V) V {
	if c.clone != nil {
		return c.clone(v)
	}
	return v
}

// Peek returns what is in L1, if it may still be shown, and neither asks L2 nor
// loads. What would be fresh if LocalTTL had not ended is Stale, too. It counts
// nowhere.
func (c *Cache[K, V]) Peek(key K) (V, State, bool) {
	var zero V
	e, ok := c.l1.Get(key)
	if ok && e.plain(c.clock.Now(), c.epoch.Load()) { // as Get does
		return c.out(e.value), Fresh, true
	}
	if e, state := c.peek(key, e); state != Miss {
		if e == nil {
			return zero, Negative, true
		}
		return c.out(e.value), state, true
	}
	return zero, Miss, false
}

// stamp is the time, a different one for each caller, in the order of the calls:
// what is loaded in the nanosecond of an invalidation is older or newer than it.
func (c *Cache[K, V]) stamp() int64 {
	for {
		last := c.stamps.Load()
		now := max(c.clock.Exact(), last+1)
		if c.stamps.CompareAndSwap(last, now) {
			return now
		}
	}
}

// begin counts a goroutine of the Cache's that Close waits for.
func (c *Cache[K, V]) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.work.Add(1)
	return true
}

// Close writes to L2 what is still to be written, ends all loads and waits for
// them, until ctx is done. After it every Get returns ErrClosed. The error is
// ErrUntold if L2 is away, and ctx's if a load does not end.
func (c *Cache[K, V]) Close(ctx context.Context) error {
	c.mu.Lock()
	already := c.closed
	c.closed = true
	c.mu.Unlock()
	var err error
	if c.remote != nil && !already {
		err = c.remote.outbox.flush(ctx)
	}
	c.cancel()
	ended := make(chan struct{})
	go func() {
		c.work.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		err = errors.Join(err, fmt.Errorf("seawall/cache: loads are still under way: %w", context.Cause(ctx)))
	}
	if already {
		return err
	}
	if c.remote != nil {
		err = errors.Join(err, c.remote.guard.Close(ctx))
	}
	c.negatives.clear()
	c.hand.Release()
	c.clock.Close()
	c.l1.Close()
	return err
}
