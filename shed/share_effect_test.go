package shed

import (
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
)

// tally is what callers were told, by priority.
type tally struct{ offered, admitted [seawall.NumPriorities]uint64 }

func (c *tally) of(p seawall.Priority) (offered, admitted uint64) {
	i := classOf(p) >> 32
	return c.offered[i], c.admitted[i]
}

// fullHouse is a Shedder of ten seats, each taken for 20 ms: 500 a second. A
// crowd asks by the class, and outcomes are kept by the caller's key.
type fullHouse struct {
	*Shedder
	by  map[string]*tally
	rng *rand.Rand
}

func newFullHouse(t *testing.T) *fullHouse {
	t.Helper()
	cfg := Config{RunQueue: seawall.Off, Sticky: 24 * time.Hour}
	return &fullHouse{Shedder: pin(t, cfg, "10"), by: map[string]*tally{}, rng: rand.New(rand.NewPCG(7, 8))}
}

// asker sends rate requests a second.
type asker struct {
	key   string
	rate  float64
	class func(r *rand.Rand) seawall.Class
}

// send lets them ask for so long, at random instants. What is decided is
// counted from then on, so that the first seconds can be left out.
func (h *fullHouse) send(t *testing.T, lasts time.Duration, who ...asker) {
	t.Helper()
	type outcome struct {
		key string
		c   seawall.Class
		ok  bool
	}
	told := make(chan outcome, 100_000)
	asked := 0
	for range lasts / time.Millisecond {
		for _, a := range who {
			for n := a.rate / 1000; n > 0; n-- {
				if n < 1 && h.rng.Float64() >= n {
					break
				}
				c := a.class(h.rng)
				asked++
				go func() {
					p, err := h.Acquire(t.Context(), c)
					if err == nil {
						time.Sleep(20 * time.Millisecond)
					}
					p.Release()
					told <- outcome{a.key, c, err == nil}
				}()
			}
		}
		time.Sleep(time.Millisecond)
	}
	for range asked {
		o := <-told
		if h.by[o.key] == nil {
			h.by[o.key] = new(tally)
		}
		c, i := h.by[o.key], classOf(o.c.Priority)>>32
		c.offered[i]++
		if o.ok {
			c.admitted[i]++
		}
	}
}

// served is the share of a key's requests, of a priority, that were admitted.
func (h *fullHouse) served(t *testing.T, key string, p seawall.Priority) float64 {
	t.Helper()
	if h.by[key] == nil {
		t.Fatalf("%s never asked", key)
	}
	offered, admitted := h.by[key].of(p)
	if offered < 20 {
		t.Fatalf("%s, %v: %d requests", key, p, offered)
	}
	return float64(admitted) / float64(offered)
}

// exact compares the Shedder's own counts with what the callers were told.
func (h *fullHouse) exact(t *testing.T, all ...map[string]*tally) {
	t.Helper()
	var sum tally
	for _, by := range append(all, h.by) {
		for _, c := range by {
			for i := range c.offered {
				sum.offered[i] += c.offered[i]
				sum.admitted[i] += c.admitted[i]
			}
		}
	}
	for i, p := range h.Stats().Priorities {
		if p.Offered != sum.offered[i] || p.Admitted != sum.admitted[i] || p.Refused != sum.offered[i]-sum.admitted[i] {
			t.Errorf("%v: offered %d, admitted %d, refused %d; the callers counted %d and %d",
				p.Priority, p.Offered, p.Admitted, p.Refused, sum.offered[i], sum.admitted[i])
		}
	}
}

// next forgets the outcomes so far and returns them.
func (h *fullHouse) next() map[string]*tally {
	by := h.by
	h.by = map[string]*tally{}
	return by
}

// many are users who each ask once in half a minute or less often.
func many(p seawall.Priority) func(*rand.Rand) seawall.Class {
	return func(r *rand.Rand) seawall.Class {
		return seawall.Class{Priority: p, User: seawall.ID(mix(1 + r.Uint64N(40_000)))}
	}
}

func one(user seawall.ID, p seawall.Priority) func(*rand.Rand) seawall.Class {
	return func(*rand.Rand) seawall.Class { return seawall.Class{Priority: p, User: user} }
}

