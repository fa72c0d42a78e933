package redisstore

import (
	"context"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/time/rate"

	"github.com/seawall-go/seawall/ratelimit"
)

//house:sleep a Redis goes by its own clock

// clocked is the script on a clock that the test turns, and whose keys stay.
func clocked(t *testing.T) *redis.Script {
	t.Helper()
	source := takeSource
	for was, is := range map[string]string{
		"redis.call('TIME')":                 "{ARGV[#ARGV - 1], ARGV[#ARGV]}",
		"tonumber(ARGV[9])":                  "nil",
		"string.format('%.0f', live + 1000)": "'3600000'",
	} {
		if strings.Count(source, was) != 1 {
			t.Fatalf("the script has not one %s", was)
		}
		source = strings.Replace(source, was, is, 1)
	}
	return redis.NewScript(source)
}

// model is a bucket in exact numbers.
type model struct {
	inc, debt *big.Rat // microseconds
	rate      ratelimit.Rate
}

func newModel(r ratelimit.Rate) *model {
	inc := new(big.Rat).SetFloat64(float64(r.Limit))
	inc.Inv(inc).Mul(inc, big.NewRat(1e6, 1))
	return &model{inc: inc, debt: new(big.Rat), rate: r}
}

func (m *model) time(tokens int64) *big.Rat {
	return new(big.Rat).Mul(m.inc, new(big.Rat).SetInt64(tokens))
}

// pass lets time go by, or back.
func (m *model) pass(micros int64) {
	m.debt.Sub(m.debt, new(big.Rat).SetInt64(micros))
	if m.debt.Cmp(m.time(m.rate.Burst+1)) > 0 {
		m.debt.Set(m.time(m.rate.Burst))
	}
	m.add(0)
}

func (m *model) add(tokens int64) {
	m.debt.Add(m.debt, m.time(tokens))
	if m.debt.Sign() < 0 {
		m.debt.SetInt64(0)
	}
}

// spend adds what was used without asking, up to the Burst.
func (m *model) spend(tokens int64) {
	full := m.time(m.rate.Burst)
	if m.debt.Cmp(full) >= 0 {
		return
	}
	if m.add(tokens); m.debt.Cmp(full) > 0 {
		m.debt.Set(full)
	}
}

// room is how many tokens may still be missing, were the debt that much more.
func (m *model) room(upTo int64, more *big.Rat) int64 {
	room := m.time(upTo)
	room.Sub(room, m.debt).Sub(room, more).Quo(room, m.inc)
	n := new(big.Int)
	// Euclid's, which rounds down below zero, too: denominators are positive.
	n.DivMod(room.Num(), room.Denom(), new(big.Int))
	return n.Int64()
}

// TestModel holds the script against exact arithmetic, step by step: the debt
// that is kept is never less than the true one, and hardly more.
func TestModel(t *testing.T) {
	e := startRedis(t)
	s := storeOf(t, e.addr)
	s.take = clocked(t)
	const steps = 1500
	for _, r := range []ratelimit.Rate{
		{Limit: 1.0 / 3600, Burst: 5},
		{Limit: 1, Burst: 1},
		{Limit: 1, Burst: 1000},
		{Limit: 10, Burst: 7},
		{Limit: 1.0 / 3, Burst: 20},
		{Limit: 999.9, Burst: 100},
		{Limit: 3e6, Burst: 300_000},
		{Limit: 5e7, Burst: 1 << 40},
		{Limit: rate.Every(365 * 24 * time.Hour), Burst: 1},
	} {
		t.Run(fmt.Sprint(r), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, uint64(r.Burst)))
			m := newModel(r)
			key := fmt.Sprint(r)
			inc, _ := m.inc.Float64()
			now := int64(1_795_340_460_999_990)
			var slack float64 // what rounding up may have added
			for step := range steps {
				micros := jump(rng, inc, float64(r.Burst))
				now += micros
				m.pass(micros)
				take := ratelimit.RemoteTake{Key: key, Rate: r, UpTo: 1 + rng.Int64N(r.Burst)}
				if rng.IntN(2) == 0 {
					take.UpTo = r.Burst
				}
				take.Least = rng.Int64N(3)
				take.Want = take.Least + rng.Int64N(1+min(r.Burst, int64(1)<<rng.IntN(40)))
				if rng.IntN(4) == 0 {
					take.Back = rng.Int64N(1 + r.Burst)
				}
				if rng.IntN(8) == 0 {
					take.Used = rng.Int64N(2 + r.Burst/4)
				}
				args := append(takeArgs(take), now/1e6, now%1e6)
				reply, err := s.run(t.Context(), key, args...)
				if err != nil {
					t.Fatal(err)
				}
				got, err := parseTaken(reply)
				if err != nil {
					t.Fatal(err)
				}
				m.spend(take.Used)
				m.add(-take.Back)
				// At most a millionth of a token more than there is, at least what
				// there is without the slack.
				least, most := granted(take, m.room(take.UpTo, big.NewRat(0, 1).SetFloat64(slack))), granted(take, m.room(take.UpTo, new(big.Rat).SetFloat64(-1.1e-6*inc)))
				if got.Got < least || got.Got > most {
					t.Fatalf("step %d: %+v: got %+v, want %d to %d of a debt of %s us", step, take, got, least, most, m.debt.FloatString(9))
				}
				m.add(got.Got)
				if got.Left < max(0, m.room(r.Burst, new(big.Rat).SetFloat64(slack+1e-6))) || got.Left > max(0, m.room(r.Burst, new(big.Rat).SetFloat64(-1.1e-6*inc))) {
					t.Fatalf("step %d: %d left at a debt of %s us", step, got.Left, m.debt.FloatString(9))
				}
				slack = drift(t, m, got.State, now, slack+1e-8+2e-15*(inc*float64(r.Burst)+1e6))
				waits(t, m, take, got, slack)
			}
		})
	}
}

