package ratelimit

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/seawall-go/seawall"
)

func limiter(t testing.TB, r Rate) *Limiter {
	t.Helper()
	l, err := NewLimiter(LimiterConfig{Rate: r})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestSameAsXTime: with a clock that only goes forward x/time's limiter and this
// one decide alike. Rates are such that a token is a whole number of units, and
// times never are where a token is due: x/time counts in float64.
func TestSameAsXTime(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	sequences := 200
	if long() {
		sequences = 5000 // 10^7 decisions
	}
	compared := 0
	defer func() { t.Logf("%d decisions, all alike", compared) }()
	for range sequences {
		every := time.Duration(2 + 2*r.IntN(1_000_000))
		burst := int64(1 + r.IntN(50))
		l := limiter(t, Rate{Limit: rate.Every(every), Burst: burst})
		x := rate.NewLimiter(rate.Every(every), int(burst))
		at := time.Now()
		c := l.cell.Load()
		if c.inc != int64(every)<<unitShift {
			t.Fatalf("%v a token is %d units", every, c.inc)
		}
		now := c.paid.Load()
		for i := range 2000 {
			if r.IntN(3) == 0 {
				d := time.Duration(r.Int64N(int64(every))*2 + 1) // odd: never a multiple of a token
				if i%2 == 1 {
					d++
				}
				at, now = at.Add(d), now+int64(d)<<unitShift
			}
			cost := int64(r.IntN(4))
			missing := float64(cost) - x.TokensAt(at)
			want := x.AllowN(at, int(cost))
			got, _, _ := l.take(now, cost, seawall.Normal)
			compared++
			if got.OK != want {
				// Within a nanosecond of the moment it is a matter of rounding.
				if math.Abs(missing)*float64(every) < 1.1 {
					break
				}
				t.Fatalf("every %v, burst %d, step %d: %v, x/time says %v (%v tokens are missing of %d)", every, burst, i, got.OK, want, missing, cost)
			}
		}
	}
}

func TestWaitIsPaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limiter(t, Rate{Limit: 10, Burst: 2})
		began := time.Now()
		for range 12 {
			if err := l.Wait(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("10 beyond the burst at 10 a second took %v", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if err := l.Wait(ctx, 1); !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			t.Errorf("a wait that would be too long: %v, after %v", err, time.Since(began))
		}
	})
}

func TestNeverMoreUnderRaces(t *testing.T) {
	l := limiter(t, Rate{Limit: 1, Burst: 1000})
	var n atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				if l.Allow() {
					n.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if got := n.Load(); got < 1000 || got > 1001+int64(time.Since(base).Seconds()) {
		t.Errorf("admitted %d", got)
	}
}

func BenchmarkHot(b *testing.B) {
	b.Run("seawall", func(b *testing.B) {
		l := limiter(b, Rate{Limit: 1e9, Burst: 1e6})
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				l.Allow()
			}
		})
	})
	b.Run("xtime", func(b *testing.B) {
		l := rate.NewLimiter(1e9, 1e6)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				l.Allow()
			}
		})
	})
	b.Run("seawall-refused", func(b *testing.B) {
		l := limiter(b, Rate{Limit: 0.0001, Burst: 1})
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				l.Allow()
			}
		})
	})
	b.Run("xtime-refused", func(b *testing.B) {
		l := rate.NewLimiter(0.0001, 1)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				l.Allow()
			}
		})
	})
}
