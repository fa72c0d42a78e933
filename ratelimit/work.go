package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seawall-go/seawall"
)

// What a policy does.
const (
	modeEnforce int32 = iota
	modeDryRun
	modeOff
)

// policy is a Policy at work. One of limiter, keyed and shared is set.
type policy struct {
	cfg     Policy
	limiter *Limiter // without a Key
	keyed   *buckets
	shared  *Shared
	next    LimiterConfig               // of limiter, until nothing can fail any more
	tell    *func(up bool, cause error) // of shared, likewise

	rate     Rate // in force, under Limits.mu
	mode     atomic.Int32
	factor   atomic.Uint64 // an operator's, for the rates of RateFor; 0 is none
	rates    *rates
	counts   *counts
	heavy    *heavy
	name     string              // of the Limits
	problems [2]*seawall.Problem // of the policy's own kind, and when the service is short
	refusals [remembered]atomic.Pointer[seawall.Rejection]
	told     atomic.Pointer[told]
}

// counts go on when a policy is updated.
type counts struct{ admitted, refused, absent, misfit atomic.Uint64 }

// remembered refusals, by their seconds: more than there are in the spread of
// an hour.
const remembered = 1 << 10

func newPolicy(c Policy, of *Config, before *policy) (*policy, error) {
	if c.Key.err != nil {
		return nil, c.Key.err
	}
	p := &policy{cfg: c, name: of.Name, counts: new(counts), heavy: newHeavy(c.ShowKeys, c.Key.show), rates: new(rates), rate: c.Rate}
	var err error
	switch {
	case c.Rate != Rate{} && c.Quota != Quota{}:
		err = errors.New("Rate and Quota must not both be set")
	case c.RateFor != nil && (c.Key.of == nil || c.Quota != Quota{}):
		err = errors.New("RateFor is for policies with a Key and a Rate")
	case c.Bytes != 0 && c.Key.of == nil:
		err = fmt.Errorf("Bytes is for policies with a Key (got %d)", c.Bytes)
	case c.Sharing != nil:
		err = p.share(of, before)
	case c.Key.of == nil && c.Quota == Quota{}:
		p.next = LimiterConfig{Rate: c.Rate, Reserve: c.Reserve}
		if _, err = p.next.meter(); err == nil && (before == nil || before.limiter == nil) {
			p.limiter, err = NewLimiter(p.next)
		}
	default:
		cfg := KeyedConfig{Rate: c.Rate, Quota: c.Quota, Reserve: c.Reserve, Bytes: c.Bytes, WideSlots: c.WideSlots, Wider: c.Key.wider}
		if c.Key.of == nil {
			cfg.Bytes = minBytes // one key
		}
		if before != nil && before.keyed != nil {
			p.keyed, err = before.keyed.changed(cfg)
		} else {
			p.keyed, err = newBuckets(cfg)
		}
	}
	if err != nil {
		return nil, err
	}
	p.prepare()
	return p, nil
}

// share goes on with the leases there are, if nothing but the rate is another.
func (p *policy) share(of *Config, before *policy) error {
	c := &p.cfg
	cfg := SharedConfig{
		Name: c.Name, Rate: c.Rate, Quota: c.Quota, Reserve: c.Reserve, Bytes: c.Bytes, WideSlots: c.WideSlots,
		Wider: c.Key.wider, Sharing: *c.Sharing,
	}
	if c.Key.of == nil {
		cfg.Bytes, cfg.Leases = minBytes, ways
	}
	if o, ok := of.Observer.(seawall.StateObserver); ok {
		cfg.OnChange = storeObserver(o, of.Name, c.Name, c.Sharing.OnLoss)
	}
	fresh, err := NewShared(cfg)
	if err != nil {
		return err
	}
	p.shared = fresh
	if before != nil && before.shared != nil && before.shared.cfg.sameBut(fresh.cfg) {
		if _, err := before.shared.metersOf(c.Rate); err == nil {
			p.shared, p.tell = before.shared, fresh.tell.Load()
		}
	}
	return nil
}

// storeObserver says it as a change of state.
func storeObserver(o seawall.StateObserver, name, policy string, loss OnLoss) func(bool, error) {
	return func(up bool, cause error) {
		c := seawall.StateChange{Component: component, Name: name, From: "shared", To: loss.String(), Cause: "policy " + policy + ": the store does not answer"}
		if up {
			c.From, c.To, c.Cause = c.To, c.From, "policy "+policy+": the store answers again"
		} else if cause != nil {
			c.Cause += ": " + cause.Error()
		}
		o.ObserveState(context.Background(), c)
	}
}

// sameBut says whether but the Rate and the observer all is the same.
func (c SharedConfig) sameBut(o SharedConfig) bool {
	if reflect.TypeOf(c.Sharing.Store) != reflect.TypeOf(o.Sharing.Store) || !reflect.TypeOf(c.Sharing.Store).Comparable() || c.Sharing.Store != o.Sharing.Store {
		return false
	}
	a, b := c.Sharing, o.Sharing
	return c.Quota == o.Quota && c.Reserve == o.Reserve && c.Bytes == o.Bytes &&
		c.WideSlots == o.WideSlots &&
		a.Nodes == b.Nodes && a.Exact == b.Exact && a.Budget == b.Budget && a.OnLoss == b.OnLoss && a.Prefix == b.Prefix && string(a.Secret) == string(b.Secret)
}

