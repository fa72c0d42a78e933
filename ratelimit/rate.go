package ratelimit

import (
	"errors"
	"fmt"
	"math"
	"time"

	"golang.org/x/time/rate"

	"github.com/seawall-go/seawall"
)

// Rate is how much is admitted: Limit in the long run, and Burst at once after
// a pause. On every interval of t seconds that is at most Burst + Limit*t + 1.
type Rate struct {
	// Limit is tokens per second: x/time's unit, so rate.Every and rate.Inf
	// work. Required.
	Limit rate.Limit
	// Burst is how many tokens there are after a pause. Default a tenth of what
	// Limit gives in Window, and at least 1: then no window of that length ever
	// sees more than 1.1 times its share. seawall.Off admits nothing at all.
	Burst int64
	// Window is what clients are told the limit is per, in whole seconds.
	// Default 1 s, or for rates below one a second the time of one token.
	Window time.Duration
}

// Per is n tokens in each d: Per(100, time.Minute).
func Per(n int64, d time.Duration) Rate {
	r := Rate{Limit: rate.Limit(float64(n) / d.Seconds()), Window: d}
	if n > 0 {
		r.Burst = max(1, n/10)
	}
	return r
}

// WithBurst is the Rate with another burst.
func (r Rate) WithBurst(n int64) Rate {
	r.Burst = n
	return r
}

// String is as in "100 per 1m0s, burst 10".
func (r Rate) String() string {
	switch {
	case r.Burst == seawall.Off:
		return "nothing"
	case r.Limit == rate.Inf || math.IsInf(float64(r.Limit), 1):
		return "no limit"
	}
	r = r.defaults()
	return fmt.Sprintf("%.6g per %v, burst %d", r.quota(), r.Window, r.Burst)
}

// quota is what Limit gives in Window.
func (r Rate) quota() float64 { return float64(r.Limit) * r.Window.Seconds() }

func (r Rate) defaults() Rate {
	if r.Window == 0 {
		r.Window = time.Second
		if r.Limit > 0 && r.Limit < 1 {
			r.Window = time.Duration(math.Ceil(min(1/float64(r.Limit), 1e9))) * time.Second
		}
	}
	if r.Burst == 0 {
		r.Burst = max(1, int64(min(r.quota()/10, 1<<40)))
	}
	return r
}

// Time is counted in 64ths of a nanosecond: 62 million tokens a second are
// counted to a thousandth, and 63 bits are 4.5 years.
const (
	unitShift = 6
	second    = int64(time.Second) << unitShift
	// mostDebt is how long the debt of a burst may take to be paid off: 1.1 years.
	mostDebt = 1 << 61
)

// meter is a Rate as the hot path needs it.
type meter struct {
	inc  int64 // a token's time; 0: no limit
	tol  int64 // a burst's time; 0: nothing is admitted
	rate Rate
	tick float64 // units in what this meter counts in: 1, or a table's tick
	// by priority, the lowest first: what a request may bring the debt to
	upTo [seawall.NumPriorities]int64
}

// meterOf checks a Rate. The error's text follows the name of its field.
func meterOf(r Rate, kept Reserve) (*meter, error) {
	switch l := float64(r.Limit); {
	case math.IsInf(l, 1):
		return nil, errors.New("Limit must be finite, or rate.Inf for no limit (got +Inf; Per of no time?)")
	case math.IsNaN(l) || l <= 0:
		return nil, fmt.Errorf("Limit must be positive (got %v); to admit nothing, say Burst: seawall.Off", l)
	case r.Burst < seawall.Off:
		return nil, fmt.Errorf("Burst must be positive or seawall.Off (got %d)", r.Burst)
	case r.Window != 0 && (r.Window < time.Second || r.Window%time.Second != 0):
		return nil, fmt.Errorf("Window must be whole seconds (got %v)", r.Window)
	case r.Limit == rate.Inf && r.Burst != seawall.Off:
		m := &meter{rate: r.defaults(), tick: 1}
		m.tol = mostDebt
		for i := range m.upTo {
			m.upTo[i] = m.tol
		}
		return m, nil
	}
	r = r.defaults()
	m := &meter{rate: r, tick: 1}
	if r.Burst == seawall.Off {
		m.inc = second
		return m, nil
	}
	// Rounded up: in doubt a little less than asked for, never more.
	inc := max(1, math.Ceil(float64(second)/float64(r.Limit)*(1-1e-15)))
	if tol := inc * float64(r.Burst); !(tol <= mostDebt) {
		return nil, fmt.Errorf("Burst %d at Limit %v would take more than a year to come back", r.Burst, float64(r.Limit))
	}
	m.spread(int64(inc), kept)
	return m, nil
}

// spread makes a token take inc.
func (m *meter) spread(inc int64, kept Reserve) {
	m.inc, m.tol = inc, inc*m.rate.Burst
	for i, share := range kept {
		m.upTo[i] = m.tol - int64(float64(m.tol)*share)
	}
}

// ceiling is what a request of a priority may bring the debt to.
func (m *meter) ceiling(p seawall.Priority) int64 {
	return m.upTo[levelOf(p)]
}

// levelOf is the place of a priority; unknown ones are the nearest.
func levelOf(p seawall.Priority) int {
	return min(max(int(p)-int(seawall.Background), 0), seawall.NumPriorities-1)
}

// need is the time of so many tokens, or more than there can ever be.
func (m *meter) need(cost int64) int64 {
	if cost > m.rate.Burst && m.inc > 0 {
		return mostDebt + 1
	}
	return cost * m.inc
}
