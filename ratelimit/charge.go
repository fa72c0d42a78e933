package ratelimit

import (
	"math"
	"net/http"
	"sync"
	"time"

	"github.com/seawall-go/seawall"
)

// entry is what one policy has said about a request, and taken for it.
type entry struct {
	p    *policy
	d    Decision
	bill bill
	one  Reservation
	told *told // of a rate that RateFor has named
}

// charge is what a request has taken.
type charge struct {
	entries [maxPolicies]entry
	n       int
	would   *policy       // the first that would refuse, were this no dry run
	without bool          // a store was not there
	waited  int64         // for stores, in units
	scratch [256]byte     // of keys
	used    int           // of it
	key     []byte        // in scratch, or wherever its function has it
	class   seawall.Class // here, or it would cost an allocation
}

var charges = sync.Pool{New: func() any { return new(charge) }}

// take charges a request to all policies, or to none: then it returns the one
// that refuses, the last of c.entries.
func (rs *rules) take(r *http.Request, c *charge) (refusing *policy) {
	class, now := &c.class, clock()
	done := false
	defer func() {
		if !done { // a function of the user's has panicked
			c.refund(clock())
		}
	}()
	if now >= rs.limits.due.Load() {
		rs.limits.reconsider()
	}
	for _, p := range rs.all {
		mode := p.mode.Load()
		if mode == modeOff || p.cfg.Match != nil && !p.cfg.Match(r) {
			continue
		}
		e := &c.entries[c.n]
		if !p.take(r, class, c, e, now) {
			continue
		}
		c.n++
		c.without = c.without || e.d.Source == Fallback
		if e.d.OK {
			p.counts.admitted.Add(1)
			continue
		}
		p.refused(c.key, now)
		if mode == modeDryRun {
			if c.would == nil {
				c.would = p
			}
			continue
		}
		done = true
		if c.n > 1 { // others have been charged
			c.refund(clock())
		}
		return p
	}
	done = true
	return nil
}

// refund gives back what has been taken.
func (c *charge) refund(now int64) {
	for i := range c.entries[:c.n] {
		e := &c.entries[i]
		e.bill.refund(now)
		e.one.cancel(now)
		if need := max(e.bill.need, e.one.need); e.d.OK && need > 0 { // for what is told
			if e.bill.t == nil && e.bill.lease != nil {
				need *= e.d.meter.inc
			}
			e.d.debt = max(0, e.d.debt-need)
		}
		e.bill, e.one = bill{}, Reservation{}
	}
}

// release gives the scratch space back. After a panic in a KeyFunc it is left to
// the collector.
func (c *charge) release() {
	clear(c.entries[:c.n])
	c.n, c.would, c.without, c.waited, c.class = 0, nil, false, 0, seawall.Class{}
	c.key = nil
	clear(c.scratch[:c.used]) // there may be a secret
	c.used = 0
	charges.Put(c)
}

// take charges one policy; it reports whether that applies at all.
func (p *policy) take(r *http.Request, class *seawall.Class, c *charge, e *entry, now int64) bool {
	cost := int64(1)
	if p.cfg.Cost != nil {
		cost = max(0, p.cfg.Cost(r))
	}
	if p.limiter != nil {
		before := p.limiter.cell.Load()
		back := before.back.Load()
		d, cell, paid := p.limiter.take(now, cost, class.Priority)
		e.p, e.d = p, d
		if d.OK && cell == before {
			e.one = Reservation{cell: cell, paid: paid, need: cell.need(cost), back: back}
		}
		return true
	}
	c.key = nil
	if p.cfg.Key.of != nil {
		c.key = p.cfg.Key.of(c.scratch[:0], r, class)
		c.used = max(c.used, min(len(c.key), len(c.scratch)))
		if len(c.key) == 0 {
			p.counts.absent.Add(1)
			return false
		}
	}
	own := p.metersFor(r)
	e.p, e.told = p, own.told
	if p.shared == nil {
		p.keyed.chargeInto(&e.d, &e.bill, own.keyed, p.keyed.hash(c.key), c.key, now, cost, class.Priority)
		return true
	}
	left := p.shared.cfg.Sharing.Budget - time.Duration(c.waited>>unitShift)
	e.d, e.bill = p.shared.take(r.Context(), &question{m: own.shared, key: c.key, now: now, cost: cost, priority: class.Priority}, left)
	if e.d.Source >= Store { // Lease does not wait
		c.waited += max(clock()-now-c.waited, 0)
	}
	return true
}

// policyMeters are those of a Rate, for a policy that has many keys.
type policyMeters struct {
	keyed  *keyMeters
	shared *sharedMeters
	told   *told // nil: as the policy's
}

// metersFor are those for a request. A rate that is none, or does not fit the
// table, leaves it at the policy's own.
func (p *policy) metersFor(r *http.Request) policyMeters {
	if p.cfg.RateFor != nil {
		if rate, ok := p.cfg.RateFor(r); ok {
			if f := p.factor.Load(); f != 0 {
				rate = rate.times(math.Float64frombits(f))
			}
			if m, ok := p.rates.get(rate, p); ok {
				return m
			}
			p.counts.misfit.Add(1)
		}
	}
	if p.shared != nil {
		return policyMeters{shared: p.shared.meters.Load()}
	}
	return policyMeters{keyed: p.keyed.meters.Load()}
}
