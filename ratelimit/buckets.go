package ratelimit

import (
	"fmt"
	"hash/maphash"
	"math"
	"math/bits"
	"slices"
	"sync"
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
	// WideSlots takes 16 bytes a key instead of 8, and compares all of its hash: two
	// keys are never taken for one another, whereas with 8 bytes two of one set
	// are with a chance of 1 in 16 million. Default false.
	WideSlots bool
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

	mu   sync.Mutex
	more []*buckets // with other ticks, for rates that do not fit these
}

// keyMeters are those of a key and of a group, in ticks.
type keyMeters struct {
	key, group meter
	in         *buckets // where their ticks fit
}

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
	k.keys, k.groups = newTable(cfg.Bytes, m, cfg.WideSlots), newTable(cfg.Bytes/groupPart, m, false)
	of, ok := k.metersOf(m)
	if !ok {
		return nil, fmt.Errorf("seawall/ratelimit: Rate.Burst must be at most %d for a limit by key (got %d); count in larger units",
			int64(mostTicks/4), m.rate.Burst)
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
	if next.cfg.Bytes != k.cfg.Bytes || next.cfg.WideSlots != k.cfg.WideSlots || (next.cal == nil) != (k.cal == nil) {
		return next, nil
	}
	if k.cal != nil {
		if next.cfg.Quota.Each != k.cfg.Quota.Each {
			return next, nil
		}
		next.cal.follow(k.cal)
	} else if next.keys.tick < k.keys.tick/16 || next.keys.tick > 16*k.keys.tick {
		// Who was limited to one an hour has not to wait for that at ten a second.
		return next, nil
	}
	on := &buckets{cfg: next.cfg, seed: k.seed, keys: k.keys, groups: k.groups, cal: next.cal, displaced: k.displaced}
	m, err := LimiterConfig{cfg.Rate, cfg.Reserve}.meter()
	if on.cal != nil {
		m, err = cfg.Quota.meter(cfg.Reserve)
	}
	if err != nil {
		return nil, err
	}
	of, ok := on.metersOf(m)
	if !ok {
		return next, nil
	}
	on.meters.Store(of)
	if next.cfg.Reserve == k.cfg.Reserve && next.cfg.GroupFactor == k.cfg.GroupFactor {
		k.mu.Lock()
		on.more = slices.Clone(k.more)
		k.mu.Unlock()
	}
	return on, nil
}

// mostMore is how many tables there may be for rates that do not fit the
// others: each spans rates a million times apart.
const mostMore = 4