// TestAbuserIsServedLast: a user who sends a third of what there is room for
// gets nothing while others of the priority are refused, whatever place the dice
// gave it; and all that it asks for when there is room.
func TestAbuserIsServedLast(t *testing.T) {
	for _, abuser := range []seawall.ID{1, 2, 3} {
		synctest.Test(t, func(t *testing.T) {
			h := newFullHouse(t)
			honest, bad := asker{"honest", 900, many(seawall.Normal)}, asker{"abuser", 170, one(abuser, seawall.Normal)}
			h.send(t, 3*time.Second, honest, bad)
			first := h.next()
			h.send(t, 4*time.Second, honest, bad)
			if v := h.served(t, "abuser", seawall.Normal); v > 0.02 {
				t.Errorf("user %d: %.0f %% of an abuser's are served", abuser, 100*v)
			}
			if v := h.served(t, "honest", seawall.Normal); v < 0.48 {
				t.Errorf("user %d: %.0f %% of the others' are served, there is room for 55", abuser, 100*v)
			}
			h.exact(t, first)

			full := h.next()
			quiet := asker{"quiet", 200, many(seawall.Normal)}
			h.send(t, time.Second, quiet) // the house empties
			between := h.next()
			h.send(t, 2*time.Second, quiet, bad)
			if v := min(h.served(t, "abuser", seawall.Normal), h.served(t, "quiet", seawall.Normal)); v < 0.97 {
				t.Errorf("user %d: there is room, and only %.1f %% are served", abuser, 100*v)
			}
			h.exact(t, first, full, between)
		})
	}
}

// TestOverWithThisRequest: the request with which a user goes over the share is
// behind, not the one after it.
func TestOverWithThisRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFullHouse(t)
		h.send(t, 3*time.Second, asker{"honest", 900, many(seawall.Normal)})
		g := h.gate.Load()
		var picked []seawall.ID // those who would be served by their place
		for id := seawall.ID(1 << 50); len(picked) < 20; id++ {
			if g.epochs.rank(seawall.Normal, id).cohort() < 20 {
				picked = append(picked, id)
			}
		}
		var served [3]atomic.Int32
		for i := range served {
			for _, id := range slices.Concat(picked, picked[:20*(i%2)]) { // in one of the seconds twice
				go func() {
					time.Sleep(500 * time.Millisecond) // until the house is full
					p, err := h.Acquire(t.Context(), seawall.Class{User: id, Priority: seawall.Normal})
					if err == nil {
						served[i].Add(1)
						time.Sleep(20 * time.Millisecond)
					}
					p.Release()
				}()
			}
			h.send(t, 1700*time.Millisecond, asker{"honest", 900, many(seawall.Normal)})
		}
		if a, b, c := served[0].Load(), served[1].Load(), served[2].Load(); a < 17 || b < 34 || c > 3 {
			t.Errorf("of 20, 40 and 20 requests %d, %d and %d are served", a, b, c)
		}
	})
}

// TestCalmKnowsNoShares: nobody is refused for asking a lot where there is room
// for all.
func TestCalmKnowsNoShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFullHouse(t)
		tenant := func(id seawall.ID, user func(*rand.Rand) seawall.Class) func(*rand.Rand) seawall.Class {
			return func(r *rand.Rand) seawall.Class {
				c := user(r)
				c.Tenant = id
				return c
			}
		}
		h.send(t, 10*time.Second,
			asker{"big", 60, tenant(1, many(seawall.Normal))},
			asker{"small", 10, tenant(2, many(seawall.Sheddable))},
			asker{"abuser", 60, tenant(1, one(5, seawall.Background))})
		for key, c := range h.by {
			if c.admitted != c.offered {
				t.Errorf("%s: %+v", key, *c)
			}
		}
		if over, far := h.shares.user(5, 1, 10); !over || !far {
			t.Error("nobody was over the share: this has tested nothing")
		}
		h.exact(t)
	})
}

// TestCriticalOfAnAbuser: Critical requests of who is far over the share come
// after the Normal ones of others, and are counted as what they are.
func TestCriticalOfAnAbuser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFullHouse(t)
		who := []asker{
			{"honest", 900, many(seawall.Normal)},
			{"honest", 50, many(seawall.Critical)},
			{"abuser", 100, one(77, seawall.Critical)},
			{"little", 0.4, one(78, seawall.Critical)}, // once in two seconds or three
			{"little", 0.4, one(79, seawall.Critical)},
		}
		h.send(t, 3*time.Second, who...)
		first := h.next()
		h.send(t, 5*time.Second, who...)
		if v := h.served(t, "abuser", seawall.Critical); v > 0.05 {
			t.Errorf("%.0f %% of the abuser's Critical ones are served", 100*v)
		}
		if v := h.served(t, "honest", seawall.Critical); v < 0.99 {
			t.Errorf("%.0f %% of the Critical ones of others are served", 100*v)
		}
		if v := h.served(t, "honest", seawall.Normal); v < 0.43 {
			t.Errorf("%.0f %% of the Normal ones are served, there is room for 50", 100*v)
		}
		if c := h.by["little"]; c == nil || c.admitted != c.offered {
			t.Errorf("Critical ones of users who ask a little often: %+v", c)
		}
		h.exact(t, first)
	})
}

