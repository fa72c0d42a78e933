package ratelimit

import (
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/seawall-go/seawall"
)

// long says whether there is time.
func long() bool { return os.Getenv("SEAWALL_LONG") != "" }

// TestLateCallers: one in fifty is delayed by 10 ms between its reading of the
// clock and the limiter, which is what a starved process looks like. A crowd of
// ten times the rate comes within a second: while there is enough for all somebody
// late is let in, and what x/time has stored goes back by 10 ms, from then on again
// and again.
func TestLateCallers(t *testing.T) {
	const perSecond, burst = 10_000, 100
	seconds := int64(10)
	if long() {
		seconds = 120
	}
	r := Rate{Limit: perSecond, Burst: burst}
	for name, delay := range map[string]func() int64{
		"10ms":       func() int64 { return 10e6 },
		"up to 20ms": func() int64 { return rand.Int64N(20e6) },
	} {
		l, k := limiter(t, r), keyed(t, KeyedConfig{Rate: r})
		x, start := rate.NewLimiter(perSecond, burst), time.Now()
		zero, hash := clock(), k.hash([]byte("a"))
		admitted := lateCrowd(seconds*1e9, delay, func(now int64) (in [3]bool) {
			d, _, _ := l.take(zero+now<<unitShift, 1, seawall.Normal)
			return [3]bool{d.OK, k.take(hash, nil, zero+now<<unitShift, 1, seawall.Normal).OK, x.AllowN(start.Add(time.Duration(now)), 1)}
		})
		may := float64(perSecond*seconds + burst)
		share := func(i int) float64 { return 100 * float64(admitted[i]) / may }
		t.Logf("%s late: of what may be admitted Limiter %.3f %%, Keyed %.3f %%, x/time %.0f %%", name, share(0), share(1), share(2))
		for i, limiter := range []string{"Limiter", "Keyed"} {
			if s := share(i); s < 99.5 || s > 100.5 {
				t.Errorf("%s late, %s: %.2f %% of what may be admitted", name, limiter, s)
			}
		}
		if s := share(2); name == "10ms" && s < 500 {
			t.Errorf("%s late: x/time admits only %.0f %% of what it may, and doc.go says otherwise", name, s)
		}
	}
}

// lateCrowd grows from half of the rate to ten times that within a second, and
// stays for so many nanoseconds. It counts what is admitted while it stays.
func lateCrowd(length int64, delay func() int64, take func(now int64) [3]bool) (admitted [3]int) {
	const before = 1_000_000_000
	type late struct{ at, now int64 }
	var queue []late
	count := func(at, now int64) {
		for i, in := range take(now) {
			if in && at >= before {
				admitted[i]++
			}
		}
	}
	for now, n := int64(0), 0; now < before+length; now += 1e9 / (5_000 + 95_000*min(now, before)/before) {
		for len(queue) > 0 && queue[0].at <= now {
			count(now, queue[0].now)
			queue = queue[1:]
		}
		if n++; n%50 == 0 {
			queue = append(queue, late{now + delay(), now})
			continue
		}
		count(now, now)
	}
	return admitted
}

// TestWorstWindow: at the default burst no window of the length that a rate was
// told in holds more than 1.1 times what it should, whatever the client does:
// take all there is, wait, and take all around the edge. A Keyed tells times apart
// by 4096ths of a token, so a window is a thousandth of a token shorter.
func TestWorstWindow(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	rounds := 20
	if long() {
		rounds = 500
	}
	worst := 0.0
	for _, n := range []int64{1, 2, 9, 10, 11, 19, 20, 100, 200, 1000} {
		for range rounds {
			d := time.Duration(1+r.IntN(100)) * time.Second
			share := worstWindow(t, r, n, d)
			if worst = max(worst, share); share > 1.10 {
				t.Errorf("%d in %v: %.3f times as much in one window", n, d, share)
			}
		}
	}
	t.Logf("%.4f in the worst window", worst)
	if worst < 1.05 {
		t.Errorf("%.3f times as much in the worst window: nothing was tried", worst)
	}
}

// worstWindow is the most that such a client gets in any window of d, as a part
// of n.
func worstWindow(t *testing.T, r *rand.Rand, n int64, d time.Duration) float64 {
	t.Helper()
	l, k := limiter(t, Per(n, d)), keyed(t, KeyedConfig{Rate: Per(n, d), Bytes: minBytes})
	length, hash := int64(d)<<unitShift, k.hash([]byte("a"))
	start := clock()
	most := 0
	for _, take := range []func(now int64) bool{
		func(now int64) bool { got, _, _ := l.take(now, 1, seawall.Normal); return got.OK },
		func(now int64) bool { return k.take(hash, nil, now, 1, seawall.Normal).OK },
	} {
		var times []int64 // of what was admitted
		first := 0
		for now := start; now < start+6*length; {
			for take(now) {
				times = append(times, now)
			}
			for first < len(times) && times[first] <= now-length+length/n/1000 {
				first++
			}
			most = max(most, len(times)-first)
			now += 1 + r.Int64N(max(1, length/n/4)) // oftener than tokens come
			if r.IntN(int(8*n)) == 0 {
				now += r.Int64N(length) // a rest
			}
		}
	}
	return float64(most) / float64(n)
}
