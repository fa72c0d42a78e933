package spike

import (
	"math/rand/v2"
	"time"

	"github.com/seawall-go/seawall"
)

// people draws who asks for what.
type people struct {
	rng      *rand.Rand
	zipf     *rand.Zipf
	start    float64 // share of the arrivals that begin a journey
	singles  Mix
	journeys Mix
	abusers  *abusers
	routes   routes
}

func newPeople(l Load) *people {
	rng := rand.New(rand.NewPCG(l.Seed, streamPeople))
	start := l.Journeys.Share / float64(l.Journeys.Length)
	return &people{
		rng:      rng,
		zipf:     rand.NewZipf(rng, l.ZipfS, 1+float64(l.Users)/20, uint64(l.Users-1)),
		start:    start / (1 - l.Journeys.Share + start),
		singles:  l.Mix,
		journeys: l.Journeys.Mix,
		abusers:  newAbusers(l),
		routes:   newRoutes(l),
	}
}

// draw returns the n-th arrival, n from 0.
func (p *people) draw(n uint64, at time.Duration) Request {
	r := Request{ID: n << 8, User: p.zipf.Uint64(), Intended: at}
	mix := p.singles
	if p.rng.Float64() < p.start {
		r.Journey, r.Step, mix = n+1, 1, p.journeys
	} else {
		p.abusers.take(&r)
	}
	r.Priority = mix.draw(p.rng)
	p.routes.pick(&r)
	return r
}

// draw picks a priority by weight.
func (m Mix) draw(rng *rand.Rand) seawall.Priority {
	x := rng.Float64() * (m.Critical + m.Normal + m.Sheddable + m.Background)
	last := seawall.Normal
	for _, p := range seawall.Priorities() {
		w := m.of(p)
		if w == 0 {
			continue
		}
		if last = p; x < w {
			break
		}
		x -= w // rounding may leave a rest: it is the last one's
	}
	return last
}
