package ratelimit

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	"golang.org/x/time/rate"

	"github.com/seawall-go/seawall"
)

// The controls an operator has: "mode" for all policies, and for each "mode"
// and "factor" with its name in front, as in "per-ip.factor".
const (
	controlMode = "mode"
	dotMode     = ".mode"
	dotFactor   = ".factor"
)

var modeNames = []string{"enforce", "dry_run", "off"}

type override struct {
	mode    int32
	factor  float64
	value   string
	until   time.Time
	by, why string
}

func (o override) ended(now time.Time) bool { return !o.until.IsZero() && !now.Before(o.until) }

// Controls lists what Override may set: whether policies are enforced, in dry
// run, or off, and a factor for their rates, from 0.01 to 100.
func (l *Limits) Controls() []seawall.Control {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.apply()
	rs := l.rules.Load()
	all := "enforce"
	if rs.cfg.DryRun {
		all = "dry_run"
	}
	out := []seawall.Control{l.control(controlMode, "what all policies do", all, modeNames)}
	for _, p := range rs.all {
		name := p.cfg.Name
		out = append(out, l.control(name+dotMode, "what policy "+name+" does: "+p.describe(), modeNames[p.mode.Load()], modeNames))
		if p.cfg.Quota == (Quota{}) {
			out = append(out, l.control(name+dotFactor, "multiply the rate of policy "+name+": "+p.describe(), "1", nil))
		}
	}
	return out
}

func (l *Limits) control(name, help, value string, options []string) seawall.Control {
	c := seawall.Control{Name: name, Help: help, Value: value, Options: options}
	if o, ok := l.overrides[name]; ok {
		c.Value, c.Overridden, c.Until, c.By, c.Why = o.value, true, o.until, o.by, o.why
	}
	return c
}

// Override sets one of Controls. It implements seawall.Controllable.
func (l *Limits) Override(_ context.Context, o seawall.Override) error {
	if o.For < 0 {
		return fmt.Errorf("seawall/ratelimit: override of %.80q: For must not be negative (got %v)", o.Control, o.For)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	rs := l.rules.Load()
	next := override{value: o.Value, by: o.By, why: o.Why}
	if o.For > 0 {
		next.until = time.Now().Add(o.For)
	}
	if err := next.parse(rs, o); err != nil {
		return err
	}
	if o.Value == "" {
		delete(l.overrides, o.Control)
	} else {
		l.overrides[o.Control] = next
	}
	l.apply()
	return nil
}

func (o *override) parse(rs *rules, from seawall.Override) error {
	if from.Control == controlMode {
		return o.parseMode(from)
	}
	for _, p := range rs.all {
		switch from.Control {
		case p.cfg.Name + dotMode:
			return o.parseMode(from)
		case p.cfg.Name + dotFactor:
			return o.parseFactor(p, from)
		}
	}
	return fmt.Errorf("seawall/ratelimit: no control %.80q (see Controls)", from.Control)
}

func (o *override) parseMode(from seawall.Override) error {
	for i, name := range modeNames {
		if from.Value == name {
			o.mode = int32(i)
			return nil
		}
	}
	if from.Value != "" {
		return fmt.Errorf("seawall/ratelimit: override of %s must be enforce, dry_run or off (got %.32q)", from.Control, from.Value)
	}
	return nil
}

const leastFactor, mostFactor = 0.01, 100

func (o *override) parseFactor(p *policy, from seawall.Override) error {
	if from.Value == "" {
		return nil
	}
	f, err := strconv.ParseFloat(from.Value, 64)
	if err != nil || !(f >= leastFactor && f <= mostFactor) {
		return fmt.Errorf("seawall/ratelimit: override of %s must be a number from %v to %v (got %.32q)", from.Control, leastFactor, mostFactor, from.Value)
	}
	if err := p.fits(p.cfg.Rate.times(f)); err != nil {
		return fmt.Errorf("seawall/ratelimit: override of %s: %w", from.Control, bare{err})
	}
	o.factor = f
	return nil
}

func multiply(l rate.Limit, f float64) rate.Limit {
	if l == rate.Inf {
		return l
	}
	return rate.Limit(math.Min(float64(l)*f, math.MaxFloat64/2))
}
