package cache

import (
	"fmt"
	"sync/atomic"

	lru "github.com/hashicorp/golang-lru/v2"
)

// LRU returns an L1 that keeps the most recently used entries, up to a number of
// them, whatever their size. It is golang-lru behind this seam: exact, with one
// mutex for all, and about 120 bytes an entry. It is the one for a bound in
// entries, small caches and tests; a loop or a scan over more than fits leaves it
// without hits. It starts no goroutine.
func LRU[K comparable, V any](entries int) (L1[K, V], error) {
	if entries < 1 {
		return nil, fmt.Errorf("seawall/cache: LRU: entries must be positive (got %d)", entries)
	}
	c, err := lru.New[K, *Entry[V]](entries)
	if err != nil {
		return nil, fmt.Errorf("seawall/cache: LRU: %w", err)
	}
	return &lruL1[K, V]{c: c}, nil
}

type lruL1[K comparable, V any] struct {
	c      *lru.Cache[K, *Entry[V]]
	closed atomic.Bool
}

func (l *lruL1[K, V]) Get(key K) (*Entry[V], bool) { return l.c.Get(key) }

func (l *lruL1[K, V]) Set(key K, e *Entry[V], _ int64) {
	if !isItself(key) || l.closed.Load() {
		return
	}
	l.c.Add(key, e)
	if l.closed.Load() { // Close may have been there before
		l.c.Purge()
	}
}

func (l *lruL1[K, V]) Delete(key K) { l.c.Remove(key) }
func (l *lruL1[K, V]) Clear()       { l.c.Purge() }
func (l *lruL1[K, V]) Len() int     { return l.c.Len() }
func (l *lruL1[K, V]) Close()       { l.closed.Store(true); l.c.Purge() }

// isItself is false for a key with a NaN in it: a map takes it in each time anew,
// and never finds or deletes it.
func isItself[K comparable](key K) bool {
	return key == key //nolint:gocritic,staticcheck,revive // see above
}
