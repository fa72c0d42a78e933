package ratelimit

import (
	"cmp"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"golang.org/x/time/rate"

	"github.com/seawall-go/seawall"
)

// bucket is a leaky bucket in exact numbers: what has been admitted and not yet
// drained. That it never holds more than burst + 1 is the same as that on no
// interval more than burst + rate*t + 1 has been admitted.
type bucket struct {
	level, rate, most *big.Rat // tokens, tokens per unit of time, tokens
	last              int64
}

func newBucket(r Rate) *bucket {
	perUnit := new(big.Rat).SetFloat64(float64(r.Limit))
	perUnit.Quo(perUnit, new(big.Rat).SetInt64(second))
	return &bucket{level: new(big.Rat), rate: perUnit, most: new(big.Rat).SetInt64(r.Burst + 1)}
}

// admit reports whether there may be so many more at that time.
func (b *bucket) admit(at, cost int64) bool {
	drained := new(big.Rat).Mul(b.rate, new(big.Rat).SetInt64(at-b.last))
	b.last = at
	if b.level.Sub(b.level, drained).Sign() < 0 {
		b.level.SetInt64(0)
	}
	b.level.Add(b.level, new(big.Rat).SetInt64(cost))
	return b.level.Cmp(b.most) <= 0
}

// takenAt is what was admitted when, by the caller's reading of the clock.
type takenAt struct{ at, cost int64 }

// TestNeverMoreThanTheModel: callers whose readings of the clock are late, in no
// order, at rates of all sizes, and limiters and tables alike. A request counts at
// the time its caller has read: who has read early and comes late is of then.
func TestNeverMoreThanTheModel(t *testing.T) {
	steps := 200_000
	if testing.Short() {
		steps = 20_000
	}
	if long() {
		steps = 10_000_000
	}
	r := rand.New(rand.NewPCG(7, 8))
	for done := 0; done < steps; {
		limit := rate.Limit(spread(r, 1e-4, 2e7))
		rt := Rate{Limit: limit, Burst: int64(spread(r, 1, 1000))}
		l := limiter(t, rt)
		k := keyed(t, KeyedConfig{Rate: rt, Bytes: minBytes})
		var admitted [2][]takenAt
		now := clock()
		mean := float64(second) / float64(limit) * spread(r, 0.01, 3)
		for range 2000 {
			if now > mostDebt { // a year and more: no process lives until the end of 64 bits
				break
			}
			done++
			now += int64(r.ExpFloat64() * mean)
			if r.IntN(200) == 0 {
				now += int64(min(spread(r, 1, 1e4)*mean, mostDebt)) // a pause
			}
			seen := now
			if r.IntN(5) == 0 {
				seen -= int64(min(r.ExpFloat64()*mean*spread(r, 0.1, 100), float64(second))) // read long ago
			}
			cost := int64(1)
			if r.IntN(10) == 0 {
				cost = int64(r.IntN(5))
			}
			if d, _, _ := l.take(seen, cost, seawall.Normal); d.OK {
				admitted[0] = append(admitted[0], takenAt{seen, cost})
			}
			if d := k.take(k.hash([]byte("a")), nil, seen, cost, seawall.Normal); d.OK {
				admitted[1] = append(admitted[1], takenAt{seen, cost})
			}
		}
		for i, all := range admitted {
			slices.SortFunc(all, func(a, b takenAt) int { return cmp.Compare(a.at, b.at) })
			m := newBucket(rt)
			if len(all) > 0 {
				m.last = all[0].at // which may be before the process
			}
			for _, one := range all {
				if !m.admit(one.at, one.cost) {
					t.Fatalf("%v, %s: the bucket holds %s", rt, [...]string{"Limiter", "Keyed"}[i], m.level.FloatString(6))
				}
			}
		}
	}
}

func spread(r *rand.Rand, lo, hi float64) float64 {
	return lo * math.Pow(hi/lo, r.Float64())
}
