package ratelimit

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seawall-go/seawall"
)

const component = "ratelimit"

// Limits are the policies of a service.
type Limits struct {
	rules atomic.Pointer[rules]
	mu    sync.Mutex // of Update
}

// rules are Limits at one time.
type rules struct {
	cfg Config
	all []*policy
}

// New returns Limits. It takes the memory of the policies that have a Key, 9
// MiB each by default, and starts nothing.
func New(cfg Config) (*Limits, error) {
	l := new(Limits)
	if err := l.Update(cfg); err != nil {
		return nil, err
	}
	return l, nil
}

// Update exchanges the configuration. What clients have used up stays with
// policies of the same name and Bytes. After an error all is as before.
func (l *Limits) Update(cfg Config) error {
	cfg, err := cfg.resolve()
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	next := &rules{cfg: cfg}
	names := make(map[string]bool)
	for i := range cfg.Policies {
		c := cfg.Policies[i]
		if c.Name == "" {
			c.Name = "default"
			if len(cfg.Policies) > 1 {
				c.Name = fmt.Sprint("policy-", i+1)
			}
		}
		var before *policy
		if now := l.rules.Load(); now != nil {
			if k := slices.IndexFunc(now.all, func(p *policy) bool { return p.cfg.Name == c.Name }); k >= 0 {
				before = now.all[k]
			}
		}
		if names[c.Name] {
			return fmt.Errorf("seawall/ratelimit: two policies are called %q", c.Name)
		}
		names[c.Name] = true
		p, err := newPolicy(c, cfg.Name, before)
		if err != nil {
			return fmt.Errorf("seawall/ratelimit: policy %q: %w", c.Name, err)
		}
		next.all = append(next.all, p)
	}
	slices.SortStableFunc(next.all, func(a, b *policy) int {
		switch {
		case a.keyed != nil && b.keyed == nil:
			return -1
		case a.keyed == nil && b.keyed != nil:
			return 1
		}
		return 0
	})
	l.rules.Store(next)
	return nil
}

// entry is what one policy has said about a request, and taken for it.
type entry struct {
	p    *policy
	d    Decision
	bill bill
	one  Reservation
}

// charge is what a request has taken.
type charge struct {
	entries [maxPolicies]entry
	n       int
	would   *policy // the first that would refuse, were this no dry run
	key     []byte
	class   seawall.Class // here, or it would cost an allocation
}

var charges = sync.Pool{New: func() any { return &charge{key: make([]byte, 0, 256)} }}

// take charges a request to all policies, or to none: then it returns the one
// that refuses, the last of c.entries.
func (rs *rules) take(r *http.Request, c *charge) (refusing *policy) {
	class, now := &c.class, clock()
	for _, p := range rs.all {
		if p.cfg.Match != nil && !p.cfg.Match(r) {
			continue
		}
		e := &c.entries[c.n]
		if !p.take(r, class, c, e, now) {
			continue
		}
		c.n++
		if e.d.OK {
			p.counts.admitted.Add(1)
			continue
		}
		p.counts.refused.Add(1)
		if p.cfg.DryRun || rs.cfg.DryRun {
			if c.would == nil {
				c.would = p
			}
			continue
		}
		c.refund(now)
		return p
	}
	return nil
}

// refund gives back what has been taken.
func (c *charge) refund(now int64) {
	for i := range c.entries[:c.n] {
		e := &c.entries[i]
		e.bill.refund(now)
		e.one.cancel(now)
		e.bill, e.one = bill{}, Reservation{}
	}
}

// release gives the scratch space back. After a panic in a KeyFunc it is left to
// the collector.
func (c *charge) release() {
	clear(c.entries[:c.n])
	c.n, c.would, c.class = 0, nil, seawall.Class{}
	charges.Put(c)
}

// Take charges a request of that class, without HTTP. The error is a
// *seawall.Rejection.
func (l *Limits) Take(r *http.Request, class seawall.Class) error {
	if class.Exempt {
		return nil
	}
	rs := l.rules.Load()
	c := charges.Get().(*charge) //nolint:forcetypeassert // nothing else is in there
	c.class = class
	p, rej := rs.decide(r, c)
	c.release()
	if p != nil {
		return rej
	}
	return nil
}

// decide is take, and tells the Observer.
func (rs *rules) decide(r *http.Request, c *charge) (refusing *policy, rej *seawall.Rejection) {
	refusing = rs.take(r, c)
	if refusing != nil {
		rej = refusing.rejection(c.entries[c.n-1].d)
	}
	if rs.cfg.Observer != nil {
		rs.observe(r.Context(), c, refusing, rej)
	}
	return refusing, rej
}

