package spike

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestBalancedValidate(t *testing.T) {
	for want, build := range map[string]func() (Target, error){
		"Balance must be RoundRobin or LeastInFlight (got 0)": func() (Target, error) { return Balanced(0, instant) },
		"Balance must be RoundRobin or LeastInFlight (got 3)": func() (Target, error) { return Balanced(3, instant) },
		"len(targets) must be between 1 and 1000 (got 0)":     func() (Target, error) { return Balanced(RoundRobin) },
		"len(targets) must be between 1 and 1000 (got 1001)":  func() (Target, error) { return Balanced(RoundRobin, make([]Target, 1001)...) },
		"seawall/spike: target must not be nil":               func() (Target, error) { return Balanced(LeastInFlight, instant, nil) },
	} {
		if _, err := build(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want ...%s...", err, want)
		}
	}
}

// instances counts who asks which of them, each of which takes its own time.
func instances(took ...time.Duration) (targets []Target, counts []int) {
	var mu sync.Mutex
	counts = make([]int, len(took))
	for i, d := range took {
		targets = append(targets, func(context.Context, *Request) Outcome {
			mu.Lock()
			counts[i]++
			mu.Unlock()
			time.Sleep(d)
			return Success
		})
	}
	return targets, counts
}

// TestBalanced: three instances, one of them slow, under 300 requests a second.
func TestBalanced(t *testing.T) {
	for how, want := range map[Balance][3]float64{
		RoundRobin: {1000, 1000, 1000},
		// With n under way in each an instance serves n/took, 20 to 20 to 1; it is
		// somewhat more, as n comes and goes and the slow one is there to fill in.
		LeastInFlight: {1445, 1445, 110},
	} {
		targets, counts := instances(50*ms, 50*ms, sec)
		balanced, err := Balanced(how, targets...)
		if err != nil {
			t.Fatal(err)
		}
		targets[0] = nil // ours to change
		l := alone(Steady(300), 10*sec)
		l.Timeout = time.Minute
		rec := run(t, l, balanced)
		if n := outcomes(rec); n[Success] != len(rec.Samples) {
			t.Errorf("%d: %v", how, n)
		}
		for i := range counts {
			scale := float64(len(rec.Samples)) / 3000
			if got := float64(counts[i]); got < 0.85*scale*want[i] || got > 1.15*scale*want[i] {
				t.Errorf("%d: the instances got %v, want about %v", how, counts, want)
				break
			}
		}
	}
}

// TestBalancedInTurn: round robin, and least in flight among equals, take turns.
func TestBalancedInTurn(t *testing.T) {
	for _, how := range []Balance{RoundRobin, LeastInFlight} {
		targets, counts := instances(0, 0, 0)
		balanced, err := Balanced(how, targets...)
		if err != nil {
			t.Fatal(err)
		}
		for n := range 10 {
			for i, got := range counts {
				if want := (n + 2 - i) / 3; got != want {
					t.Fatalf("%d: after %d requests %v", how, n, counts)
				}
			}
			balanced(t.Context(), &Request{})
		}
	}
}

// TestBalancedForgetsWhoLeaves: a panic or a Goexit of the target is no request
// under way for ever.
func TestBalancedForgetsWhoLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad, good := 0, 0
		balanced, err := Balanced(LeastInFlight,
			func(context.Context, *Request) Outcome {
				if bad++; bad%2 == 0 {
					runtime.Goexit()
				}
				panic("on purpose")
			},
			func(context.Context, *Request) Outcome { good++; return Success },
		)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			go func() {
				defer func() { _ = recover() }()
				balanced(t.Context(), &Request{})
			}()
			synctest.Wait()
		}
		if bad != 10 || good != 10 {
			t.Errorf("%d and %d requests", bad, good)
		}
	})
}