// meterFor are the meters of another Rate, in this table or, if its ticks are
// too long or too short for it, in another one of the same size.
func (k *buckets) meterFor(r Rate) (*keyMeters, error) {
	if k.cal != nil {
		return k.meters.Load(), nil
	}
	m, err := LimiterConfig{r, k.cfg.Reserve}.meter()
	if err != nil {
		return nil, err
	}
	if of, ok := k.metersOf(m); ok {
		return of, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, o := range k.more {
		if of, ok := o.metersOf(m); ok {
			return of, nil
		}
	}
	if len(k.more) >= mostMore {
		return nil, fmt.Errorf("seawall/ratelimit: Rate of %v is too far from those of %d tables of the policy", r, mostMore+1)
	}
	cfg := k.cfg
	cfg.Rate = r
	o, err := newBuckets(cfg)
	if err != nil {
		return nil, err
	}
	o.seed, o.displaced = k.seed, k.displaced
	k.more = append(k.more, o)
	return o.meters.Load(), nil
}

// leastTicks is how many a token has at least, where a table was made for
// another rate: less than 2 % is lost by rounding.
const leastTicks = 64

// metersOf are those of a key and of a group, if their ticks fit: a debt that is
// longer than the table remembers would be no limit at all.
func (k *buckets) metersOf(m *meter) (*keyMeters, bool) {
	of := &keyMeters{*m, *m, k}
	if m.inc == 0 || m.tol == 0 {
		return of, true
	}
	factor := int64(k.cfg.GroupFactor)
	if k.cal != nil {
		of.group.rate.Burst = min(m.rate.Burst*factor, mostQuota)
		of.group.spread(1, k.cfg.Reserve)
		return of, true
	}
	for _, t := range []*table{k.keys, k.groups} {
		inc := max(1, t.ticks(m.inc))
		exact := math.Abs(float64(inc)*t.tick-float64(m.inc)) <= 1e-6*float64(m.inc)
		if inc < leastTicks && !exact || float64(inc)*float64(m.rate.Burst) > t.most() {
			return nil, false
		}
	}
	of.key.tick, of.group.tick = k.keys.tick, k.groups.tick
	of.key.spread(max(1, k.keys.ticks(m.inc)), k.cfg.Reserve)
	inc := max(1, k.groups.ticks(m.inc))
	inc = (inc + factor - 1) / factor
	of.group.rate.Burst = max(1, min(m.rate.Burst, mostTicks/2/factor)*factor)
	of.group.rate.Burst = max(1, min(of.group.rate.Burst, mostTicks/2/inc))
	of.group.spread(inc, k.cfg.Reserve)
	return of, true
}

func (k *buckets) take(hash uint64, key []byte, now, cost int64, p seawall.Priority) (d Decision) {
	var b bill
	k.chargeInto(&d, &b, k.meters.Load(), hash, key, now, cost, p)
	return d
}

// bill is what has been charged to whom.
type bill struct {
	k     *buckets
	t     *table // one of k
	lease *lease
	hash  uint64
	need  int64 // ticks, or tokens of a lease
	paid  int64 // when what was charged would have been paid for, in ticks
	used  int64 // of lease, without asking the store
}

func (b *bill) refund(now int64) {
	switch {
	case b.need <= 0:
	case b.t != nil:
		b.t.back(b.hash, b.k.at(b.t, now), b.need, b.paid)
		if b.used > 0 {
			b.lease.used.Add(-b.used)
		}
	case b.lease != nil:
		b.lease.put(b.need)
	}
}

func (k *buckets) charge(m *keyMeters, hash uint64, key []byte, now, cost int64, p seawall.Priority) (d Decision, b bill) {
	k.chargeInto(&d, &b, m, hash, key, now, cost, p)
	return d, b
}

// chargeInto writes into a Decision and a bill that are zero: to copy them takes
// as long as to decide.
func (k *buckets) chargeInto(d *Decision, b *bill, m *keyMeters, hash uint64, key []byte, now, cost int64, p seawall.Priority) {
	if m.key.inc == 0 {
		d.OK, d.meter = m.key.tol > 0 || cost == 0, &m.key
		return
	}
	if m.in != nil && m.in != k {
		k = m.in
	}
	t, charged := k.keys, &m.key
	var at int64
	if k.cal == nil {
		at = t.at(now)
	} else {
		w := k.cal.window(now)
		at, d.end = w.at(), w.endsIn(now)
	}
	if t.sweep(at) {
		k.groups.sweep(k.at(k.groups, now))
	}
	need, upTo := charged.need(cost), charged.ceiling(p)
	v, debt := t.take(hash, at, need, upTo)
	if v == noRoom {
		k.displaced.Add(1)
		t, charged, hash = k.groups, &m.group, k.group(hash, key)
		if k.cal == nil {
			at = t.at(now)
		}
		need, upTo = charged.need(cost), charged.ceiling(p)
		v, debt = t.share(hash, at, need, upTo)
	}
	d.OK, d.debt, d.upTo, d.meter = v == taken, debt, upTo, charged
	if v != taken {
		d.over = debt + need - upTo
		return
	}
	b.k, b.t, b.hash, b.need, b.paid = k, t, hash, need, at+debt
}

// at is a time as a table of k counts it.
func (k *buckets) at(t *table, now int64) int64 {
	if k.cal != nil {
		return k.cal.window(now).at()
	}
	return t.at(now)
}

// raise brings the debt of a key to that part of its burst, if it is less.
func (k *buckets) raise(m *keyMeters, hash, group uint64, part float64) {
	if m.key.inc == 0 || !(part > 0) {
		return
	}
	if m.in != nil {
		k = m.in
	}
	now := clock()
	if k.keys.sweep(k.at(k.keys, now)) {
		k.groups.sweep(k.at(k.groups, now))
	}
	if !k.keys.raise(hash, k.at(k.keys, now), int64(min(part, 1)*float64(m.key.tol))) {
		k.groups.raise(group, k.at(k.groups, now), int64(min(part, 1)*float64(m.key.tol)/float64(k.cfg.GroupFactor)))
	}
}

func (k *buckets) group(hash uint64, key []byte) uint64 {
	if k.cfg.Wider == nil {
		return hash >> (64 - 10) * 0x9e3779b97f4a7c15
	}
	return maphash.Bytes(k.seed, key[:min(max(k.cfg.Wider(key), 0), len(key))])
}

func (k *buckets) stats() KeyedStats {
	st := KeyedStats{Live: k.live(), Capacity: k.keys.capacity(), Displaced: k.displaced.Load()}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, o := range k.more {
		st.Live += o.live()
		st.Capacity += o.keys.capacity()
	}
	return st
}

func (k *buckets) live() int {
	return k.keys.live(k.at(k.keys, clock()))
}

func (k *buckets) hash(key []byte) uint64 { return maphash.Bytes(k.seed, key) }
