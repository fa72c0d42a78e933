package shed

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
)

var (
	aDay   = time.Date(2026, 11, 20, 20, 0, 0, 0, time.UTC)
	period = 5 * time.Minute
)

func TestRankOrder(t *testing.T) {
	e := epochsAt(aDay, period)
	for user := range seawall.ID(1000) {
		other := seawall.ID(rand.Uint64())
		all := seawall.Priorities()
		for i, p := range all {
			r := e.rank(p, user)
			if r.class() != uint32(i) || priorityOf(r.class()) != p {
				t.Fatalf("%v: class %d, which is %v", p, r.class(), priorityOf(r.class()))
			}
			if l := r.level(); l >= levels || l/cohorts != uint32(i) || l != uint32(r>>25) {
				t.Fatalf("%v: rank %x is of level %d", p, r, l)
			}
			for _, lower := range all[i+1:] {
				if worse := e.rank(lower, other); worse <= r || worse.level() < r.level() {
					t.Fatalf("user %v, %v, has rank %x; user %v, %v, has %x", user, p, r, other, lower, worse)
				}
			}
		}
	}
}

// uniform checks counts by Pearson's test, at six standard deviations.
func uniform(t *testing.T, what string, counts []int) {
	t.Helper()
	total := 0
	for _, n := range counts {
		total += n
	}
	expected := float64(total) / float64(len(counts))
	chi := 0.0
	for _, n := range counts {
		chi += (float64(n) - expected) * (float64(n) - expected) / expected
	}
	freedom := float64(len(counts) - 1)
	if bound := 6 * math.Sqrt(2*freedom); math.Abs(chi-freedom) > bound {
		t.Errorf("%s: chi-square is %.0f, want %.0f +- %.0f", what, chi, freedom, bound)
	}
}

// Real identities are hashes, but a classifier of the user's own may well number
// its users from 1.
func TestRankSpreadsUsersOverCohorts(t *testing.T) {
	const users = 100_000
	r := rand.New(rand.NewPCG(3, 4))
	for _, c := range []struct {
		what string
		user func(i int) seawall.ID
	}{
		{"numbers", func(i int) seawall.ID { return seawall.ID(i + 1) }},
		{"multiples", func(i int) seawall.ID { return seawall.ID(i+1) << 20 }},
		{"upper halves", func(i int) seawall.ID { return seawall.ID(i+1) << 40 }},
		{"hashes", func(int) seawall.ID { return seawall.ID(r.Uint64() | 1) }},
		{"nobody", func(int) seawall.ID { return 0 }},
	} {
		for _, at := range []time.Time{aDay, aDay.Add(150 * time.Second), aDay.Add(299 * time.Second)} {
			e := epochsAt(at, period)
			var counts [cohorts]int
			var fine [256]int // the low bits decide between users of one cohort
			for i := range users {
				v := e.rank(seawall.Normal, c.user(i))
				counts[v.level()-cohorts]++
				fine[v&255]++
			}
			uniform(t, c.what+", cohorts", counts[:])
			uniform(t, c.what+", low bits", fine[:])
		}
	}
}

// Every user's rank changes once a period, each at an instant of their own.
func TestRankIsStickyAndChangesOneByOne(t *testing.T) {
	const users = 3000
	seconds := int(period / time.Second)
	changedAt := make([]int, 2*seconds)
	changes := make([]int, users+1)
	last := make([]rank, users+1)
	for second := range 2*seconds + 1 {
		e := epochsAt(aDay.Add(time.Duration(second)*time.Second), period)
		for u := 1; u <= users; u++ {
			r := e.rank(seawall.Critical, seawall.ID(u))
			if second > 0 && r != last[u] {
				changes[u]++
				changedAt[second-1]++
			}
			last[u] = r
		}
	}
	for u := 1; u <= users; u++ {
		if changes[u] != 2 {
			t.Fatalf("user %d changes %d times in two periods", u, changes[u])
		}
	}
	// 10 a second are expected; numbers that count upwards spread more evenly
	// than chance would have them.
	if most := slices.Max(changedAt); most > 35 {
		t.Errorf("%d of %d users change in the same second", most, users)
	}
}

// Who was in favour is no more likely than others to be so again.
func TestRankIsThrownAnew(t *testing.T) {
	const users = 20_000
	before, after := epochsAt(aDay, period), epochsAt(aDay.Add(period), period)
	again := 0
	for u := range users {
		id := seawall.ID(u + 1)
		if before.rank(seawall.Critical, id).level() < cohorts/8 && after.rank(seawall.Critical, id).level() < cohorts/8 {
			again++
		}
	}
	if want := users / 64; again < want/2 || again > want*3/2 {
		t.Errorf("%d of %d users are in the first eighth twice, want about %d", again, users, want)
	}
}

// Two instances that have been up for different times agree, so that a user who
// is let in by one is let in by the next.
func TestRankAgreesAcrossAFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fleet []*Shedder
		for range 5 {
			fleet = append(fleet, seawall.Must(New(Config{Sticky: time.Minute})))
			time.Sleep(12345 * time.Millisecond)
		}
		for range 100 {
			time.Sleep(997 * time.Millisecond)
			for _, s := range fleet {
				p, _ := s.TryAcquire(context.Background(), seawall.Class{}) // which runs a tick
				p.Release()
			}
			for range 100 {
				user := seawall.ID(rand.Uint64() | 1)
				want := fleet[0].gate.Load().epochs.rank(seawall.Normal, user)
				for i, s := range fleet[1:] {
					if got := s.gate.Load().epochs.rank(seawall.Normal, user); got != want {
						t.Fatalf("user %v has rank %x at instance 0, %x at instance %d", user, want, got, i+1)
					}
				}
			}
		}
	})
}

// Nobody known gets a throw per request: an anonymous crowd shares the bad luck.
func TestRankOfNobodyIsRandom(t *testing.T) {
	e := epochsAt(aDay, period)
	seen := map[rank]bool{}
	for range 1000 {
		r := e.rank(seawall.Sheddable, 0)
		if r.class() != 2 {
			t.Fatalf("rank %x is of class %d", r, r.class())
		}
		seen[r] = true
	}
	if len(seen) < 990 {
		t.Errorf("%d ranks in 1000 throws", len(seen))
	}
}

func TestRankNeverPanics(t *testing.T) {
	for _, at := range []time.Time{{}, time.Unix(-1, 0), time.Unix(0, 0), aDay, time.Unix(1<<40, 0)} {
		for _, period := range []time.Duration{minSticky, minSticky + time.Millisecond, 24 * time.Hour} {
			e := epochsAt(at, period)
			for p := math.MinInt8; p <= math.MaxInt8; p++ {
				for _, user := range []seawall.ID{0, 1, math.MaxUint64} {
					r := e.rank(seawall.Priority(p), user)
					if r.class() >= seawall.NumPriorities || r.level() >= levels || !priorityOf(r.class()).Valid() {
						t.Fatalf("priority %d, user %v, %v: rank %x", p, user, at, r)
					}
				}
			}
		}
	}
}
