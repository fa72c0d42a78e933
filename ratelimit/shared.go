package ratelimit

import (
	"context"
	"fmt"
	"hash/maphash"
	"math/bits"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/time/rate"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/internal/storeguard"
)

// SharedConfig sets up a Shared.
type SharedConfig struct {
	// Name is part of the buckets' names in the store: limits of different names
	// have different buckets. Letters, digits, "-", "_" and ".". Default
	// "default".
	Name string
	// Rate of each key, for all processes together. Required, or else Quota.
	Rate Rate
	// Quota in place of Rate counts by windows of the calendar.
	Quota Quota
	// Reserve keeps a part of each burst for the higher priorities. Default none.
	Reserve Reserve
	// Bytes is the memory for keys when the store is lost. Default 8 MiB.
	Bytes int
	// WideSlots, Wider and GroupFactor are as in KeyedConfig, and used with Bytes.
	WideSlots   bool
	Wider       func(key []byte) int
	GroupFactor int
	// Leases is how many keys may have a lease at once, rounded up to a power of
	// two: 8 to 16 million. One takes up to 400 bytes. The others share the store
	// all the same, but with a call each. Default 65536.
	Leases int
	// Sharing is how. Its Store and Nodes are required.
	Sharing Sharing
	// OnChange is told when the store does not answer, once a second call has
	// found that, and when it answers again. Default none.
	OnChange func(up bool, cause error)
}

const (
	defaultLeases = 1 << 16
	maxLeases     = 1 << 24
	guardOpen     = 250 * time.Millisecond
	guardCalls    = 512
	guardPatience = 10 // budgets
)

// Shared is a Keyed whose buckets are those of a fleet: see Sharing. It starts
// goroutines only for calls to the store; Close waits for them.
type Shared struct {
	cfg     SharedConfig
	prefix  string
	meters  atomic.Pointer[sharedMeters]
	seed    maphash.Seed
	leases  *leases
	guard   *storeguard.Guard
	alone   *buckets
	cal     *calendar
	counts  sharedCounts
	tell    atomic.Pointer[func(up bool, cause error)]
	closing atomic.Bool
}

type sharedCounts struct {
	calls, fallbacks, granted, returned atomic.Uint64
}

// sharedMeters are a Rate's: whole, and this process's part of it.
type sharedMeters struct {
	whole meter
	alone *keyMeters
	most  int64 // a lease
	mark  [seawall.NumPriorities]uint64
}

// NewShared returns a Shared. It asks nothing of the store yet.
func NewShared(cfg SharedConfig) (*Shared, error) {
	if cfg.Name == "" {
		cfg.Name = "default"
	}
	if err := validName(cfg.Name); err != nil {
		return nil, fmt.Errorf("seawall/ratelimit: %w", err)
	}
	if cfg.Leases == 0 {
		cfg.Leases = defaultLeases
	}
	if cfg.Leases < ways || cfg.Leases > maxLeases {
		return nil, fmt.Errorf("seawall/ratelimit: Leases must be between %d and %d (got %d)", ways, maxLeases, cfg.Leases)
	}
	cfg.Leases = 1 << bits.Len(uint(cfg.Leases-1))
	var err error
	if cfg.Sharing, err = cfg.Sharing.resolve(); err != nil {
		return nil, fmt.Errorf("seawall/ratelimit: %w", err)
	}
	s := &Shared{
		cfg: cfg, seed: maphash.MakeSeed(), leases: newLeases(cfg.Leases),
		prefix: cfg.Sharing.Prefix + ":" + cfg.Name + ":",
	}
	s.tell.Store(&cfg.OnChange)
	s.guard = storeguard.New(storeguard.Config{
		Budget: cfg.Sharing.Budget, Patience: guardPatience * cfg.Sharing.Budget,
		Open: guardOpen, Calls: guardCalls, OnChange: func(up bool, cause error) {
			if tell := *s.tell.Load(); tell != nil {
				tell(up, cause)
			}
		},
	})
	if s.alone, err = newBuckets(KeyedConfig{
		Rate: cfg.Rate.part(cfg.Sharing.Nodes), Quota: cfg.Quota.part(cfg.Sharing.Nodes),
		Reserve: cfg.Reserve, Bytes: cfg.Bytes, WideSlots: cfg.WideSlots, Wider: cfg.Wider, GroupFactor: cfg.GroupFactor,
	}); err != nil {
		return nil, err
	}
	if cfg.Quota.N > 0 {
		s.cal = newCalendar(cfg.Quota)
	}
	m, err := s.metersOf(cfg.Rate)
	if err != nil {
		return nil, err
	}
	s.meters.Store(m)
	return s, nil
}

