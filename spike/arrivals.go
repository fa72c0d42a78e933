package spike

import (
	"math/rand/v2"
	"time"
)

// Streams of random numbers, one a purpose: whatever one of them is asked
// for, the others do not change.
const (
	streamArrivals = 0x61727269 + iota
	streamPeople
	streamThink
	streamService
	streamErrors
	streamAbusers
	streamRoutes
	streamWeights
)

// arrivals draws a Poisson process whose rate follows a profile, by thinning:
// candidates come at the highest rate of the current stretch between two
// points, and are kept with the probability rate/highest.
type arrivals struct {
	profile Profile
	factor  float64 // arrivals per offered request
	end     time.Duration
	rng     *rand.Rand
	t       float64 // seconds
	next    int     // first point after t
}

func newArrivals(l Load) *arrivals {
	j := l.Journeys
	return &arrivals{
		profile: l.Profile,
		factor:  1 - j.Share + j.Share/float64(j.Length),
		end:     l.Duration,
		rng:     rand.New(rand.NewPCG(l.Seed, streamArrivals)),
	}
}

// draw returns the time of the next arrival, or false after the end.
func (a *arrivals) draw() (time.Duration, bool) {
	for end := a.end.Seconds(); a.t < end; {
		for a.next < len(a.profile.Points) && a.profile.Points[a.next].At.Seconds() <= a.t {
			a.next++
		}
		stop, highest := end, 0.0
		if a.next > 0 {
			highest = a.profile.Points[a.next-1].Rate
		}
		if a.next < len(a.profile.Points) {
			stop = min(end, a.profile.Points[a.next].At.Seconds())
			highest = max(highest, a.profile.Points[a.next].Rate)
		}
		highest *= (1 + a.profile.Swing) * a.factor
		if highest <= 0 {
			a.t = stop
			continue
		}
		gap := a.rng.ExpFloat64() / highest
		if a.t+gap >= stop {
			a.t = stop // the process has no memory: begin anew there
			continue
		}
		a.t += gap
		at := time.Duration(a.t * float64(time.Second))
		if a.rng.Float64()*highest < a.profile.Rate(at)*a.factor {
			return at, true
		}
	}
	return 0, false
}