// goOn takes over what the policy of that name has had.
func (p *policy) goOn(before *policy) {
	if before == nil {
		return
	}
	p.counts, p.heavy = before.counts, before.heavy.as(p.heavy)
	// The rate in force, as of a campaign, is set once and afterwards: even for a
	// moment a shorter burst would forgive what is owed beyond it.
	if p.next != (LimiterConfig{}) && before.limiter != nil {
		p.limiter, p.rate = before.limiter, Rate{}
	}
	if p.shared != nil && p.shared == before.shared {
		p.shared.tell.Store(p.tell)
		p.rate = Rate{}
	}
}

// rank is the order in which policies are asked: whose key is narrow before the
// limits of all, what needs no store before what may have to wait for one.
func (p *policy) rank() int {
	rank := 0
	if p.cfg.Key.of == nil {
		rank = 2
	}
	if p.shared != nil {
		rank++
	}
	return rank
}

// setRate puts another rate into force. Limits.mu is held.
func (p *policy) setRate(r Rate) {
	if r == p.rate {
		return
	}
	var err error
	switch {
	case p.limiter != nil:
		err = p.limiter.Update(LimiterConfig{r, p.cfg.Reserve})
	case p.shared != nil:
		err = p.shared.SetRate(r)
	default:
		var m *keyMeters
		if m, err = p.keyed.meterFor(r); err == nil {
			p.keyed.meters.Store(m)
		}
	}
	if err == nil {
		p.rate = r
		p.told.Store(tell(p.cfg.Name, r, p.cfg.Quota))
	}
}

// fits says whether a rate could be put into force.
func (p *policy) fits(r Rate) error {
	var err error
	switch {
	case p.cfg.Quota != Quota{}:
		return errors.New("the policy has a Quota, not a Rate")
	case p.shared != nil:
		_, err = p.shared.metersOf(r)
	case p.keyed != nil:
		_, err = p.keyed.meterFor(r)
	default:
		_, err = LimiterConfig{r, p.cfg.Reserve}.meter()
	}
	return err
}

// refused counts one, and by whom.
func (p *policy) refused(key []byte, now int64) {
	n := p.counts.refused.Add(1)
	if p.cfg.Key.of != nil {
		p.heavy.add(key, n, now)
	}
}

// rejection is one that was made before, or a new one.
func (p *policy) rejection(d Decision) *seawall.Rejection {
	after := d.RetryAfter()
	if after == Never {
		return p.refusal(0, false) // there is no time to come back at
	}
	seconds := inSeconds(min(after, 24*time.Hour))
	seconds = max(1, seconds+jitter(seconds))
	if d.short {
		return p.refusal(seconds, true)
	}
	at := &p.refusals[seconds%remembered]
	if rej := at.Load(); rej != nil && rej.RetryAfter == time.Duration(seconds)*time.Second {
		return rej
	}
	rej := p.refusal(seconds, false)
	at.Store(rej)
	return rej
}

func (p *policy) refusal(seconds int64, short bool) *seawall.Rejection {
	rej := &seawall.Rejection{
		Component: component, Name: p.name, Reason: seawall.RateLimited, RetryAfter: time.Duration(seconds) * time.Second,
		Problem: p.problems[0],
	}
	if p.cfg.Key.of == nil || short {
		rej.Status, rej.Problem = http.StatusServiceUnavailable, p.problems[1]
	}
	return rej
}

// problem is as draft-ietf-httpapi-ratelimit-headers-10 has it.
func (p *policy) problem(short bool) *seawall.Problem {
	type problem struct {
		Type     string   `json:"type"`
		Title    string   `json:"title"`
		Status   int      `json:"status"`
		Reason   string   `json:"reason"`
		Policies []string `json:"violated-policies"` //nolint:tagliatelle // the draft's
	}
	of := problem{
		"https://iana.org/assignments/http-problem-types#quota-exceeded", "Request cannot be satisfied as assigned quota has been exceeded",
		http.StatusTooManyRequests, string(seawall.RateLimited), []string{p.cfg.Name},
	}
	if short {
		of.Type = "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity"
		of.Title = "Request cannot be satisfied due to temporary server capacity constraints"
		of.Status = http.StatusServiceUnavailable
	}
	return seawall.Must(seawall.NewProblem(of)) // strings and a number
}

// rates are what RateFor has named so far.
type rates struct {
	sync.Mutex
	known atomic.Pointer[map[Rate]policyMeters]
}

const maxRates = 1000

// get is how a policy measures at that rate, if it can.
func (rs *rates) get(r Rate, p *policy) (policyMeters, bool) {
	if known := rs.known.Load(); known != nil {
		if m, ok := (*known)[r]; ok {
			return m, true
		}
	}
	var m policyMeters
	var err error
	if p.shared != nil {
		m.shared, err = p.shared.metersOf(r)
	} else {
		m.keyed, err = p.keyed.meterFor(r)
	}
	if err != nil {
		return m, false
	}
	rs.Lock()
	defer rs.Unlock()
	next := make(map[Rate]policyMeters)
	if known := rs.known.Load(); known != nil {
		if len(*known) >= maxRates {
			return m, true
		}
		maps.Copy(next, *known)
	}
	m.told = tell(p.cfg.Name, r, Quota{})
	next[r] = m
	rs.known.Store(&next)
	return m, true
}