// part is what one of so many processes has of it alone.
func (r Rate) part(nodes int) Rate {
	if r.Limit <= 0 { // not set, or an error for NewKeyed to find
		return r
	}
	r = r.defaults()
	r.Limit /= rate.Limit(nodes)
	if r.Burst > 0 {
		r.Burst = max(1, r.Burst/int64(nodes))
	}
	return r
}

func (q Quota) part(nodes int) Quota {
	if q.N > 0 {
		q.N = max(1, q.N/int64(nodes))
	}
	return q
}

func (s *Shared) metersOf(r Rate) (*sharedMeters, error) {
	m, err := s.cfg.meter(r)
	if err != nil {
		return nil, err
	}
	of := &sharedMeters{whole: *m, alone: s.alone.meters.Load()}
	if s.cal == nil {
		if of.alone, err = s.alone.meterFor(r.part(s.cfg.Sharing.Nodes)); err != nil {
			return nil, err
		}
	}
	of.most = min(max(1, m.rate.Burst/int64(2*s.cfg.Sharing.Nodes)), mostLease)
	for i := 1; i < len(of.mark); i++ { // what may be used up to the same level shares a lease
		of.mark[i] = of.mark[i-1]
		if m.upTo[i] != m.upTo[i-1] {
			of.mark[i] += 0x9e3779b97f4a7c15
		}
	}
	return of, nil
}

func (c SharedConfig) meter(r Rate) (*meter, error) {
	if c.Quota.N != 0 {
		return c.Quota.meter(c.Reserve)
	}
	return LimiterConfig{r, c.Reserve}.meter()
}

// SetRate changes the Rate of all keys. Processes that have not been told yet
// go on at their own. A Quota cannot be changed.
func (s *Shared) SetRate(r Rate) error {
	if s.cal != nil {
		return fmt.Errorf("seawall/ratelimit: SetRate is for a Rate, and this counts %v", s.cfg.Quota)
	}
	m, err := s.metersOf(r)
	if err != nil {
		return err
	}
	s.meters.Store(m)
	s.alone.meters.Store(m.alone)
	return nil
}

// Take takes cost tokens of a key, as Keyed.Take does. It may wait for the
// store, up to Sharing.Budget or until ctx is done; if there is no answer by
// then, Sharing.OnLoss decides.
func (s *Shared) Take(ctx context.Context, key string, cost int64, p seawall.Priority) Decision {
	return s.TakeBytes(ctx, unsafe.Slice(unsafe.StringData(key), len(key)), cost, p) //nolint:gosec // never written to
}

// TakeBytes is Take for a key that is no string.
func (s *Shared) TakeBytes(ctx context.Context, key []byte, cost int64, p seawall.Priority) Decision {
	d, _ := s.take(ctx, &question{m: s.meters.Load(), key: key, now: clock(), cost: max(cost, 0), priority: p}, s.cfg.Sharing.Budget)
	return d
}

// question is what a Shared is asked.
type question struct {
	m        *sharedMeters
	key      []byte
	hash     uint64 // of the key
	now      int64
	cost     int64
	priority seawall.Priority
	upTo     int64 // tokens that may be missing
	window   *calendarWindow
}