// TestTenantsInAFullHouse: of two tenants the small one, which asks for less
// than half of the room, gets all; the big one gets the rest, and it is the same
// users of it who are served all the time.
func TestTenantsInAFullHouse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFullHouse(t)
		member := func(tenant seawall.ID, n uint64) func(*rand.Rand) seawall.Class {
			return func(r *rand.Rand) seawall.Class {
				return seawall.Class{Tenant: tenant, User: seawall.ID(mix(uint64(tenant)<<32 + r.Uint64N(n)))}
			}
		}
		const users = 100 // of the big one, with nine requests a second each
		who := []asker{{"small", 90, member(1, 400)}}
		for u := range uint64(users) {
			who = append(who, asker{string(rune(0x100 + u)), 9, func(*rand.Rand) seawall.Class {
				return seawall.Class{Tenant: 2, User: seawall.ID(mix(1<<40 + u))}
			}})
		}
		h.send(t, 3*time.Second, who...)
		first := h.next()
		h.send(t, 6*time.Second, who...)
		if v := h.served(t, "small", seawall.Normal); v < 0.95 {
			t.Errorf("%.1f %% of the small tenant's are served", 100*v)
		}
		always, never, all := 0, 0, 0.0
		for key := range h.by {
			if key == "small" {
				continue
			}
			v := h.served(t, key, seawall.Normal)
			all += v / users
			if v > 0.9 {
				always++
			} else if v < 0.1 {
				never++
			}
		}
		if all < 0.38 || all > 0.5 {
			t.Errorf("%.1f %% of the big tenant's are served, there is room for 45", 100*all)
		}
		// Not all: what is kept follows the volume, and favours last a moment longer.
		if always < 30 || never < 30 || always+never < 70 {
			t.Errorf("of %d users %d are always served and %d never", users, always, never)
		}
		h.exact(t, first)
	})
}

// TestPlaces: the order within and across priorities, of whoever has asked for
// how much.
func TestPlaces(t *testing.T) {
	g := &gate{epochs: epochsAt(aDay, period), favours: new(favours), shares: newShares(), second: 100}
	const (
		usual = seawall.ID(iota + 1)
		favoured
		over
		far
	)
	g.favours.admitted(favoured, g.second)
	g.favours.weigh(over, g.second, true, false)
	g.favours.weigh(far, g.second, true, true)
	g.shares.tenant(1, 100)
	g.shares.tenant(2, 1000)
	g.shares.step(101, 0.2)
	if g.shares.keep(1) != cohorts || g.shares.keep(2) > 40 {
		t.Fatalf("tenants keep %d and %d", g.shares.keep(1), g.shares.keep(2))
	}
	at := func(u, tenant seawall.ID, p seawall.Priority) (class, cohort uint32) {
		c := seawall.Class{User: u, Tenant: tenant, Priority: p}
		r := g.place(g.epochs.rank(p, u), &c)
		return r.class(), r.cohort()
	}
	for i, p := range seawall.Priorities() {
		class := uint32(i)
		for _, tenant := range []seawall.ID{0, 1} {
			own := g.epochs.rank(p, usual).cohort()
			if c, co := at(usual, tenant, p); c != class || co != own {
				t.Errorf("%v, usual: class %d, cohort %d", p, c, co)
			}
			if c, co := at(favoured, tenant, p); c != class || co >= 4 {
				t.Errorf("%v, favoured: class %d, cohort %d", p, c, co)
			}
			if c, co := at(over, tenant, p); c != class || co < cohorts-4 {
				t.Errorf("%v, over: class %d, cohort %d", p, c, co)
			}
			if c, co := at(far, tenant, p); c != max(class, 1) || co < cohorts-4 {
				t.Errorf("%v, far over: class %d, cohort %d", p, c, co)
			}
		}
		kept, behind := 0, 0
		for u := seawall.ID(1000); u < 2000; u++ {
			own := g.epochs.rank(p, u).cohort()
			switch c, co := at(u, 2, p); {
			case c != class:
				t.Fatalf("%v, of a big tenant: class %d", p, c)
			case own < g.shares.keep(2):
				if kept++; co != own {
					t.Fatalf("%v, kept: cohort %d, was %d", p, co, own)
				}
			default:
				if behind++; co < cohorts-4 {
					t.Fatalf("%v, not kept: cohort %d", p, co)
				}
			}
		}
		if kept < 50 || behind < 500 {
			t.Errorf("%v: %d kept, %d behind", p, kept, behind)
		}
	}
}

