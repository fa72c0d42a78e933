package cache

// L1 is the tier inside the process: a bounded map that decides which entries
// to keep. It knows nothing of time: whether an entry is fresh is the Cache's
// affair, so that all engines expire alike. See LRU, Ristretto, and the module
// adapters/otterstore.
//
// All methods may be called from many goroutines. None may wait for anybody
// else's work, as Set and Delete are called under a lock of the Cache.
type L1[K comparable, V any] interface {
	// Get returns what Set last left there, unless it had to go since.
	Get(key K) (*Entry[V], bool)
	// Set puts an entry in the place of any other, at once: a Get after it
	// returns it or nothing. Cost is in bytes and positive, with the key, the
	// value and the Entry counted, and not what the engine itself needs.
	Set(key K, e *Entry[V], cost int64)
	// Delete takes it away, at once.
	Delete(key K)
	// Clear takes all away.
	Clear()
	// Len is about how many there are.
	Len() int
	// Close ends what the engine has started. A Get after it finds nothing.
	Close()
}

// Coster is an L1 that is bounded by the sum of costs, and so needs the Cache to
// find out the size of each value.
type Coster interface {
	// MaxCost is the bound, in bytes.
	MaxCost() int64
}
