package httpcache

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache"
	"github.com/seawall-go/seawall/internal/coarse"
	"github.com/seawall-go/seawall/internal/hand"
)

// Cache is an HTTP cache in front of a handler. All methods may be called from many
// goroutines.
type Cache struct {
	cfg        Config
	off        uint64 // rules that are not in force: for tests
	ignore     []string
	keyLengths uint64 // of the names in KeyHeaders
	keyFirsts  uint64 // their first letters
	statuses   [600]bool
	clock      *coarse.Clock
	store      *cache.Cache[Key, *Response]

	seed      maphash.Seed
	flights   [flightShards]flightShard
	refreshes chan struct{}
	deleted   [deletedSlots]atomic.Int64
	writes    [writeLocks]sync.Mutex
	normals   [normalPlaces]atomic.Pointer[preference]
	hashes    [normalPlaces]atomic.Pointer[hash]
	keyed     [keyedBits / 64]atomic.Uint64
	stats     counters
	recording atomic.Int64 // bytes in answers under way
	// recordMost bounds it.
	recordMost int64
	calm       atomic.Bool // an operator's: nothing is renewed that may still be shown
	passAll    atomic.Bool // an operator's: as if this cache was not there
	hand       hand.Hand

	ctx    context.Context //nolint:containedctx // the Cache's own life, which Close ends
	cancel context.CancelFunc
	mu     sync.Mutex // of closed and of work.Add
	closed bool
	work   sync.WaitGroup
}

// New returns a Cache. Of MaxBytes it takes a thirtieth at once, and it starts two
// goroutines.
func New(cfg Config) (*Cache, error) {
	cfg, err := cfg.resolve()
	if err != nil {
		return nil, err
	}
	shared, clock := cfg.Shared, coarse.New()
	if shared.L2 != nil {
		shared.Codec = codec{clock}
		if shared.LeaseWait == 0 {
			shared.LeaseWait = min(cfg.Wait, 30*24*time.Hour) // package cache has no longer ones
		}
		if shared.LocalTTL == 0 && shared.Bus == nil {
			shared.LocalTTL = 10 * time.Second
		}
	}
	store, err := cache.New(cache.Config[Key, *Response]{
		Name: cfg.Name, MaxBytes: cfg.MaxBytes, L1: cfg.L1, MaxTags: cfg.tags(), Shared: shared, Size: sizeOf(cfg.MaxVariants),
		LoadTimeout: cfg.LoadTimeout, MaxLoads: 1 << 20, Jitter: seawall.Off, Early: seawall.Off,
		StaleWhileRevalidate: seawall.Off, StaleIfError: seawall.Off, SoftTimeout: seawall.Off, NegativeTTL: seawall.Off,
		Observer: cfg.Observer,
	})
	if err != nil {
		return nil, fmt.Errorf("seawall/httpcache: %w", err)
	}
	h := &Cache{
		cfg: cfg, ignore: cfg.IgnoreQuery, keyLengths: lengthsOf(cfg.KeyHeaders), keyFirsts: firstsOf(cfg.KeyHeaders),
		clock: clock, store: store, seed: maphash.MakeSeed(), refreshes: make(chan struct{}, cfg.MaxRefreshes),
	}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.prepareHand()
	for status := 200; status < 500; status++ {
		h.statuses[status] = cfg.Statuses == nil && !slices.Contains(notByDefault, status)
	}
	for _, status := range cfg.Statuses {
		h.statuses[status] = true
	}
	h.recordMost = recordMost
	if cfg.L1 == nil {
		h.recordMost = cfg.MaxBytes / 2
	}
	return h, nil
}

// Close ends what is under way in the background and waits for it, until ctx is
// done. Requests that come afterwards pass through.
func (h *Cache) Close(ctx context.Context) error {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.passAll.Store(true)
	h.cancel()
	ended := make(chan struct{})
	go func() {
		h.work.Wait()
		close(ended)
	}()
	var err error
	select {
	case <-ended:
	case <-ctx.Done():
		err = fmt.Errorf("seawall/httpcache: requests in the background are still under way: %w", context.Cause(ctx))
	}
	h.hand.Release()
	err = errors.Join(err, h.store.Close(ctx))
	h.clock.Close()
	return err
}

// begin counts a goroutine that Close waits for.
func (h *Cache) begin() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	h.work.Add(1)
	return true
}

// deletedSlots is for how many keys it is known when they were deleted. Others that
// fall on the same one are not kept once, for nothing.
const deletedSlots = 4096

func (h *Cache) slot(primary *Key) *atomic.Int64 { return &h.deleted[h.slotOf(primary)] }

func (h *Cache) slotOf(primary *Key) uint64 { return h.sumOfURL(primary) % deletedSlots }

func (h *Cache) sumOfURL(primary *Key) uint64 {
	return maphash.String(h.seed, primary.Path) ^ maphash.String(h.seed, primary.Query)
}

// keyedBits is for how many URLs it is known whether something may be kept with
// request fields of KeyHeaders in its key. Only such URLs have a tag, and only for
// these the store hears of it when they are purged: requests that change something
// under URLs that somebody makes up leave no tags behind. No bit is ever taken back.
const keyedBits = 1 << 16

func (h *Cache) keyedBit(primary *Key) (*atomic.Uint64, uint64) {
	bit := h.sumOfURL(primary) % keyedBits
	return &h.keyed[bit/64], 1 << (bit % 64)
}

func (h *Cache) mayBeKeyed(primary *Key) bool {
	word, bit := h.keyedBit(primary)
	return word.Load()&bit != 0
}

// writeLocks is how many URLs can be written at once outside loads of the store.
const writeLocks = 64

// writing returns the lock of a URL under which it is noted that it is deleted, and
// under which what is kept outside a load is kept if it was not: so neither can come
// between the two steps of the other.
func (h *Cache) writing(primary *Key) *sync.Mutex { return &h.writes[h.slotOf(primary)%writeLocks] }

// deletedSince says whether a URL may have been purged since.
func (h *Cache) deletedSince(primary *Key, began int64) bool { return h.slot(primary).Load() >= began }
