package spike

import (
	"math"
	"math/rand/v2"
)

// Abusers are a few who ask for much: scrapers, a script in a loop, a client
// with a bug. They have user numbers of their own, behind the honest ones
// (Request.User is Load.Users or more), are equally active, ask for the same
// mix of priorities as everybody, and make no journeys.
type Abusers struct {
	// Users is how many they are, as a share of Load.Users (at least one of
	// them), above 0 and at most 1. Default 0.01, where Load is set.
	Users float64 `json:"users,omitempty"`
	// Load is their share of the single requests, those outside of journeys,
	// from 0 to 1. The offered rate stays that of the profile. Default 0: there
	// are none.
	Load float64 `json:"load,omitempty"`
}

const defaultAbusers = 0.01

func (a *Abusers) resolve() error {
	if a.Users == 0 && a.Load != 0 {
		a.Users = defaultAbusers
	}
	if !finite(a.Users) || a.Users < 0 || a.Users > 1 {
		return badf("Abusers.Users", "between 0 and 1", a.Users)
	}
	if !finite(a.Load) || a.Load < 0 || a.Load > 1 {
		return badf("Abusers.Load", "between 0 and 1", a.Load)
	}
	return nil
}

// abusers takes single requests over. It draws from a stream of its own: with
// or without it, the requests come at the same times with the same priorities,
// and those it leaves alone have the same users.
type abusers struct {
	rng   *rand.Rand
	share float64
	first uint64
	n     uint64
}

func newAbusers(l Load) *abusers {
	return &abusers{
		rng:   rand.New(rand.NewPCG(l.Seed, streamAbusers)),
		share: l.Abusers.Load,
		first: uint64(l.Users),
		n:     uint64(max(1, math.Round(l.Abusers.Users*float64(l.Users)))),
	}
}

func (a *abusers) take(r *Request) {
	if a.share > 0 && a.rng.Float64() < a.share {
		r.User, r.Abuser = a.first+a.rng.Uint64N(a.n), true
	}
}
