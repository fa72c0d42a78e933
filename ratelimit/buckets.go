package ratelimit

import (
	"fmt"
	"hash/maphash"
	"math/bits"
	"sync/atomic"

	"github.com/seawall-go/seawall"
)

// KeyedConfig sets up a Keyed.
type KeyedConfig struct {
	// Rate of each key. Required, or else Quota.
	Rate Rate
	// Quota in place of Rate counts by windows of the calendar.
	Quota Quota
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
	case c.Quota != Quota{} && c.Rate != Rate{}:
		return c, fmt.Errorf("seawall/ratelimit: Rate and Quota must not both be set (got %v and %v)", c.Rate, c.Quota)
	case c.GroupFactor < 1 || c.GroupFactor > maxFactor:
		return c, fmt.Errorf("seawall/ratelimit: GroupFactor must be between 1 and %d (got %d)", maxFactor, c.GroupFactor)
	}
	c.Bytes = 1 << (bits.Len(uint(c.Bytes)) - 1)
	return c, nil
}

// buckets are a Keyed between two updates.
type buckets struct {
	seed      maphash.Seed
	cfg       KeyedConfig
	meters    atomic.Pointer[keyMeters]
	keys      *table
	groups    *table
	cal       *calendar
	displaced *atomic.Uint64
}

// keyMeters are those of a key and of a group, in ticks.
type keyMeters struct{ key, group meter }

func newBuckets(cfg KeyedConfig) (*buckets, error) {
	cfg, err := cfg.resolve()
	if err != nil {
		return nil, err
	}
	k := &buckets{seed: maphash.MakeSeed(), cfg: cfg, displaced: new(atomic.Uint64)}
	var m *meter
	if cfg.Quota != (Quota{}) {
		k.cal = newCalendar(cfg.Quota)
		m, err = cfg.Quota.meter(cfg.Reserve)
	} else {
		m, err = LimiterConfig{cfg.Rate, cfg.Reserve}.meter()
	}
	if err != nil {
		return nil, err
	}
	k.keys, k.groups = newTable(cfg.Bytes, m), newTable(cfg.Bytes/groupPart, m)
	of, err := k.metersOf(m)
	if err != nil {
		return nil, err
	}
	k.meters.Store(of)
	return k, nil
}

// changed is a Keyed with another configuration that goes on with the debts of
// this one, if their table has the right size and counts in ticks that fit.
func (k *buckets) changed(cfg KeyedConfig) (*buckets, error) {
	next, err := newBuckets(cfg)
	if err != nil {
		return nil, err
	}
	if next.cfg.Bytes != k.cfg.Bytes || (next.cal == nil) != (k.cal == nil) {
		return next, nil
	}
	if k.cal != nil {
		if next.cfg.Quota.Each != k.cfg.Quota.Each {
			return next, nil
		}
		next.cal.follow(k.cal)
	} else if next.keys.tick < 0.9*k.keys.tick || next.keys.tick > 16*k.keys.tick {
		// A token has to be some ticks, and its debt of before no longer than its
		// burst now: who was limited to one an hour has not to wait for that.
		return next, nil
	}
	on := &buckets{cfg: next.cfg, seed: k.seed, keys: k.keys, groups: k.groups, cal: next.cal, displaced: k.displaced}
	if k.cal != nil {
		on.meters.Store(next.meters.Load())
		return on, nil
	}
	m, err := on.meterFor(cfg.Rate)
	if err != nil {
		return next, nil //nolint:nilerr // in a table of its own it fits
	}
	on.meters.Store(m)
	return on, nil
}

// meterFor are the meters of another Rate in this table.
func (k *buckets) meterFor(r Rate) (*keyMeters, error) {
	if k.cal != nil {
		return k.meters.Load(), nil
	}
	m, err := LimiterConfig{r, k.cfg.Reserve}.meter()
	if err != nil {
		return nil, err
	}
	return k.metersOf(m)
}

