package redisstore

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/ratelimit"
)

//house:sleep requests come by the clock that Redis goes by

// TestFleet: eight processes share a limit, and half of the load is on one of
// them. Together they never get more than there is, and use nearly all of it.
func TestFleet(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	const (
		nodes = 8
		lasts = 3 * time.Second
	)
	r := ratelimit.Rate{Limit: 2000, Burst: 200}
	for _, demand := range []float64{1600, 6000} {
		e := startRedis(t)
		var wg sync.WaitGroup
		var asked, admitted, alone atomic.Int64
		var all [nodes]*ratelimit.Shared
		began := time.Now()
		for i := range all {
			l := seawall.Must(ratelimit.NewShared(ratelimit.SharedConfig{
				Rate: r, Bytes: 1 << 16, Sharing: ratelimit.Sharing{Store: storeOf(t, e.addr), Nodes: nodes, Budget: time.Second},
			}))
			all[i] = l
			pace := demand / 2
			if i > 0 {
				pace = demand / 2 / (nodes - 1)
			}
			for g := range 4 {
				wg.Go(func() {
					rng := rand.New(rand.NewPCG(uint64(i), uint64(g)))
					due := began
					for {
						due = due.Add(time.Duration(rng.ExpFloat64() * 4 / pace * float64(time.Second)))
						if due.Sub(began) > lasts {
							return
						}
						time.Sleep(time.Until(due))
						d := l.Take(t.Context(), "hot", 1, seawall.Normal)
						asked.Add(1)
						if d.OK {
							admitted.Add(1)
						}
						if d.Source == ratelimit.Fallback {
							alone.Add(1)
						}
					}
				})
			}
		}
		wg.Wait()
		took := time.Since(began).Seconds()
		most := min(float64(r.Limit)*took+float64(r.Burst), float64(asked.Load()))
		calls := e.calls("evalsha") + e.calls("eval")
		got := float64(admitted.Load()) / most
		t.Logf("%.0f a second: %d of %d admitted, %.2f %% of what a perfect limiter admits, %.3f calls a decision, %d alone",
			demand, admitted.Load(), asked.Load(), 100*got, float64(calls)/float64(asked.Load()), alone.Load())
		if got > 1.0005 || got < 0.85 { // 98.6 to 100 % where nothing else runs
			t.Errorf("%.4f of what a perfect limiter admits", got)
		}
		for _, l := range all {
			if err := l.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
}