// jump is how far the clock goes until the next step.
func jump(rng *rand.Rand, inc, burst float64) int64 {
	switch rng.IntN(8) {
	case 0:
		return 0
	case 1:
		return 1
	case 2:
		return rng.Int64N(1 + int64(inc*burst*2))
	case 3:
		if rng.IntN(10) == 0 {
			return -int64(inc * burst * 10) // another master, another clock
		}
		return int64(inc * burst / 2)
	default:
		return rng.Int64N(2 + int64(inc*2))
	}
}

func granted(take ratelimit.RemoteTake, room int64) int64 {
	n := min(take.Want, room)
	if n < take.Least || n < 0 {
		return 0
	}
	return n
}

// drift compares the debt that is kept with the true one, and returns how much
// more it is.
func drift(t *testing.T, m *model, state string, now int64, most float64) float64 {
	t.Helper()
	var sec int64
	var micros string
	if state == "" {
		if m.debt.Sign() > 0 {
			t.Fatal("nothing is kept of a debt")
		}
		return 0
	}
	if _, err := fmt.Sscanf(state, "%d %s", &sec, &micros); err != nil {
		t.Fatalf("the state %q: %v", state, err)
	}
	kept, ok := new(big.Rat).SetString(micros)
	if !ok {
		t.Fatalf("the state %q", state)
	}
	kept.Add(kept, new(big.Rat).SetInt64(sec*1e6-now))
	if kept.Sign() < 0 {
		kept.SetInt64(0)
	}
	kept.Sub(kept, m.debt)
	over, _ := kept.Float64()
	if kept.Sign() < 0 {
		t.Fatalf("%g us of the debt are forgotten", -over)
	}
	if over > most {
		t.Fatalf("the debt kept is %g us too much, want at most %g", over, most)
	}
	return over
}

// waits: after RetryAfter, and not a microsecond and the slack before, it is there.
func waits(t *testing.T, m *model, take ratelimit.RemoteTake, got ratelimit.RemoteTaken, slack float64) {
	t.Helper()
	need := max(take.Least, 1)
	if need > take.UpTo {
		if got.RetryAfter < 24*time.Hour {
			t.Fatalf("%+v: never, but retry after %v", take, got.RetryAfter)
		}
		return
	}
	wait := m.time(need - take.UpTo)
	wait.Add(wait, m.debt)
	want, _ := wait.Float64()
	inc, _ := m.inc.Float64()
	have := float64(got.RetryAfter) / 1e3
	if low := want - 1.1e-6*inc; have < low || have > max(want+slack+2, 0) {
		t.Fatalf("%+v: retry after %v, want %g us", take, got.RetryAfter, want)
	}
}

// TestShared: who shares a bucket gets what it holds and no more, whatever they do
// at the same time.
func TestShared(t *testing.T) {
	e := startRedis(t)
	s := storeOf(t, e.addr)
	r := ratelimit.Rate{Limit: 5000, Burst: 100}
	var taken atomic.Int64
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	start := time.Now()
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for time.Since(start) < time.Second {
				got, err := s.TakeUpTo(ctx, ratelimit.RemoteTake{Key: "b", Rate: r, UpTo: 100, Least: 1, Want: 10})
				if err != nil {
					t.Error(err)
					return
				}
				taken.Add(got.Got)
			}
		})
	}
	wg.Wait()
	most := 101 + 5000*time.Since(start).Seconds()
	if n := float64(taken.Load()); n > most || n < 0.9*5000 {
		t.Errorf("%v taken, want 4500 to %v", n, most)
	}
}
