package ratelimit

import (
	"cmp"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/seawall-go/seawall"
)

// TestKeyedAgainstMap: while nothing is displaced each key of a table decides as
// a Limiter of its own would, but where less than two ticks are between yes and no.
func TestKeyedAgainstMap(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	compared, near := 0, 0
	for range 30 {
		rt := Rate{Limit: rate.Limit(spread(r, 1e-3, 1e6)), Burst: int64(spread(r, 1, 100))}
		kept := Reserve{0.75, 0.5, 0.25, 0}
		k := keyed(t, KeyedConfig{Rate: rt, Reserve: kept})
		limiters := map[uint16]*Limiter{}
		now := clock() + second
		mean := float64(second) / float64(rt.Limit) / 300
		for range 20_000 {
			now += int64(r.ExpFloat64() * mean)
			id := uint16(min(r.ExpFloat64()*100, 1000))
			l, ok := limiters[id]
			if !ok {
				l, _ = NewLimiter(LimiterConfig{Rate: rt, Reserve: kept})
				limiters[id] = l
			}
			if l == nil {
				continue // has parted for good, at a near one
			}
			key := strconv.AppendUint(nil, uint64(id), 10)
			cost, p := r.Int64N(4), seawall.Background+seawall.Priority(r.IntN(4))
			missing := l.need(now, cost, p)
			want, _, _ := l.take(now, cost, p)
			got := k.take(k.hash(key), key, now, cost, p)
			compared++
			if got.OK == want.OK {
				continue
			}
			if tick := k.keys.tick; float64(max(missing, -missing)) > 2*tick+1 {
				t.Fatalf("%v, cost %d, %v: the table says %v, a limiter that %.2f ticks are missing", rt, cost, p, got.OK, float64(missing)/tick)
			}
			near++
			limiters[id] = nil
		}
		if n := k.Stats().Displaced; n > 0 {
			t.Fatalf("%d displaced", n)
		}
	}
	if compared < 500_000 || near > compared/1000 {
		t.Errorf("%d compared, %d of them near", compared, near)
	}
}

// need is how much is missing for a cost, in units.
func (l *Limiter) need(now, cost int64, p seawall.Priority) int64 {
	c := l.cell.Load()
	return max(0, c.paid.Load()-now) + c.meter.need(cost) - c.ceiling(p)
}

// level is a bucket as simple as can be: tokens, exactly, of a time that stands
// still.
type level struct{ used, burst int64 }

// TestAllOrNoneAgainstModel: four policies, one of them in dry run. At one time a
// request is charged to all of them or, if one refuses, to none.
func TestAllOrNoneAgainstModel(t *testing.T) {
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 9))
			var cost int64
			price := func(*http.Request) int64 { return cost }
			bursts := [4]int64{1 + r.Int64N(8), 1 + r.Int64N(8), 1 + r.Int64N(12), 1 + r.Int64N(40)}
			l := limits(t, Config{DryRun: seed%8 == 7, Policies: []Policy{
				{Name: "all", Rate: Per(1, time.Hour).WithBurst(bursts[3]), Cost: price},
				{Name: "a", Rate: Per(1, time.Hour).WithBurst(bursts[0]), Key: ByHeader("A"), Bytes: minBytes, Cost: price},
				{Name: "dry", Rate: Per(1, time.Hour).WithBurst(bursts[1]), Key: ByHeader("B"), Bytes: minBytes, Cost: price, DryRun: true},
				{Name: "c", Rate: Per(1, time.Hour).WithBurst(bursts[2]), Key: By(ByHeader("A"), ByHeader("B")), Bytes: minBytes, Cost: price},
			}})
			model := map[string]*level{}
			at := func(name string, burst int64) *level {
				if model[name] == nil {
					model[name] = &level{burst: burst}
				}
				return model[name]
			}
			req := from("192.0.2.1:1")
			for step := range 300 {
				a, b := strconv.Itoa(r.IntN(4)), strconv.Itoa(r.IntN(4))
				cost = r.Int64N(4)
				req.Header = http.Header{"A": {a}, "B": {b}}
				if r.IntN(5) == 0 {
					delete(req.Header, "B") // and two policies do not apply
				}
				charged := []*level{at("a"+a, bursts[0]), at("all", bursts[3])}
				dry := []*level{}
				if req.Header["B"] != nil {
					dry = append(dry, at("dry"+b, bursts[1]))
					charged = append(charged, at("c"+a+"+"+b, bursts[2]))
				}
				if seed%8 == 7 {
					dry, charged = append(dry, charged...), nil
				}
				full := func(l *level) bool { return l.used+cost > l.burst }
				want := !slices.ContainsFunc(charged, full)
				if got := l.Take(req, seawall.Class{}) == nil; got != want {
					t.Fatalf("seed %d, step %d, A %s, B %v, cost %d: admitted %v, want %v", seed, step, a, req.Header["B"], cost, got, want)
				}
				if !want {
					continue
				}
				for _, one := range append(charged, dry...) {
					if !full(one) {
						one.used += cost
					}
				}
			}
		})
	}
}

