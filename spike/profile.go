package spike

import (
	"fmt"
	"math"
	"sort"
	"time"
)

const (
	maxRate   = 1e6
	maxPoints = 100_000
)

// Point is a rate at a time.
type Point struct {
	// At is counted from the start of the run.
	At time.Duration `json:"at_ns"`
	// Rate in requests a second.
	Rate float64 `json:"rate"`
}

// Profile is an offered rate over time: straight lines between points, the
// first rate before the first point and the last after the last, on which a
// sine may be laid. Two points at one time make a step.
type Profile struct {
	// Points in order of time, 1 to 100,000; rates from 0 to a million a second.
	Points []Point `json:"points"`
	// Swing is the height of the sine as a share of the rate, 0 to 1. Default 0:
	// none.
	Swing float64 `json:"swing,omitempty"`
	// Period of the sine. Required with a Swing.
	Period time.Duration `json:"period_ns,omitempty"`
}

// Steady is the same rate all the time.
func Steady(rate float64) Profile {
	return Profile{Points: []Point{{0, rate}}}
}

// Step goes from base to peak at once at a time, and back after hold.
func Step(base, peak float64, at, hold time.Duration) Profile {
	return Profile{Points: []Point{
		{0, base}, {at, base}, {at, peak}, {at + hold, peak}, {at + hold, base},
	}}
}

// Ramp goes from one rate to another on a straight line, beginning at a time.
func Ramp(from, to float64, at, over time.Duration) Profile {
	return Profile{Points: []Point{{0, from}, {at, from}, {at + over, to}}}
}

// Flash is a post that goes round: a fast rise (half a second to one and a
// half is usual), a plateau, a slower fall back to base.
func Flash(base, peak float64, at, rise, hold, fall time.Duration) Profile {
	return Profile{Points: []Point{
		{0, base}, {at, base}, {at + rise, peak}, {at + rise + hold, peak}, {at + rise + hold + fall, base},
	}}
}

// Sine swings around a mean rate by a share (0 to 1) of it: a day in fast
// motion. It starts at the mean, rising.
func Sine(mean, swing float64, period time.Duration) Profile {
	return Profile{Points: []Point{{0, mean}}, Swing: swing, Period: period}
}

// Rate returns the requests a second offered at time t from the start.
func (p Profile) Rate(t time.Duration) float64 {
	r := p.line(t)
	if p.Swing > 0 {
		r *= 1 + p.Swing*math.Sin(2*math.Pi*float64(t)/float64(p.Period))
	}
	return max(r, 0)
}

// line is the rate without the sine. At a step the later point counts.
func (p Profile) line(t time.Duration) float64 {
	i := sort.Search(len(p.Points), func(i int) bool { return p.Points[i].At > t })
	switch {
	case len(p.Points) == 0:
		return 0
	case i == 0:
		return p.Points[0].Rate
	case i == len(p.Points):
		return p.Points[i-1].Rate
	}
	a, b := p.Points[i-1], p.Points[i]
	return a.Rate + (b.Rate-a.Rate)*float64(t-a.At)/float64(b.At-a.At)
}

// Peak returns the highest rate the profile reaches (with a sine: a bound).
func (p Profile) Peak() float64 {
	peak := 0.0
	for _, pt := range p.Points {
		peak = max(peak, pt.Rate)
	}
	return peak * (1 + p.Swing)
}

// Validate says what is wrong with the profile.
func (p Profile) Validate() error {
	if len(p.Points) == 0 || len(p.Points) > maxPoints {
		return badf("Profile.Points", "between 1 and %d points", len(p.Points), maxPoints)
	}
	for i, pt := range p.Points {
		field := fmt.Sprintf("Profile.Points[%d]", i)
		if !finite(pt.Rate) || pt.Rate < 0 || pt.Rate > maxRate {
			return badf(field+".Rate", "between 0 and %v", pt.Rate, maxRate)
		}
		if pt.At < 0 || pt.At > maxDuration {
			return badf(field+".At", "between 0 and %v", pt.At, maxDuration)
		}
		if i > 0 && pt.At < p.Points[i-1].At {
			return badf(field+".At", "no earlier than the point before it (%v)", pt.At, p.Points[i-1].At)
		}
	}
	if !finite(p.Swing) || p.Swing < 0 || p.Swing > 1 {
		return badf("Profile.Swing", "between 0 and 1", p.Swing)
	}
	if p.Period < 0 || (p.Swing > 0 && p.Period == 0) {
		return badf("Profile.Period", "positive", p.Period)
	}
	return nil
}