// metersOf are those of a key and of a group. A rate so low or a burst so large
// that a debt would not fit a slot is an error: it would be no limit at all.
func (k *buckets) metersOf(m *meter) (*keyMeters, error) {
	of := &keyMeters{*m, *m}
	if m.inc == 0 || m.tol == 0 {
		return of, nil
	}
	if k.cal != nil {
		of.group.rate.Burst = min(m.rate.Burst*int64(k.cfg.GroupFactor), mostQuota)
		of.group.spread(1, k.cfg.Reserve)
		return of, nil
	}
	for i, factor := range []int64{1, int64(k.cfg.GroupFactor)} {
		m := []*meter{&of.key, &of.group}[i]
		m.tick = k.keys.tick
		m.rate.Burst *= factor
		inc := max(1, k.keys.ticks(m.inc)/factor)
		if float64(inc)*float64(m.rate.Burst) > mostTicks/2 {
			return nil, fmt.Errorf("seawall/ratelimit: Rate of %v is too slow beside that of the table, or its Burst too large", m.rate)
		}
		m.spread(inc, k.cfg.Reserve)
	}
	return of, nil
}

func (k *buckets) take(hash uint64, key []byte, now, cost int64, p seawall.Priority) Decision {
	d, _ := k.charge(k.meters.Load(), hash, key, now, cost, p)
	return d
}

// bill is what has been charged to whom.
type bill struct {
	t     *table
	lease *lease
	hash  uint64
	at    int64
	need  int64
	used  int64 // of lease, without asking the store
}

func (b *bill) refund() {
	switch {
	case b.need <= 0:
	case b.t != nil:
		b.t.back(b.hash, b.at, b.need)
		if b.used > 0 {
			b.lease.used.Add(-b.used)
		}
	case b.lease != nil:
		b.lease.put(b.need)
	}
}

func (k *buckets) charge(m *keyMeters, hash uint64, key []byte, now, cost int64, p seawall.Priority) (d Decision, b bill) {
	if m.key.inc == 0 {
		return Decision{OK: m.key.tol > 0 || cost == 0, meter: &m.key}, bill{}
	}
	t, charged := k.keys, &m.key
	var at int64
	if k.cal == nil {
		at = t.at(now)
	} else {
		w := k.cal.window(now)
		at, d.end = w.at(), w.endsIn(now)
	}
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
	d.OK, d.debt, d.meter = v == taken, debt, charged
	if v != taken {
		d.over = debt + need - upTo
		return d, bill{}
	}
	return d, bill{t: t, hash: hash, at: at, need: need}
}

// at is a time as the table counts it.
func (k *buckets) at(now int64) int64 {
	if k.cal != nil {
		return k.cal.window(now).at()
	}
	return k.keys.at(now)
}

// raise brings the debt of a key to that part of its burst, if it is less.
func (k *buckets) raise(m *keyMeters, hash, group uint64, part float64) {
	if m.key.inc == 0 || !(part > 0) {
		return
	}
	at := k.at(clock())
	if !k.keys.raise(hash, at, int64(min(part, 1)*float64(m.key.tol))) {
		k.groups.raise(group, at, int64(min(part, 1)*float64(m.key.tol)/float64(k.cfg.GroupFactor)))
	}
}

func (k *buckets) group(hash uint64, key []byte) uint64 {
	if k.cfg.Wider == nil {
		return hash >> (64 - 10) * 0x9e3779b97f4a7c15
	}
	return maphash.Bytes(k.seed, key[:min(max(k.cfg.Wider(key), 0), len(key))])
}

func (k *buckets) stats() KeyedStats {
	return KeyedStats{Live: k.live(), Capacity: len(k.keys.sets) * ways, Displaced: k.displaced.Load()}
}

func (k *buckets) live() int {
	return k.keys.live(k.at(clock()))
}

func (k *buckets) hash(key []byte) uint64 { return maphash.Bytes(k.seed, key) }