// TestReserveAgainstModel: a priority is served while what is used, and what it
// asks for, stays below what is kept for those above it; and as time goes on what
// is kept for Critical is there, however many others ask.
func TestReserveAgainstModel(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	shares := [...]float64{0, 0.25, 0.5, 0.75, 1}
	for range 200 {
		var kept Reserve
		for i := range kept {
			kept[i] = shares[r.IntN(len(shares))]
		}
		slices.SortFunc(kept[:], func(a, b float64) int { return cmp.Compare(b, a) })
		burst := 4 * (1 + r.Int64N(20))
		rt := Rate{Limit: rate.Every(1 << 20), Burst: burst} // a token is 2^20 ns
		l, err := NewLimiter(LimiterConfig{Rate: rt, Reserve: kept})
		if err != nil {
			t.Fatal(err)
		}
		k := keyed(t, KeyedConfig{Rate: rt, Reserve: kept, Bytes: minBytes})
		now, used := clock()+second, int64(0)
		for range 500 {
			if r.IntN(3) == 0 {
				pass := r.Int64N(3)
				now, used = now+pass<<(20+unitShift), max(0, used-pass)
			}
			i, cost := r.IntN(len(kept)), r.Int64N(4)
			p := seawall.Background + seawall.Priority(i)
			want := used+cost <= burst-int64(float64(burst)*kept[i])
			got, _, _ := l.take(now, cost, p)
			inTable := k.take(k.hash([]byte("a")), nil, now, cost, p)
			if got.OK != want || inTable.OK != want {
				t.Fatalf("reserve %v, burst %d, %d used, %v asks for %d: Limiter %v, Keyed %v, want %v", kept, burst, used, p, cost, got.OK, inTable.OK, want)
			}
			if want {
				used += cost
			}
		}
	}
}

// TestUpdateInFlight: a change while requests are decided gives no more than a
// burst more, and where the table is kept none.
func TestUpdateInFlight(t *testing.T) {
	const burst = 200
	for round := range 50 {
		cfg := Config{Policies: []Policy{
			{Name: "user", Rate: Per(1, time.Hour).WithBurst(burst), Key: ByUser(), Bytes: minBytes},
			{Name: "all", Rate: Per(1, time.Hour).WithBurst(2 * burst)},
		}}
		l := limits(t, cfg)
		var byUser [3]atomic.Int64
		begin, done := make(chan struct{}), make(chan struct{})
		var wg sync.WaitGroup
		r := from("192.0.2.1:1")
		for g := range 6 {
			wg.Go(func() {
				for i := range 2 * burst {
					switch {
					case g == 0 && i == burst/4:
						close(begin)
					case i == burst: // all have more to ask for after it
						<-done
					}
					if l.Take(r, seawall.Class{User: seawall.ID(1 + g%3)}) == nil {
						byUser[g%3].Add(1)
					}
				}
			})
		}
		wg.Go(func() {
			defer close(done)
			<-begin
			if err := l.Update(cfg); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		total := int64(0)
		for i := range byUser {
			n := byUser[i].Load()
			total += n
			if n > burst+1 { // their table is the same one
				t.Errorf("round %d: user %d was admitted %d times", round, i+1, n)
			}
		}
		// Who is charged just before the exchange and asks again after it pays twice.
		if total < 2*burst-6 || total > 4*burst+1 {
			t.Errorf("round %d: %d were admitted in all", round, total)
		}
	}
}

// given is a charge that may be taken back.
type given struct {
	takenAt
	back func(now int64)
}

// checkRefunds takes and gives back at random, with at most so many that may
// still be given back. What stays must be no more than had been admitted without
// the rest: a refund makes room for nobody but one who was kept out for it.
func checkRefunds(t *testing.T, r *rand.Rand, rt Rate, most int, take func(now, cost int64) (back func(now int64))) {
	t.Helper()
	now := clock() + second
	mean := float64(second) / float64(rt.Limit)
	var stay, open []given
	for range 1000 {
		now += int64(r.ExpFloat64() * mean)
		if len(open) > 0 && r.IntN(2) == 0 {
			i := r.IntN(len(open))
			open[i].back(now)
			open = slices.Delete(open, i, i+1)
			continue
		}
		cost := 1 + r.Int64N(rt.Burst)
		back := take(now, cost)
		switch {
		case back == nil:
		case len(open) < most && r.IntN(2) == 0:
			open = append(open, given{takenAt{now, cost}, back})
		default:
			stay = append(stay, given{takenAt: takenAt{now, cost}})
		}
	}
	stay = append(stay, open...)
	slices.SortStableFunc(stay, func(a, b given) int { return cmp.Compare(a.at, b.at) })
	m := newBucket(rt)
	for _, one := range stay {
		if !m.admit(one.at, one.cost) {
			t.Fatalf("%v: after refunds the bucket holds %s", rt, m.level.FloatString(3))
		}
	}
}

func TestCancelCannotOverfill(t *testing.T) {
	checkCancels(t, 1)
}

func checkCancels(t *testing.T, most int) {
	t.Helper()
	r := rand.New(rand.NewPCG(13, 14))
	for range 200 {
		rt := Rate{Limit: rate.Limit(spread(r, 1e-2, 1e6)), Burst: int64(spread(r, 1, 100))}
		l := limiter(t, rt)
		checkRefunds(t, r, rt, most, func(now, cost int64) func(int64) {
			d, c, paid := l.take(now, cost, seawall.Normal)
			if !d.OK {
				return nil
			}
			return Reservation{cell: c, paid: paid, need: c.meter.need(cost)}.cancel
		})
	}
}