// Middleware lets requests through to next that no policy refuses.
func (l *Limits) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rs := l.rules.Load()
		c := charges.Get().(*charge) //nolint:forcetypeassert // nothing else is in there
		c.class = rs.cfg.Classify(r)
		if c.class.Exempt {
			c.release()
			next.ServeHTTP(w, r)
			return
		}
		p, rej := rs.decide(r, c)
		rs.tell(w.Header(), c, p != nil)
		c.release()
		if p != nil {
			rs.cfg.Respond(w, r, rej)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (rs *rules) observe(ctx context.Context, c *charge, p *policy, rej *seawall.Rejection) {
	e := seawall.Event{
		Component: component, Name: rs.cfg.Name, Outcome: seawall.Admitted,
		Priority: c.class.Priority, DryRun: rs.cfg.DryRun, Route: c.class.Route, User: c.class.User,
	}
	switch {
	case p != nil:
		e.Outcome, e.Reason, e.RetryAfter = seawall.Rejected, seawall.RateLimited, rej.RetryAfter
	case c.would != nil:
		e.Outcome, e.Reason, e.DryRun = seawall.Rejected, seawall.RateLimited, true
	}
	rs.cfg.Observer.Observe(ctx, e)
}

// policy is a Policy at work.
type policy struct {
	cfg       Policy
	limiter   *Limiter // without a Key
	keyed     *Keyed
	component string
	name      string // of the Limits

	meters struct {
		sync.Mutex
		m atomic.Pointer[map[Rate]*keyMeters]
	}
	counts *counts

	refusals [maxPrepared + 1]*seawall.Rejection
	item     string   // "name";
	policy   []string // the whole RateLimit-Policy item
}

// counts go on when a policy is updated.
type counts struct{ admitted, refused, absent atomic.Uint64 }

const maxPrepared = 120 // seconds

func newPolicy(c Policy, name string, before *policy) (*policy, error) {
	if err := validName(c.Name); err != nil {
		return nil, err
	}
	if c.Key.err != nil {
		return nil, c.Key.err
	}
	p := &policy{cfg: c, name: name, counts: new(counts)}
	if before != nil {
		p.counts = before.counts
	}
	var err error
	if c.Key.of == nil {
		if c.Bytes != 0 {
			return nil, fmt.Errorf("Bytes is for policies with a Key (got %d)", c.Bytes)
		}
		if c.RateFor != nil {
			return nil, fmt.Errorf("RateFor is for policies with a Key")
		}
		cfg := LimiterConfig{Rate: c.Rate, Reserve: c.Reserve}
		if before != nil && before.limiter != nil {
			p.limiter = before.limiter
			if err := p.limiter.Update(cfg); err != nil {
				return nil, err
			}
		} else if p.limiter, err = NewLimiter(cfg); err != nil {
			return nil, err
		}
	} else {
		cfg := KeyedConfig{Rate: c.Rate, Reserve: c.Reserve, Bytes: c.Bytes, Wider: c.Key.wider}
		if before != nil && before.keyed != nil {
			p.keyed, err = before.keyed.changed(cfg)
		} else {
			p.keyed, err = NewKeyed(cfg)
		}
		if err != nil {
			return nil, err
		}
	}
	p.prepare()
	return p, nil
}

// take charges one policy; it reports whether that applies at all.
func (p *policy) take(r *http.Request, class *seawall.Class, c *charge, e *entry, now int64) bool {
	cost := int64(1)
	if p.cfg.Cost != nil {
		cost = max(0, p.cfg.Cost(r))
	}
	if p.keyed == nil {
		d, cell, paid := p.limiter.take(now, cost, class.Priority)
		*e = entry{p: p, d: d}
		if d.OK {
			e.one = Reservation{cell: cell, paid: paid, need: cell.need(cost)}
		}
		return true
	}
	c.key = p.cfg.Key.of(c.key[:0], r, class)
	if len(c.key) == 0 {
		p.counts.absent.Add(1)
		return false
	}
	m := p.keyed.meters.Load()
	if p.cfg.RateFor != nil {
		if rate, ok := p.cfg.RateFor(r); ok {
			m = p.metersFor(rate, m)
		}
	}
	e.p = p
	e.d, e.bill = p.keyed.charge(m, p.keyed.hash(c.key), c.key, now, cost, class.Priority)
	return true
}

// metersFor are those of another rate; one that is no rate leaves it at the
// policy's own.
func (p *policy) metersFor(r Rate, fallback *keyMeters) *keyMeters {
	if known := p.meters.m.Load(); known != nil {
		if m, ok := (*known)[r]; ok {
			return m
		}
	}
	m, err := LimiterConfig{r, p.cfg.Reserve}.meter()
	if err != nil {
		return fallback
	}
	of := p.keyed.metersOf(m, p.cfg.Reserve)
	p.meters.Lock()
	defer p.meters.Unlock()
	next := make(map[Rate]*keyMeters)
	if known := p.meters.m.Load(); known != nil {
		if len(*known) >= maxRates {
			return of
		}
		for k, v := range *known {
			next[k] = v
		}
	}
	next[r] = of
	p.meters.m.Store(&next)
	return of
}

const maxRates = 1000

// rejection is one of those made beforehand.
func (p *policy) rejection(d Decision) *seawall.Rejection {
	after := d.RetryAfter()
	seconds := int64((min(after, 24*time.Hour) + time.Second - 1) / time.Second)
	if after != Never {
		seconds += jitter(seconds)
	}
	if seconds <= maxPrepared {
		return p.refusals[max(seconds, 1)]
	}
	return p.refusal(seconds)
}

func (p *policy) refusal(seconds int64) *seawall.Rejection {
	rej := &seawall.Rejection{Component: component, Name: p.name, Reason: seawall.RateLimited, RetryAfter: time.Duration(seconds) * time.Second}
	if p.keyed == nil {
		rej.Status = http.StatusServiceUnavailable
	}
	return rej
}
