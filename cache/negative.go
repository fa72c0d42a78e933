package cache

import (
	lru "github.com/hashicorp/golang-lru/v2"
)

// What an L1 that is bounded by memory leaves for a key that is not there, and
// the longest key that is then remembered.
const (
	negativeBytes  = 256
	maxNegativeKey = 200
)

// negatives remembers what is not there, apart from values, so that made-up keys
// take no room from them. A nil one remembers nothing.
type negatives[K comparable, V any] struct {
	known *lru.Cache[K, *Entry[V]]
}

func newNegatives[K comparable, V any](most int) *negatives[K, V] {
	known, _ := lru.New[K, *Entry[V]](most) // no error: most is positive
	return &negatives[K, V]{known}
}

func (n *negatives[K, V]) has(c *Cache[K, V], key K) bool {
	if n == nil || n.known.Len() == 0 {
		return false
	}
	e, ok := n.known.Get(key)
	switch {
	case !ok:
		return false
	case c.clock.Exact() < e.fresh.Load() && c.current(e):
		return true
	}
	n.known.Remove(key)
	return false
}

// set is called under the lock of the key's flights, as is remove.
func (n *negatives[K, V]) set(key K, e *Entry[V]) {
	if n != nil && isItself(key) {
		n.known.Add(key, e)
	}
}

func (n *negatives[K, V]) remove(key K) {
	if n != nil && n.known.Len() > 0 {
		n.known.Remove(key)
	}
}

func (n *negatives[K, V]) clear() {
	if n != nil {
		n.known.Purge()
	}
}

func (n *negatives[K, V]) len() int {
	if n == nil {
		return 0
	}
	return n.known.Len()
}

// absent makes the entry of a key that is not there, nil if that is not to be
// remembered.
func (c *Cache[K, V]) absent(key K, m *Meta, began int64) *Entry[V] {
	ttl := c.cfg.NegativeTTL
	if m.TTL < 0 {
		return nil
	}
	if m.TTL > 0 {
		ttl = min(m.TTL, longest)
	}
	e := &Entry[V]{created: began, tags: c.tagged(m.Tags)}
	if c.keySize != nil && c.keySize(&key) > maxNegativeKey {
		return nil
	}
	e.fresh.Store(began + int64(ttl))
	return e
}