// take charges a key; a request waits no longer than patience.
func (s *Shared) take(ctx context.Context, a *question, patience time.Duration) (Decision, bill) {
	whole := &a.m.whole
	if whole.inc == 0 || whole.tol == 0 {
		return Decision{OK: whole.tol > 0 || a.cost == 0, meter: whole}, bill{}
	}
	need, upTo := whole.need(a.cost), whole.ceiling(a.priority)
	if need > upTo || a.cost > mostLease {
		return Decision{over: max(need-upTo, 1), meter: whole}, bill{}
	}
	a.hash, a.upTo = maphash.Bytes(s.seed, a.key), upTo/whole.inc
	mix := a.hash ^ a.m.mark[levelOf(a.priority)]
	if s.cal != nil {
		a.window = s.cal.window(a.now)
		mix ^= uint64(a.window.number) * 0xff51afd7ed558ccd
	}
	l := s.leases.get(mix, a.now)
	if d, b, ok := s.quick(l, a, Lease); ok {
		return d, b
	}
	return s.ask(ctx, l, a, patience)
}

// quick decides by what is here.
func (s *Shared) quick(l *lease, a *question, from Source) (d Decision, b bill, ok bool) {
	n, took := l.take(a.now, a.cost)
	if took {
		if n < l.low.Load() && !l.flying.Load() && s.guard.Up() {
			s.fly(l, a, 1) // before it is used up
		}
		return s.decision(l, a, n, from), bill{lease: l, need: a.cost}, true
	}
	// With tokens enough that are void it is worth a call: they are given back by it.
	if until, yes := l.refuses(a.now, a.cost, a.m.whole.inc); yes && n < a.cost {
		d := s.decision(l, a, n, from)
		// The store spoke of least; what is here counts too.
		d.OK, d.over = false, until-a.now+max(0, a.cost-n-max(l.least.Load(), 1))*a.m.whole.inc
		if d.end > 0 { // counted in tokens, and there are more at the end
			d.over = 1
		}
		d.debt = max(d.debt, d.over)
		return d, bill{}, true
	}
	return Decision{}, bill{}, false
}

// decision is that of n tokens here, and those the store had left.
func (s *Shared) decision(l *lease, a *question, n int64, from Source) Decision {
	whole := &a.m.whole
	left := min(max(l.left.Load(), 0)+n, whole.rate.Burst)
	d := Decision{OK: true, Source: from, debt: whole.tol - left*whole.inc, upTo: whole.ceiling(a.priority), meter: whole}
	if a.window != nil {
		d.end = a.window.endsIn(a.now)
	}
	return d
}

// lost decides without the store.
func (s *Shared) lost(l *lease, a *question) (Decision, bill) {
	s.counts.fallbacks.Add(1)
	switch s.cfg.Sharing.OnLoss {
	case Open:
		return Decision{OK: true, Source: Fallback}, bill{}
	case Closed:
		const soon = second
		return Decision{Source: Fallback, debt: soon, over: soon, meter: &s.meters.Load().whole, short: true}, bill{}
	case Alone:
	}
	d, b := s.alone.charge(a.m.alone, a.hash, a.key, a.now, a.cost, a.priority)
	d.Source = Fallback
	if d.OK && a.cost > 0 {
		l.used.Add(a.cost)
		b.lease, b.used = l, a.cost
	}
	return d, b
}

// Stats are totals since New.
func (s *Shared) Stats() SharedStats {
	st := SharedStats{
		Up: s.guard.Up(), Calls: s.counts.calls.Load(), Failed: s.guard.Failures(),
		Granted: s.counts.granted.Load(), Returned: s.counts.returned.Load(), Fallbacks: s.counts.fallbacks.Load(),
	}
	now := clock()
	s.leases.all(func(l *lease) {
		if n, good := tokens(l.word.Load(), now); good {
			st.Held += n
		}
	})
	return st
}

// SharedStats is how a Shared is.
type SharedStats struct {
	// Up: the store answers in time.
	Up bool `json:"up"`
	// Calls to the store, and how many of them failed or came too late.
	Calls  uint64 `json:"calls"`
	Failed uint64 `json:"failed"`
	// Granted tokens came with those calls, Returned went back unused, and Held
	// are here now.
	Granted  uint64 `json:"granted"`
	Returned uint64 `json:"returned"`
	Held     int64  `json:"held"`
	// Fallbacks are decisions made without the store.
	Fallbacks uint64 `json:"fallbacks"`
}