// TestFarOverInABigTenant: a tenant that is over its share is no hiding place.
func TestFarOverInABigTenant(t *testing.T) {
	g := &gate{epochs: epochsAt(aDay, period), favours: new(favours), shares: newShares(), second: 100}
	g.shares.tenant(1, 10)
	g.shares.tenant(2, 1000)
	g.shares.step(101, 0.1)
	for u := seawall.ID(1); u < 100; u++ {
		g.favours.weigh(u, g.second, true, true)
		c := seawall.Class{User: u, Tenant: 2, Priority: seawall.Critical}
		if r := g.place(g.epochs.rank(c.Priority, u), &c); r.class() != 1 {
			t.Fatalf("user %d is far over the share, and its Critical requests are of class %d", u, r.class())
		}
	}
}

// TestNoFavourForWhoIsOver: being let in all the same, in a moment with room,
// starts no favour, and what was left of one ends.
func TestNoFavourForWhoIsOver(t *testing.T) {
	f := new(favours)
	f.admitted(5, 100-favourFirm)
	if f.weigh(5, 99, true, false) || f.standing(5, 99) != ahead {
		t.Error("a journey under way is cut off")
	}
	if f.weigh(6, 99, true, false); f.standing(6, 99) != behind {
		t.Error("over, without a favour, and not told")
	}
	f.admitted(7, 99)
	if f.weigh(7, 99, true, true); f.standing(7, 99) != lower {
		t.Error("far over is no journey")
	}
	f.weigh(5, 100, true, false)
	for second := uint32(100); second < 100+favourSeconds; second++ {
		f.admitted(5, second)
		if got := f.standing(5, second); got != behind {
			t.Fatalf("in second %d: %d", second, got)
		}
	}
	if f.weigh(5, 105, true, true); f.standing(5, 105) != lower {
		t.Error("far over, and not told")
	}
	if f.weigh(5, 106, true, false); f.standing(5, 106) != behind {
		t.Error("no longer far over, and not told")
	}
	if f.weigh(5, 107, false, false); f.standing(5, 107) != inOrder {
		t.Error("no longer over, and not told")
	}
	f.admitted(5, 107)
	if f.standing(5, 107) != ahead {
		t.Error("let in by its rank, and no favour")
	}
	if f.weigh(5, 107, false, false); f.standing(5, 107) != ahead {
		t.Error("weighed, and the favour is gone")
	}
	f.weigh(6, 100, true, true)
	if f.standing(6, 100+favourSeconds) != inOrder {
		t.Error("over for ever")
	}
}

// TestCountsOfTheLowered: whoever looks between the two counts of a lowered
// request sees no number that wraps around, or a counter would stay there.
func TestCountsOfTheLowered(t *testing.T) {
	s := seawall.Must(New(Config{RunQueue: seawall.Off}))
	level := classOf(seawall.Normal)>>(32-cohortBits) + cohorts - 1
	done := make(chan uint64, 1)
	const n = 200_000
	go func() {
		sh := &s.shards[len(s.shards)-1]
		for range n { // as acquire counts a Critical one that stands among the Normal
			sh.offered[level].Add(1)
			sh.lowered.Add(1)
		}
		done <- n
	}()
	for looking := true; looking; {
		select {
		case <-done:
			looking = false
		default:
		}
		for _, p := range s.Stats().Priorities {
			if p.Offered > n || p.Admitted > n {
				t.Fatalf("%v: offered %d, admitted %d", p.Priority, p.Offered, p.Admitted)
			}
		}
	}
	if st := s.Stats(); st.Priorities[0].Offered != n || st.Priorities[1].Offered != 0 {
		t.Errorf("%+v", st.Priorities)
	}
}
