package redisstore

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/ratelimit"
)

//house:sleep requests come by the clock that Redis goes by

// shared is a limiter of a fleet of two, of which this is one.
func shared(t *testing.T, e *engine, r ratelimit.Rate, budget time.Duration) *ratelimit.Shared {
	t.Helper()
	l := seawall.Must(ratelimit.NewShared(ratelimit.SharedConfig{
		Rate: r, Bytes: 1 << 16, Sharing: ratelimit.Sharing{Store: storeOf(t, e.addr), Nodes: 2, Budget: budget},
	}))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := l.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return l
}

// crowd is what came of many decisions about one key.
type crowd struct {
	mu       sync.Mutex
	took     []time.Duration
	admitted atomic.Int64
}

// press asks so many times about every millisecond until the time is over, from
// several goroutines.
func (c *crowd) press(ctx context.Context, l *ratelimit.Shared, times int, span time.Duration) {
	var wg sync.WaitGroup
	end := time.Now().Add(span)
	for range 4 {
		wg.Go(func() {
			var took []time.Duration
			for time.Now().Before(end) {
				for range times {
					start := time.Now()
					d := l.Take(ctx, "hot", 1, seawall.Normal)
					took = append(took, time.Since(start))
					if d.OK {
						c.admitted.Add(1)
					}
				}
				time.Sleep(time.Millisecond)
			}
			c.mu.Lock()
			c.took = append(c.took, took...)
			c.mu.Unlock()
		})
	}
	wg.Wait()
}

func (c *crowd) p99() time.Duration {
	slices.Sort(c.took)
	return c.took[len(c.took)*99/100]
}

// TestLeases: a hot key costs a round trip in hundreds of decisions, and nothing
// is admitted that the bucket does not hold.
func TestLeases(t *testing.T) {
	e := startRedis(t)
	r := ratelimit.Rate{Limit: 2000, Burst: 400}
	l := shared(t, e, r, 200*time.Millisecond) // so that a busy machine is no fault
	var c crowd
	before := e.calls("evalsha")
	start := time.Now()
	c.press(t.Context(), l, 10, 2*time.Second)
	most := 401 + 2000*time.Since(start).Seconds()
	calls, asked := e.calls("evalsha")-before, len(c.took)
	t.Logf("%d decisions, %d admitted of %.0f, %d calls, p99 %v, %+v", asked, c.admitted.Load(), most, calls, c.p99(), l.Stats())
	if n := float64(c.admitted.Load()); n > most || n < 0.8*most { // 0.97 and more where nothing else runs
		t.Errorf("%v admitted, want %v to %v", n, 0.8*most, most)
	}
	if float64(calls) > 0.02*float64(asked) {
		t.Errorf("%d calls for %d decisions", calls, asked)
	}
}

// TestLimiterThroughFaults: whatever happens to Redis, nobody waits long, not
// much more than the limit is admitted, and a second after it is well it is used
// again.
func TestLimiterThroughFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	nowhere := func(e *engine) { e.do("replicaof", "127.0.0.1", "1") }
	for _, tc := range []struct {
		name         string
		start, while func(e *engine)
		end          func(e *engine)
	}{
		{"killed", (*engine).kill, nil, (*engine).start},
		{"stopped", func(e *engine) { e.cmd.Process.Signal(syscall.SIGSTOP) }, nil, func(e *engine) { e.cmd.Process.Signal(syscall.SIGCONT) }},
		{"read-only", nowhere, nil, func(e *engine) { e.do("replicaof", "no", "one") }},
		{"out of memory", func(e *engine) { e.do("config", "set", "maxmemory", "1") }, nil, func(e *engine) { e.do("config", "set", "maxmemory", "0") }},
		{"slow", nil, func(e *engine) { e.do("client", "pause", "60") }, nil},
		{"scripts flushed", nil, func(e *engine) { e.do("script", "flush") }, nil},
		{"keys evicted", nil, func(e *engine) { e.do("flushall") }, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := startRedis(t)
			const perSecond, burst = 500, 50
			l := shared(t, e, ratelimit.Rate{Limit: perSecond, Burst: burst}, 0)
			var calm, c crowd
			calm.press(t.Context(), l, 1, 500*time.Millisecond)
			const span = 2 * time.Second
			if tc.start != nil {
				tc.start(e)
			}
			began := time.Now()
			var wg sync.WaitGroup
			wg.Go(func() { c.press(t.Context(), l, 1, span) })
			if tc.while != nil {
				for time.Since(began) < span {
					tc.while(e)
					time.Sleep(100 * time.Millisecond)
				}
			}
			wg.Wait()
			lasted := time.Since(began).Seconds()
			if tc.end != nil {
				tc.end(e)
			}
			well, granted := time.Now(), l.Stats().Granted
			for after := new(crowd); l.Stats().Granted == granted && time.Since(well) < 5*time.Second; {
				after.press(t.Context(), l, 1, 10*time.Millisecond)
			}
			back := time.Since(well)
			t.Logf("admitted %.2f of the limit, p99 %v, back after %v, %+v", float64(c.admitted.Load()-burst)/(lasted*perSecond), c.p99(), back, l.Stats())
			if n, most := float64(c.admitted.Load()), burst+1.1*lasted*perSecond; n > most {
				t.Errorf("%v admitted, want at most %v", n, most)
			}
			if back > 1500*time.Millisecond {
				t.Errorf("used again only after %v", back)
			}
			if p := c.p99(); p > 100*time.Millisecond { // 10 ms on a machine with nothing else to do
				t.Errorf("p99 is %v", p)
			}
		})
	}
}
