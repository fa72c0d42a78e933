package ratelimit

import (
	"fmt"
	"hash/maphash"
	"math/bits"
	"sync/atomic"
	"unsafe"

	"github.com/seawall-go/seawall"
)

// KeyedConfig sets up a Keyed.
type KeyedConfig struct {
	// Rate of each key. Required.
	Rate Rate
	// Reserve keeps a part of each burst for the higher priorities. Default none.
	Reserve Reserve
	// Bytes is how much memory the table takes, rounded down to a power of two,
	// an eighth of it for groups: 4 KiB to 1 GiB. A key in debt takes 8 bytes.
	// Default 8 MiB: for a million keys.
	Bytes int
	// Wider is how many bytes of a key name the larger group it belongs to: the
	// network of an address, the tenant of a user. When there is no room for
	// another key in debt, the newcomers of a group share an allowance of
	// GroupFactor keys, so that a flood of keys shuts out only its own kind and
	// nobody it has made to wait is forgotten. Default: a key is of one of 1024
	// groups by its hash.
	Wider func(key []byte) int
	// GroupFactor is what the newcomers of a group may do, in keys. Default 16.
	GroupFactor int
}

const (
	defaultBytes = 8 << 20
	minBytes     = 4 << 10
	maxBytes     = 1 << 30
	groupPart    = 8
	someGroups   = 1024
	maxFactor    = 1 << 20
)

func (c KeyedConfig) resolve() (KeyedConfig, error) {
	if c.Bytes == 0 {
		c.Bytes = defaultBytes
	}
	if c.GroupFactor == 0 {
		c.GroupFactor = 16
	}
	switch {
	case c.Bytes < minBytes || c.Bytes > maxBytes:
		return c, fmt.Errorf("seawall/ratelimit: Bytes must be between %d and %d (got %d)", minBytes, maxBytes, c.Bytes)
	case c.GroupFactor < 1 || c.GroupFactor > maxFactor:
		return c, fmt.Errorf("seawall/ratelimit: GroupFactor must be between 1 and %d (got %d)", maxFactor, c.GroupFactor)
	}
	c.Bytes = 1 << (bits.Len(uint(c.Bytes)) - 1)
	return c, nil
}

// Keyed is a Limiter for each key, in memory of a fixed size. A decision
// touches one cache line and allocates nothing. Keys without debt, those who
// have not come for a while, take no room. Two keys of one set are taken for
// one another with a chance of 1 in 16 million; hashes are seeded anew in each
// process, so that nobody can look for such a pair.
type Keyed struct {
	seed      maphash.Seed
	cfg       KeyedConfig
	meters    atomic.Pointer[keyMeters]
	keys      *table
	groups    *table
	displaced *atomic.Uint64
}

// keyMeters are those of a key and of a group, in ticks.
type keyMeters struct{ key, group meter }

// NewKeyed returns a Keyed; it takes Config.Bytes and an eighth more.
func NewKeyed(cfg KeyedConfig) (*Keyed, error) {
	cfg, err := cfg.resolve()
	if err != nil {
		return nil, err
	}
	k := &Keyed{seed: maphash.MakeSeed(), cfg: cfg, displaced: new(atomic.Uint64)}
	m, err := LimiterConfig{cfg.Rate, cfg.Reserve}.meter()
	if err != nil {
		return nil, err
	}
	k.keys, k.groups = newTable(cfg.Bytes, m), newTable(cfg.Bytes/groupPart, m)
	k.meters.Store(k.metersOf(m, cfg.Reserve))
	return k, nil
}

// changed is a Keyed with another configuration that goes on with the debts of
// this one, if their table has the right size and counts in ticks that fit.
func (k *Keyed) changed(cfg KeyedConfig) (*Keyed, error) {
	next, err := NewKeyed(cfg)
	if err != nil {
		return nil, err
	}
	// A token has to be some ticks, and its debt of before no longer than its
	// burst now: who was limited to one an hour has not to wait for that.
	if next.cfg.Bytes != k.cfg.Bytes || next.keys.tick < 0.9*k.keys.tick || next.keys.tick > 16*k.keys.tick {
		return next, nil
	}
	next.seed, next.keys, next.groups, next.displaced = k.seed, k.keys, k.groups, k.displaced
	m, err := LimiterConfig{cfg.Rate, cfg.Reserve}.meter()
	if err != nil {
		return nil, err
	}
	next.meters.Store(next.metersOf(m, cfg.Reserve))
	return next, nil
}

