package shed

import (
	"context"
	"math"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
)

// The state is set by hand and held: a tick, which comes once in 50 ms, has a
// benchmark of its own. Sampled is what a service of less than 10,000 requests
// a second pays, where every request reads the clock; otherwise one in 64 does.

// held returns a Shedder in a state that change makes, which no tick moves.
func held(b *testing.B, cfg Config, change func(*gate)) *Shedder {
	b.Helper()
	s, err := New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	g := *s.gate.Load()
	g.mask = 63
	change(&g)
	s.gate.Store(&g)
	s.due.Store(math.MaxInt64)
	return s
}

// benchUsers users, so that all cohorts are met. A power of two.
const benchUsers = 1024

func known(i int) seawall.ID { return seawall.ID(i%benchUsers + 1) }

func anonymous(int) seawall.ID { return 0 }

// bothForms runs f alone and in parallel. It gets how often to do it, and
// returns how often it was admitted; want is whether it should be.
func bothForms(b *testing.B, want bool, f func(n int) (admitted int)) {
	b.Helper()
	check := func(b *testing.B, admitted int) {
		b.Helper()
		if (admitted == b.N) != want || !want && admitted > 0 {
			b.Fatalf("%d of %d admitted", admitted, b.N)
		}
	}
	b.Run("serial", func(b *testing.B) {
		b.ReportAllocs()
		check(b, f(b.N))
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		check(b, shared(b.N, runtime.GOMAXPROCS(0), f))
	})
}

// shared lets workers share n calls.
func shared(n, workers int, f func(n int) int) int {
	var (
		wg    sync.WaitGroup
		total atomic.Int64
	)
	for i := range workers {
		share := n / workers
		if i < n%workers {
			share++
		}
		wg.Go(func() { total.Add(int64(f(share))) })
	}
	wg.Wait()
	return int(total.Load())
}

func acquiring(s *Shedder, user func(int) seawall.ID) func(int) int {
	return func(n int) (admitted int) {
		ctx := context.Background()
		for i := range n {
			p, err := s.Acquire(ctx, seawall.Class{User: user(i)})
			if err != nil {
				continue
			}
			admitted++
			p.Release()
		}
		return admitted
	}
}

func BenchmarkAcquire(b *testing.B) {
	calm := func(*gate) {}
	for _, c := range []struct {
		name   string
		cfg    Config
		change func(*gate)
		user   func(int) seawall.ID
	}{
		{"known", Config{}, calm, known},
		{"anonymous", Config{}, calm, anonymous},
		{"sampled", Config{}, func(g *gate) { g.mask = 0 }, known},
		{"observed", Config{Observer: seawall.ObserverFunc(func(context.Context, seawall.Event) {})}, calm, known},
	} {
		b.Run(c.name, func(b *testing.B) {
			bothForms(b, true, acquiring(held(b, c.cfg, c.change), c.user))
		})
	}
}

// BenchmarkAcquireSeats is of requests that weigh five, and of their seats.
func BenchmarkAcquireSeats(b *testing.B) {
	for _, what := range []string{"five", "add", "detach"} {
		b.Run(what, func(b *testing.B) {
			s := held(b, Config{}, func(*gate) {})
			bothForms(b, true, func(n int) (admitted int) {
				ctx := context.Background()
				for i := range n {
					p, err := s.Acquire(ctx, seawall.Class{User: known(i), Cost: 5})
					if err != nil {
						continue
					}
					admitted++
					switch what { // a function called by value would cost the Permit an allocation
					case "add":
						p.AddCost(2)
					case "detach":
						p.Detach()
					}
					p.Release()
				}
				return admitted
			})
		})
	}
}

// BenchmarkRefuse: at the floor, where nearly all of a flood ends; without a
// seat and without patience; and by a wait queue that is full of better ones.
func BenchmarkRefuse(b *testing.B) {
	b.Run("floor", func(b *testing.B) {
		s := held(b, Config{}, func(g *gate) { g.floor = cohorts })
		bothForms(b, false, acquiring(s, known))
	})
	b.Run("full", func(b *testing.B) {
		s := held(b, Config{NormalWait: seawall.Off}, func(g *gate) { g.limit = 0 })
		bothForms(b, false, acquiring(s, known))
	})
	b.Run("queue", func(b *testing.B) {
		s := held(b, Config{CriticalWait: time.Hour, NormalWait: time.Hour}, func(g *gate) { g.limit = 0 })
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		for range 16 { // the places there are without a seat
			wg.Go(func() { _, _ = s.Acquire(ctx, seawall.Class{Priority: seawall.Critical}) })
		}
		for s.waiters.Load() < 16 {
			runtime.Gosched()
		}
		bothForms(b, false, acquiring(s, known))
		cancel()
		wg.Wait()
	})
}

