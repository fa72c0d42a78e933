package ratelimit

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/seawall-go/seawall"
)

// Change is another rate for a policy, for a while: part of a plan for the day
// of a campaign, made and checked before it. What RateFor names it does not
// change.
type Change struct {
	// Policy is the name of one that has a Rate.
	Policy string
	// From is when it begins, Until when the policy's own Rate is back. Required,
	// both; changes of one policy must not overlap.
	From, Until time.Time
	// Rate while it lasts. Required.
	Rate Rate
}

const (
	defaultJitter = 2 * time.Second
	maxJitter     = time.Hour
	maxChanges    = 1000
	// glance is how often the wall clock is looked at, in case somebody sets it.
	glance = time.Minute
)

// randomOffset is where in the fleet's jitter this process stands.
func randomOffset() int64 { return rand.Int64N(1 << 32) }

// checkCampaign finds out beforehand what would not work on the day.
func (rs *rules) checkCampaign() error {
	if n := len(rs.cfg.Campaign); n > maxChanges {
		return fmt.Errorf("seawall/ratelimit: Campaign must be at most %d changes (got %d)", maxChanges, n)
	}
	for i, c := range rs.cfg.Campaign {
		p := rs.named(c.Policy)
		switch {
		case p == nil:
			return fmt.Errorf("seawall/ratelimit: Campaign[%d].Policy: there is no policy %.64q", i, c.Policy)
		case c.From.IsZero():
			return fmt.Errorf("seawall/ratelimit: Campaign[%d].From must be set", i)
		case !c.Until.After(c.From):
			return fmt.Errorf("seawall/ratelimit: Campaign[%d].Until must be after From (got %v and %v)", i, c.Until, c.From)
		}
		if err := p.fits(c.Rate); err != nil {
			return fmt.Errorf("seawall/ratelimit: Campaign[%d]: %w", i, bare{err})
		}
		for k, o := range rs.cfg.Campaign[:i] {
			if o.Policy == c.Policy && o.From.Before(c.Until) && c.From.Before(o.Until) {
				return fmt.Errorf("seawall/ratelimit: Campaign[%d] and [%d] of policy %q overlap", k, i, c.Policy)
			}
		}
	}
	return nil
}

// reconsider puts into force what is due. A request does not wait for whoever
// is about to do that.
func (l *Limits) reconsider() {
	if !l.mu.TryLock() {
		return
	}
	defer l.mu.Unlock()
	if clock() >= l.due.Load() {
		l.apply()
	}
}

// apply puts into force what the configuration, the campaign and the operators
// say now, and sets when to look again. The caller holds mu.
func (l *Limits) apply() { l.applyTo(l.rules.Load()) }

func (l *Limits) applyTo(rs *rules) {
	wall := time.Now()
	again := glance
	soon := func(t time.Time) {
		if d := t.Sub(wall); d > 0 {
			again = min(again, d)
		}
	}
	for name, o := range l.overrides {
		if o.ended(wall) {
			delete(l.overrides, name)
		} else if !o.until.IsZero() {
			soon(o.until)
		}
	}
	jitter := time.Duration(float64(max(rs.cfg.Jitter, 0)) * float64(l.offset) / (1 << 32))
	for _, p := range rs.all {
		r := p.cfg.Rate
		for _, c := range rs.cfg.Campaign {
			if c.Policy != p.cfg.Name {
				continue
			}
			from, until := c.From.Add(jitter), c.Until.Add(jitter)
			soon(from)
			soon(until)
			if !wall.Before(from) && wall.Before(until) {
				r = c.Rate
			}
		}
		factor := uint64(0)
		if o, ok := l.overrides[p.cfg.Name+dotFactor]; ok {
			r = r.times(o.factor)
			factor = math.Float64bits(o.factor)
		}
		p.factor.Store(factor)
		p.setRate(r)
		p.mode.Store(l.modeOf(rs, p))
	}
	l.due.Store(clock() + int64(again)<<unitShift)
}

// times is the Rate times so much, its burst too.
func (r Rate) times(f float64) Rate {
	if r.Limit <= 0 {
		return r
	}
	r = r.defaults()
	r.Limit = multiply(r.Limit, f)
	if r.Burst > 0 {
		r.Burst = max(1, int64(float64(r.Burst)*f))
	}
	return r
}

func (l *Limits) modeOf(rs *rules, p *policy) int32 {
	mode := modeEnforce
	if p.cfg.DryRun || rs.cfg.DryRun {
		mode = modeDryRun
	}
	for _, name := range []string{controlMode, p.cfg.Name + dotMode} {
		if o, ok := l.overrides[name]; ok {
			mode = o.mode
		}
	}
	return mode
}

var _ seawall.Controllable = (*Limits)(nil)
