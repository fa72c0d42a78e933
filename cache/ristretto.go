package cache

import (
	"fmt"
	"hash/maphash"
	"math"
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/dgraph-io/ristretto/v2"
)

// RistrettoConfig sets up Ristretto.
type RistrettoConfig struct {
	// MaxBytes bounds the memory of everything: keys, values, entries, and what
	// the engine needs besides, of which 0.5 MiB are there from the start. At
	// least 1 MiB. Required.
	MaxBytes int64
	// Counters is of how many accesses ristretto knows how popular keys are: ten
	// times the number of entries is good, much more makes it slow to forget. They
	// take up to 4 bytes each, out of MaxBytes. Default one for each 128 bytes of
	// MaxBytes, which is right for entries of about 1 KiB; at most 2^30.
	Counters int64
}

const (
	minMaxBytes = 1 << 20
	minCounters = 1 << 10
	maxCounters = 1 << 30

	// indexShards have a lock each. Readers share it.
	indexShards = 64

	// windowPercent is the part of the room that goes by recency. Less of it is
	// better where popularity stays as it is, more of it where it moves; see the
	// table of test/cache. With this much no trace there is more than 2 points
	// below a plain LRU.
	windowPercent = 80

	// recordHits is how many hits of an entry ristretto is told before it is taken
	// to know: its counters end at 15, and are halved now and then.
	recordHits = 8
)

// Ristretto returns an L1 that is bounded in bytes. In front of ristretto, which
// keeps what is often used, stands a window of what was used last; an entry that
// was used again in the window is offered to ristretto when it leaves it. All are
// found by one index, which is written at once: what has been Set is there for
// the next Get, a dropped or late Set of ristretto loses nothing, and what was
// deleted or replaced never comes back.
//
// It takes about 150 bytes an entry, and 270 in ristretto's part. Two goroutines
// run until Close.
func Ristretto[K comparable, V any](config RistrettoConfig) (L1[K, V], error) {
	if config.MaxBytes < minMaxBytes {
		return nil, fmt.Errorf("seawall/cache: MaxBytes must be at least %d (got %d)", minMaxBytes, config.MaxBytes)
	}
	if config.Counters < 0 || config.Counters > maxCounters {
		return nil, fmt.Errorf("seawall/cache: Counters must be between 0 and %d (got %d)", maxCounters, config.Counters)
	}
	counters := config.Counters
	if counters == 0 {
		counters = min(maxCounters, int64(1)<<(bits.Len64(uint64(config.MaxBytes/128))-1))
	}
	counters = max(minCounters, counters)

	room := config.MaxBytes - fixedBytes(counters)
	if room < config.MaxBytes/4 {
		return nil, fmt.Errorf("seawall/cache: Counters must leave room for entries (got %d, which take %d of %d bytes)",
			counters, fixedBytes(counters), config.MaxBytes)
	}
	windowRoom := room / 100 * windowPercent
	l := &ristrettoL1[K, V]{
		seed:       maphash.MakeSeed(),
		maxBytes:   config.MaxBytes,
		maxEntry:   room / 16,
		overhead:   cellBytes[K, V](),
		epochAfter: max(16, counters/16),
	}
	l.feed.batchBytes = room / 64
	l.feed.mainRoom = room - windowRoom
	l.window.init(windowRoom)
	for i := range l.shards {
		l.shards[i].cells = make(map[K]*cell[K, V])
		// They come to the end of their counts one after another.
		l.shards[i].misses.Store(int64(i) * l.epochAfter / indexShards)
	}
	var err error
	l.main, err = ristretto.NewCache(&ristretto.Config[uint64, *cell[K, V]]{
		NumCounters:        counters,
		MaxCost:            room - windowRoom,
		BufferItems:        recordBuffer(counters),
		IgnoreInternalCost: true,
		KeyToHash:          func(hash uint64) (uint64, uint64) { return hash, 0 },
		OnEvict:            func(item *ristretto.Item[*cell[K, V]]) { l.evicted(item.Value) },
		OnReject:           func(item *ristretto.Item[*cell[K, V]]) { l.rejected(item.Value) },
		// An entry is never changed in its place: what is there under this hash is
		// another key's, which stays.
		ShouldUpdate: func(_, _ *cell[K, V]) bool { return false },
		// Nothing has a TTL of ristretto's, so its ticker may rest.
		TtlTickerDurationInSec: math.MaxInt32,
	})
	if err != nil {
		return nil, fmt.Errorf("seawall/cache: %w", err)
	}
	return l, nil
}

