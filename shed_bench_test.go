package seawall_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/shed"
)

// BenchmarkShed is a request through a whole handler with shed around it: who
// asks, the decision, and the refusal if that is what comes out. By address is
// what there is without a configuration.
func BenchmarkShed(b *testing.B) {
	configs := map[string]shed.Config{
		"address": {},
		"track":   {Classify: func(*http.Request) seawall.Class { return seawall.Class{Track: true, Cost: 2} }},
		"cookie-routes": {Classify: classify(b, seawall.ClassifierConfig{
			Routes: map[string]seawall.Class{"GET /feed": {}, "POST /login": {Priority: seawall.Critical}},
			User:   seawall.Identity{Cookie: "sid"},
		})},
	}
	for _, name := range []string{"address", "cookie-routes", "track"} {
		b.Run("admit/"+name, func(b *testing.B) {
			s := seawall.Must(shed.New(configs[name]))
			shedForms(b, s.Middleware(shedNothing), http.StatusNoContent, func(*testing.B) {})
		})
	}
	for _, name := range []string{"address", "cookie-routes"} {
		b.Run("reject/"+name, func(b *testing.B) {
			s := seawall.Must(shed.New(configs[name]))
			shedForms(b, s.Middleware(shedNothing), http.StatusServiceUnavailable, raiseFloor(b, s))
		})
	}
}

var shedNothing = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })

// shedForms measures h alone and in parallel. Every answer must be the wanted
// one, or something else was measured.
func shedForms(b *testing.B, h http.Handler, want int, ready func(*testing.B)) {
	b.Helper()
	for _, form := range []string{"serial", "parallel"} {
		workers := 1
		if form == "parallel" {
			workers = runtime.GOMAXPROCS(0)
		}
		b.Run(form, func(b *testing.B) {
			ready(b)
			var (
				wg    sync.WaitGroup
				other atomic.Int64
			)
			b.ReportAllocs()
			b.ResetTimer()
			for i := range workers {
				n := (b.N + i) / workers
				wg.Go(func() { other.Add(int64(shedServe(h, n, want))) })
			}
			wg.Wait()
			b.StopTimer()
			if n := other.Load(); n > 0 {
				b.Fatalf("%d of %d answers are not %d", n, b.N, want)
			}
		})
	}
}

// shedServe sends n requests and returns how many had another answer.
func shedServe(h http.Handler, n, want int) (other int) {
	w := &statusHole{blackhole: blackhole{header: make(http.Header)}}
	requests := make([]*http.Request, 64)
	for i := range requests {
		requests[i] = httptest.NewRequest(http.MethodGet, "/feed", nil)
		requests[i].RemoteAddr = fmt.Sprintf("198.51.100.%d:40000", i)
		requests[i].Header.Set("Cookie", "theme=dark; sid=8a7d0c8e6f2b4d0e9c"+strconv.Itoa(i))
	}
	for i := range n {
		h.ServeHTTP(w, requests[i%len(requests)])
		if w.status != want {
			other++
		}
	}
	return other
}

type statusHole struct {
	blackhole

	status int
}

func (w *statusHole) WriteHeader(status int) { w.status = status }

// raiseFloor fills the house. What it returns knocks until the law refuses
// everybody Normal at the door: for that it wants to see that there are too
// many, and how many are served.
func raiseFloor(b *testing.B, s *shed.Shedder) func(*testing.B) {
	b.Helper()
	pin := func(b *testing.B, limit int) {
		b.Helper()
		if err := s.Override(b.Context(), seawall.Override{Control: "limit", Value: strconv.Itoa(limit)}); err != nil {
			b.Fatal(err)
		}
	}
	critical := func(b *testing.B) *shed.Permit {
		b.Helper()
		p, err := s.TryAcquire(context.Background(), seawall.Class{Priority: seawall.Critical})
		if err != nil {
			b.Fatal(err)
		}
		return &p
	}
	pin(b, 4)
	for range 4 {
		seat := critical(b)
		b.Cleanup(seat.Release)
	}
	return func(b *testing.B) {
		b.Helper()
		for began := time.Now(); ; {
			pin(b, 5)
			critical(b).Release()
			pin(b, 4)
			for wave := time.Now(); time.Since(wave) < 10*time.Millisecond; {
				for i := range 1000 {
					if _, err := s.TryAcquire(context.Background(), seawall.Class{User: seawall.ID(i + 1)}); err == nil {
						b.Fatal("there is room")
					}
				}
			}
			st, waited := s.Stats(), time.Since(began)
			if st.Floor == seawall.Normal.String() && st.Cohort == 0 && waited > 120*time.Millisecond {
				return
			}
			if waited > 5*time.Second {
				b.Fatalf("the floor does not rise: %+v", st)
			}
		}
	}
}