// BenchmarkWaitHandover is a request that mostly has to wait, and is handed the
// seat of one that leaves: two locks, two heaps and a switch of goroutines.
func BenchmarkWaitHandover(b *testing.B) {
	s := held(b, Config{NormalWait: time.Hour}, func(g *gate) { g.limit = 2 })
	b.ReportAllocs()
	admitted := shared(b.N, 16, func(n int) (admitted int) {
		ctx := context.Background()
		for i := range n {
			p, err := s.Acquire(ctx, seawall.Class{User: known(i)})
			if err != nil {
				continue
			}
			admitted++
			runtime.Gosched() // so that the others find it taken
			p.Release()
		}
		return admitted
	})
	b.StopTimer()
	if admitted != b.N {
		b.Fatalf("%d of %d admitted", admitted, b.N)
	}
	waited := s.Stats().Priorities[1].Waited
	b.ReportMetric(float64(waited)/float64(b.N), "waited/op")
}

// BenchmarkTick is a step of the law with the counting before and the
// publishing after it: what one request in 50 ms pays for all.
func BenchmarkTick(b *testing.B) {
	for _, c := range []struct {
		name    string
		arrived uint64 // at each level in each shard
	}{{"idle", 0}, {"busy", 20}} {
		b.Run(c.name, func(b *testing.B) {
			s, err := New(Config{})
			if err != nil {
				b.Fatal(err)
			}
			ctx, now := context.Background(), s.now()
			var took time.Duration
			b.ReportAllocs()
			for b.Loop() {
				for i := range s.shards {
					for l := range s.shards[i].offered {
						s.shards[i].offered[l].Store(c.arrived)
					}
					s.shards[i].done.Store(c.arrived * levels)
					s.shards[i].returned.Store(c.arrived<<countBits | c.arrived)
				}
				number := s.number
				now += tickNanos
				s.due.Store(now)
				began := time.Now()
				s.tick(ctx, now)
				took += time.Since(began)
				if s.number == number {
					b.Fatal("no tick was run")
				}
			}
			b.ReportMetric(float64(took)/float64(b.N), "ns/op") // without the counting up
		})
	}
}

// BenchmarkMiddleware is all of it: class, decision, answer.
func BenchmarkMiddleware(b *testing.B) {
	nothing := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	nobody := func(*http.Request) seawall.Class { return seawall.Class{} }
	for _, c := range []struct {
		name     string
		classify seawall.Classifier
		admits   bool
		change   func(*gate)
	}{
		{"admit/address", nil, true, func(*gate) {}},
		{"admit/nobody", nobody, true, func(*gate) {}},
		{"admit/sampled", nil, true, func(g *gate) { g.mask = 0 }},
		{"admit/five", func(*http.Request) seawall.Class { return seawall.Class{Cost: 5} }, true, func(*gate) {}},
		{"admit/track", func(*http.Request) seawall.Class { return seawall.Class{Track: true} }, true, func(*gate) {}},
		{"refuse/address", nil, false, func(g *gate) { g.floor = cohorts }},
		{"refuse/nobody", nobody, false, func(g *gate) { g.floor = cohorts }},
	} {
		b.Run(c.name, func(b *testing.B) {
			h := held(b, Config{Classify: c.classify}, c.change).Middleware(nothing)
			bothForms(b, c.admits, func(n int) int {
				w := &benchWriter{header: make(http.Header)}
				r := httptest.NewRequest(http.MethodGet, "/feed", nil)
				for range n {
					h.ServeHTTP(w, r)
				}
				if w.admitted+w.refused != n {
					return -1
				}
				return w.admitted
			})
		})
	}
}

// benchWriter is a ResponseWriter without a connection.
type benchWriter struct {
	header            http.Header
	admitted, refused int
}

func (w *benchWriter) Header() http.Header         { return w.header }
func (w *benchWriter) Write(p []byte) (int, error) { return len(p), nil }

func (w *benchWriter) WriteHeader(status int) {
	switch status {
	case http.StatusNoContent:
		w.admitted++
	case http.StatusServiceUnavailable:
		w.refused++
	}
}