// recordBuffer is how many accesses each processor collects before it passes them
// on. ristretto keeps three such collections and loses what comes while it does not
// get a processor, so that more is better, as far as it does not make it late.
func recordBuffer(counters int64) int64 { return min(max(counters/32, 64), 2048) }

// ristrettoL1 takes its locks in this order: feed.flushing, a shard, the window.
// ristretto's own goroutine takes a shard and the window when it drops an entry,
// so nobody waits for it who holds one of those.
type ristrettoL1[K comparable, V any] struct {
	seed       maphash.Seed
	main       *ristretto.Cache[uint64, *cell[K, V]]
	maxBytes   int64
	maxEntry   int64 // what is larger is not kept
	overhead   int64 // of an entry in the window
	epochAfter int64 // misses in a shard
	epoch      atomic.Uint32
	muted      atomic.Bool // ristretto empties itself
	closed     bool        // under feed.flushing
	window     window[K, V]
	feed       feed[K, V]
	shards     [indexShards]indexShard[K, V]
}

// indexShard is a part of the index. It alone says what a key holds.
type indexShard[K comparable, V any] struct {
	sync.RWMutex
	cells  map[K]*cell[K, V] // nil after Close
	misses atomic.Int64
	_      [24]byte // fills the cache line
}

func (l *ristrettoL1[K, V]) shard(hash uint64) *indexShard[K, V] {
	// ristretto goes by the low bits.
	return &l.shards[hash>>58]
}

func (l *ristrettoL1[K, V]) Get(key K) (*Entry[V], bool) {
	hash := maphash.Comparable(l.seed, key)
	s := l.shard(hash)
	s.RLock()
	c, ok := s.cells[key]
	if !ok {
		l.missed(s, hash)
		s.RUnlock()
		return nil, false
	}
	e := c.entry
	if c.use.Load() != l.epoch.Load()|useAgain|recordHits {
		l.used(c)
	}
	s.RUnlock()
	return e, true
}

// used marks an entry as used again, and tells ristretto. Two at once may count
// as one.
func (l *ristrettoL1[K, V]) used(c *cell[K, V]) {
	epoch, u := l.epoch.Load(), c.use.Load()
	if u&useEpoch != epoch {
		u = epoch // and it was not used again for that long
	}
	if n := u & useCount; n < recordHits {
		l.main.Get(c.hash)
		u++
	}
	c.use.Store(u | useAgain)
}

// missed tells ristretto, which remembers the popular among those that are not
// there, too.
func (l *ristrettoL1[K, V]) missed(s *indexShard[K, V], hash uint64) {
	if s.cells == nil {
		return
	}
	l.main.Get(hash)
	if s.misses.Add(1)%l.epochAfter == 0 {
		l.epoch.Add(useEpochStep)
	}
}

func (l *ristrettoL1[K, V]) Set(key K, e *Entry[V], cost int64) {
	if !isItself(key) {
		return
	}
	if cost > l.maxEntry-l.overhead {
		l.Delete(key)
		return
	}
	hash := maphash.Comparable(l.seed, key)
	c := &cell[K, V]{key: key, entry: e, hash: hash, cost: max(1, cost) + l.overhead}
	s := l.shard(hash)
	s.Lock()
	if s.cells == nil {
		s.Unlock()
		return
	}
	old := s.cells[key]
	s.cells[key] = c
	l.window.Lock()
	if old != nil {
		l.drop(old)
	}
	l.window.push(c)
	gone := l.shrink()
	due := l.feed.due()
	l.window.Unlock()
	s.Unlock()
	l.forget(gone)
	if due {
		l.flush()
	}
}

func (l *ristrettoL1[K, V]) Delete(key K) {
	hash := maphash.Comparable(l.seed, key)
	s := l.shard(hash)
	s.Lock()
	c, ok := s.cells[key]
	if !ok {
		s.Unlock()
		return
	}
	delete(s.cells, key)
	l.window.Lock()
	l.drop(c)
	due := l.feed.due()
	l.window.Unlock()
	s.Unlock()
	if due {
		l.flush()
	}
}

func (l *ristrettoL1[K, V]) Clear() {
	l.feed.flushing.Lock()
	defer l.feed.flushing.Unlock()
	if !l.closed {
		l.empty(func() map[K]*cell[K, V] { return make(map[K]*cell[K, V]) })
	}
}

func (l *ristrettoL1[K, V]) Len() int {
	n := 0
	for i := range l.shards {
		s := &l.shards[i]
		s.RLock()
		n += len(s.cells)
		s.RUnlock()
	}
	return n
}

func (l *ristrettoL1[K, V]) MaxCost() int64 { return l.maxBytes }
