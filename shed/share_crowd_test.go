package shed

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/seawall-go/seawall"
)

// TestShareOfThoseNotMetYet: the average is that of all users, of whom only some
// have asked so far, and it does not matter how their numbers were given.
func TestShareOfThoseNotMetYet(t *testing.T) {
	for _, scattered := range []bool{false, true} {
		for _, users := range []uint64{200, 5000, 20_000} {
			r := rand.New(rand.NewPCG(11, users))
			s := newShares()
			mean := 0.0
			for tick := range 40 { // ten seconds of 900 requests
				for range 225 {
					id := 1 + r.Uint64N(users)
					if scattered {
						id = mix(id)
					}
					s.user(seawall.ID(id), 1, 1+uint32(tick)/4)
				}
				s.step(100+float64(tick+1)*shareEvery, 1)
				total := 0.0
				for i := range s.users[1] {
					total += float64(s.users[1][i].Load() >> 8)
				}
				over := max(overCount, overFactor*total/float64(users)) + total/shareCells
				mean = (float64(s.far.Load()) - farFactor*over) / farMean / (total / float64(users))
			}
			if mean < 0.7 || mean > 1.6 {
				t.Errorf("%d users, scattered %v: the average is taken for %.2f times what it is", users, scattered, mean)
			}
		}
	}
}

// crowd asks for so many seconds: honest users as people do, a few very often,
// and 200 abusers, who have numbers behind theirs.
func crowd(s *shares, from, seconds uint32, honest, abusers int) {
	const users = 20_000
	r := rand.New(rand.NewPCG(13, uint64(from)))
	zipf := rand.NewZipf(r, 1.1, 1+users/20, users-1)
	for i := range seconds * 4 {
		second := from + i/4
		for range honest / 4 {
			s.user(seawall.ID(1+zipf.Uint64()), 1, second)
		}
		for range abusers / 4 {
			s.user(seawall.ID(1+users+r.Uint64N(200)), 1, second)
		}
		s.step(float64(second)+float64(i%4+1)/4, 0.3)
	}
}

// TestFarOfACrowd: abusers are told from the most active of people early in a
// spike, and those are not taken for abusers late in a larger one.
func TestFarOfACrowd(t *testing.T) {
	count := func(s *shares, from, to seawall.ID) (far float64) {
		for id := from; id < to; id++ {
			if s.estimate(id) > s.far.Load() {
				far++
			}
		}
		return far / float64(to-from)
	}
	s := newShares()
	crowd(s, 101, 8, 172, 38) // calm
	crowd(s, 109, 10, 738, 162)
	if far := count(s, 20_001, 20_201); far < 0.3 {
		t.Errorf("ten seconds of three times the capacity: %.0f %% of the abusers are far over", 100*far)
	}
	if far := count(s, 1, 200); far > 0.02 {
		t.Errorf("ten seconds of three times the capacity: %.1f %% of the heaviest people are far over", 100*far)
	}
	s = newShares()
	crowd(s, 101, 4, 210, 0)
	for until := uint32(110); until <= 135; until += 5 {
		crowd(s, until-5, 5, 2100, 0)
		if far := count(s, 1, 200); far > 0.03 {
			t.Errorf("after %d s of ten times the load: %.1f %% of the heaviest people are far over", until-105, 100*far)
		}
	}
}

// TestTenantsKeepSteadily: what a tick has room for scatters by a tenth, and
// users at the edge of their tenant's share do not change places with it.
func TestTenantsKeepSteadily(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	s := new(shares)
	moved, last := 0.0, 0.0
	const looks = 400
	for i := range looks {
		s.tenant(1, uint32(22+r.IntN(4)))
		s.tenant(2, uint32(225+r.IntN(30)))
		s.step(1+float64(i)*shareEvery, 0.5*(1+0.08*max(-3, min(3, r.NormFloat64()))))
		keep := float64(s.keep(2))
		if i > 40 {
			moved += math.Abs(keep - last)
		}
		if last = keep; s.keep(1) != cohorts || i > 40 && (keep < 52 || keep > 62) {
			t.Fatalf("look %d: they keep %d and %v, want 128 and 57", i, s.keep(1), keep)
		}
	}
	if moved /= looks - 41; moved > 1 {
		t.Errorf("what a tenant keeps moves by %.1f cohorts a look", moved)
	}
}
