package ratelimit

import (
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/seawall-go/seawall"
)

// Keyed is a Limiter for each key, in memory of a fixed size. A decision
// touches one cache line and allocates nothing. Keys without debt, those who
// have not come for a while, take no room. Two keys of one set are taken for
// one another with a chance of 1 in 16 million; hashes are seeded anew in each
// process, so that nobody can look for such a pair.
type Keyed struct {
	now atomic.Pointer[buckets]
	mu  sync.Mutex // of Update
}

// NewKeyed returns a Keyed; it takes Config.Bytes and an eighth more.
func NewKeyed(cfg KeyedConfig) (*Keyed, error) {
	inner, err := newBuckets(cfg)
	if err != nil {
		return nil, err
	}
	k := new(Keyed)
	k.now.Store(inner)
	return k, nil
}

// Update changes the configuration. Debts stay, unless Bytes changes, or the
// rates are more than about 16 times apart. After an error all is as before.
func (k *Keyed) Update(cfg KeyedConfig) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	next, err := k.now.Load().changed(cfg)
	if err != nil {
		return err
	}
	k.now.Store(next)
	return nil
}

// Take takes cost tokens of a key, if a request of that priority may. A cost of
// 0 only looks, one above the burst never succeeds, and a negative one counts
// as 0.
func (k *Keyed) Take(key string, cost int64, p seawall.Priority) Decision {
	return k.TakeBytes(unsafe.Slice(unsafe.StringData(key), len(key)), cost, p) //nolint:gosec // never written to
}

// TakeBytes is Take for a key that is no string.
func (k *Keyed) TakeBytes(key []byte, cost int64, p seawall.Priority) Decision {
	in := k.now.Load()
	return in.take(in.hash(key), key, clock(), max(cost, 0), p)
}

// KeyedStats is how a Keyed is.
type KeyedStats struct {
	// Live keys are in debt, of Capacity that can be. Displaced is how many
	// requests have found no room for their key.
	Live, Capacity int
	Displaced      uint64
}

// Stats counts; that takes about a millisecond for each MiB.
func (k *Keyed) Stats() KeyedStats { return k.now.Load().stats() }