func (k *Keyed) metersOf(m *meter, kept Reserve) *keyMeters {
	of := &keyMeters{*m, *m}
	if m.inc == 0 {
		return of
	}
	for i, factor := range []int64{1, int64(k.cfg.GroupFactor)} {
		m := []*meter{&of.key, &of.group}[i]
		m.tick = k.keys.tick
		m.rate.Burst = m.rate.Burst * factor
		m.spread(max(1, k.keys.ticks(m.inc)/factor), kept)
	}
	return of
}

// Take takes cost tokens of a key, if a request of that priority may. A cost of
// 0 only looks, one above the burst never succeeds, and a negative one counts
// as 0.
func (k *Keyed) Take(key string, cost int64, p seawall.Priority) Decision {
	h := maphash.String(k.seed, key)
	return k.take(h, unsafe.Slice(unsafe.StringData(key), len(key)), clock(), max(cost, 0), p) // never written to
}

// TakeBytes is Take for a key that is no string.
func (k *Keyed) TakeBytes(key []byte, cost int64, p seawall.Priority) Decision {
	return k.take(k.hash(key), key, clock(), max(cost, 0), p)
}

func (k *Keyed) take(hash uint64, key []byte, now, cost int64, p seawall.Priority) Decision {
	d, _ := k.charge(k.meters.Load(), hash, key, now, cost, p)
	return d
}

// bill is what has been charged to whom.
type bill struct {
	t    *table
	hash uint64
	need int64
}

func (b bill) refund(now int64) {
	if b.t != nil && b.need > 0 {
		b.t.back(b.hash, b.t.at(now), b.need)
	}
}

func (k *Keyed) charge(m *keyMeters, hash uint64, key []byte, now, cost int64, p seawall.Priority) (Decision, bill) {
	if m.key.inc == 0 {
		return Decision{OK: m.key.tol > 0 || cost == 0, meter: &m.key}, bill{}
	}
	t, charged := k.keys, &m.key
	at := t.at(now)
	t.sweep(at)
	need, upTo := charged.need(cost), charged.ceiling(p)
	v, debt := t.take(hash, at, need, upTo)
	if v == noRoom {
		k.displaced.Add(1)
		t, charged, hash = k.groups, &m.group, k.group(hash, key)
		t.sweep(at)
		need, upTo = charged.need(cost), charged.ceiling(p)
		v, debt = t.share(hash, at, need, upTo)
	}
	d := Decision{OK: v == taken, debt: debt, meter: charged}
	if v != taken {
		d.over = debt + need - upTo
		return d, bill{}
	}
	return d, bill{t, hash, need}
}

func (k *Keyed) group(hash uint64, key []byte) uint64 {
	if k.cfg.Wider == nil {
		return hash >> (64 - 10) * 0x9e3779b97f4a7c15
	}
	return maphash.Bytes(k.seed, key[:min(max(k.cfg.Wider(key), 0), len(key))])
}

// KeyedStats is how a Keyed is.
type KeyedStats struct {
	// Live keys are in debt, of Capacity that can be. Displaced is how many
	// requests have found no room for their key.
	Live, Capacity int
	Displaced      uint64
}

// Stats counts; that takes about a millisecond for each MiB.
func (k *Keyed) Stats() KeyedStats {
	return KeyedStats{
		Live: k.keys.live(k.keys.at(clock())), Capacity: len(k.keys.sets) * ways, Displaced: k.displaced.Load(),
	}
}

func (k *Keyed) hash(key []byte) uint64 { return maphash.Bytes(k.seed, key) }
