package otterstore

import (
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"unsafe"

	"github.com/maypok86/otter/v2"

	"github.com/seawall-go/seawall/cache"
)

// Config sets up New. Exactly one of its fields is required.
type Config struct {
	// MaxEntries bounds the number of entries, whatever their size.
	MaxEntries int
	// MaxBytes bounds the memory of keys, values, entries, and what otter needs
	// for them. An entry of 4 GiB or more is not kept.
	MaxBytes int64
}

// nodeBytes is what otter takes for an entry beside two words and the key: a node
// of its lists and a slot of its table, measured.
const nodeBytes = 72

// New returns an engine for a Cache. It takes about 120 bytes an entry, and
// starts a goroutine now and then that puts its lists in order and ends. Close
// stops the rest.
func New[K comparable, V any](config Config) (cache.L1[K, V], error) {
	switch {
	case config.MaxEntries < 0:
		return nil, fmt.Errorf("seawall/otterstore: MaxEntries must be positive (got %d)", config.MaxEntries)
	case config.MaxBytes < 0:
		return nil, fmt.Errorf("seawall/otterstore: MaxBytes must be positive (got %d)", config.MaxBytes)
	case config.MaxEntries > 0 && config.MaxBytes > 0:
		return nil, fmt.Errorf("seawall/otterstore: MaxEntries and MaxBytes exclude each other (got %d and %d)",
			config.MaxEntries, config.MaxBytes)
	case config.MaxEntries == 0 && config.MaxBytes == 0:
		return nil, errors.New("seawall/otterstore: MaxEntries or MaxBytes is required")
	}
	var key K
	overhead := int64(unsafe.Sizeof(key)) + nodeBytes
	options := &otter.Options[K, held[V]]{Logger: &otter.NoopLogger{}}
	if config.MaxBytes > 0 {
		options.MaximumWeight = uint64(config.MaxBytes)
		options.Weigher = func(_ K, h held[V]) uint32 { return h.weight }
	} else {
		options.MaximumSize = config.MaxEntries
	}
	c, err := otter.New(options)
	if err != nil {
		return nil, fmt.Errorf("seawall/otterstore: %w", err)
	}
	s := &store[K, V]{c: c, overhead: overhead}
	if config.MaxBytes > 0 {
		return costStore[K, V]{s, config.MaxBytes}, nil
	}
	return s, nil
}

// held is an entry with its weight.
type held[V any] struct {
	entry  *cache.Entry[V]
	weight uint32
}

type store[K comparable, V any] struct {
	c        *otter.Cache[K, held[V]]
	overhead int64
	closed   atomic.Bool
}

// costStore is a store that wants to know what entries cost.
type costStore[K comparable, V any] struct {
	*store[K, V]
	maxBytes int64
}

func (s costStore[K, V]) MaxCost() int64 { return s.maxBytes }

func (s *store[K, V]) Get(key K) (*cache.Entry[V], bool) {
	h, ok := s.c.GetIfPresent(key)
	return h.entry, ok
}

func (s *store[K, V]) Set(key K, e *cache.Entry[V], cost int64) {
	if key != key { //nolint:gocritic // a key with a NaN in it is never found again
		return
	}
	weight := max(1, cost) + s.overhead
	if weight > math.MaxUint32 {
		s.c.Invalidate(key)
		return
	}
	if s.closed.Load() {
		return
	}
	s.c.Set(key, held[V]{entry: e, weight: uint32(weight)})
	if s.closed.Load() { // Close may not have seen it
		s.c.InvalidateAll()
	}
}

func (s *store[K, V]) Delete(key K) { s.c.Invalidate(key) }
func (s *store[K, V]) Clear()       { s.c.InvalidateAll() }
func (s *store[K, V]) Len() int     { return s.c.EstimatedSize() }

func (s *store[K, V]) Close() {
	s.closed.Store(true)
	s.c.InvalidateAll()
	s.c.StopAllGoroutines()
}
