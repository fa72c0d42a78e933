package spike

import (
	"context"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
)

func TestRoutesFollowTheirWeights(t *testing.T) {
	l := Load{Profile: Steady(2000), Duration: 20 * sec, Seed: 5}
	plain := drawAll(t, l)
	l.Routes = []float64{9, 0, 1}
	routed := drawAll(t, l)
	counts := [3]float64{}
	for i, r := range routed {
		counts[r.Route]++
		if r.Routes != 3 || plain[i].Routes != 0 || plain[i].Route != 0 {
			t.Fatalf("got %+v and %+v", r, plain[i])
		}
		if r.Route, r.Routes = 0, 0; r != plain[i] {
			t.Fatalf("routes turn %+v into %+v", plain[i], r)
		}
	}
	near(t, "requests of route 0", counts[0], 0.9*float64(len(routed)), 4.5)
	near(t, "requests of route 2", counts[2], 0.1*float64(len(routed)), 4.5)
	if counts[1] != 0 {
		t.Errorf("%v requests of a route without weight", counts[1])
	}
}

// TestJourneysHaveRoutes: each step has a route of its own, its retries have
// the same, and the record tells it.
func TestJourneysHaveRoutes(t *testing.T) {
	l := Load{Profile: Steady(200), Duration: 10 * sec, Routes: []float64{1, 1}, Retries: Retries{Max: 1}}
	l.Journeys = Journeys{Share: 1, Length: 4, Think: seawall.Off}
	var mu sync.Mutex
	first := map[uint64]int{}
	rec := run(t, l, func(_ context.Context, r *Request) Outcome {
		mu.Lock()
		defer mu.Unlock()
		if r.Attempt == 1 {
			first[r.ID] = r.Route
			return Failed
		}
		if first[r.ID] != r.Route {
			t.Errorf("the second attempt at %d has route %d", r.ID, r.Route)
		}
		return Success
	})
	counts, mixed := [2]float64{}, map[uint32][2]bool{}
	for _, s := range rec.Samples {
		counts[s.Route]++
		seen := mixed[s.Journey]
		seen[s.Route] = true
		mixed[s.Journey] = seen
		if int(s.Route) != first[s.ID] {
			t.Fatalf("request %d went to route %d, the record says %d", s.ID, first[s.ID], s.Route)
		}
	}
	near(t, "requests of route 0", counts[0], float64(len(rec.Samples))/2, 4.5)
	both := 0
	for _, seen := range mixed {
		if seen[0] && seen[1] {
			both++
		}
	}
	if both < len(mixed)/2 {
		t.Errorf("%d of %d journeys take both routes", both, len(mixed))
	}
}

func TestRoutesValidate(t *testing.T) {
	for want, routes := range map[string][]float64{
		"Routes must be at most 16 weights (got 17)":           make([]float64, 17),
		"Routes must be of a positive weight in all (got 0)":   {0, 0},
		"Routes[1] must be between 0 and 1e9 (got -1)":         {1, -1},
		"Routes[0] must be between 0 and 1e9 (got NaN)":        {math.NaN()},
		"Routes[0] must be between 0 and 1e9 (got +Inf)":       {math.Inf(1)},
		"Load.Routes must be as many as Backend.Service.Modes": {1, 2, 3},
	} {
		sc := plain()
		sc.Backend.Service = Bimodal(5*ms, 0.9, 200*ms)
		sc.Load.Routes = routes
		if err := sc.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want ...%s...", err, want)
		}
	}
	sc := plain() // one mode: all routes are alike
	sc.Load.Routes = []float64{1, 2, 3}
	if err := sc.Validate(); err != nil {
		t.Error(err)
	}
}

func TestRouteFromPath(t *testing.T) {
	for path, want := range map[string]struct {
		route    int
		priority seawall.Priority
	}{
		"/critical": {0, seawall.Critical}, "/critical/r0": {0, seawall.Critical}, "/a/sheddable/r7": {7, seawall.Sheddable},
		"/background/r15": {15, seawall.Background}, "/critical/r16": {0, seawall.Normal}, "/critical/r": {0, seawall.Normal},
		"/critical/r007": {0, seawall.Normal}, "/critical/r-1": {0, seawall.Normal}, "/critical/r1/": {0, seawall.Normal},
		"": {0, seawall.Normal}, "/": {0, seawall.Normal}, "r1": {0, seawall.Normal}, "/r3": {3, seawall.Normal},
	} {
		r := &http.Request{URL: &url.URL{Path: path}}
		if got := RouteFromPath(r); got != want.route {
			t.Errorf("%s: route %d, want %d", path, got, want.route)
		}
		if got := PriorityFromPath(r); got != want.priority {
			t.Errorf("%s: %v, want %v", path, got, want.priority)
		}
	}
}

func FuzzRouteFromPath(f *testing.F) {
	f.Add("/critical/r2")
	f.Add("/normal")
	f.Add("/r16")
	f.Fuzz(func(t *testing.T, path string) {
		r := &http.Request{URL: &url.URL{Path: path}}
		if k := RouteFromPath(r); k < 0 || k >= maxRoutes {
			t.Errorf("route %d", k)
		}
		if p := PriorityFromPath(r); !p.Valid() {
			t.Errorf("priority %d", p)
		}
	})
}

// TestHTTPTargetRoutes: what one end writes, the other reads, with a socket and
// without.
func TestHTTPTargetRoutes(t *testing.T) {
	var path string
	var route int
	var priority seawall.Priority
	h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		path, route, priority = r.URL.Path, RouteFromPath(r), PriorityFromPath(r)
	})
	srv := server(t, h)
	for name, target := range map[string]Target{
		"http": httpTarget(t, HTTPConfig{URL: srv.URL}).Do, "handler": HandlerTarget(h, nil),
	} {
		for _, r := range []Request{
			{Priority: seawall.Critical}, {Priority: seawall.Normal, Routes: 2}, {Priority: seawall.Background, Route: 15, Routes: 16},
		} {
			if o, _ := once(target, time.Minute, r); o != Success {
				t.Fatalf("%s: %v", name, o)
			}
			if route != r.Route || priority != r.Priority || strings.Contains(path, "/r") != (r.Routes > 0) {
				t.Errorf("%s: %s is route %d and %v of %+v", name, path, route, priority, r)
			}
		}
	}
}

// TestBackendRoutes: a route takes what its mode takes, whichever way it comes,
// at once or after waiting.
func TestBackendRoutes(t *testing.T) {
	cfg := BackendConfig{Slots: 1, Service: Bimodal(5*ms, 0.9, 200*ms), Contention: seawall.Off}
	if got := Bimodal(5*ms, 0.75, 200*ms).Shares(); !slices.Equal(got, []float64{0.75, 0.25}) {
		t.Errorf("shares %v", got)
	}
	synctest.Test(t, func(t *testing.T) {
		b := seawall.Must(NewBackend(cfg))
		serve := map[string]func(route int){
			"ServeRoute": func(route int) { _ = b.ServeRoute(t.Context(), route) },
			"Target": func(route int) {
				b.Target(nil)(t.Context(), &Request{Route: route, Routes: 2})
			},
			"Handler": func(route int) {
				r := Request{Route: route, Routes: 2}
				b.Handler().ServeHTTP(httptest.NewRecorder(), handlerRequest(t.Context(), &r))
			},
		}
		for name, call := range serve {
			for range 5 {
				start := time.Now()
				call(0)
				fast := time.Since(start)
				call(1)
				if slow := time.Since(start) - fast; fast != 5*ms || slow != 200*ms {
					t.Errorf("%s: %v and %v", name, fast, slow)
				}
			}
			start := time.Now()
			var wg sync.WaitGroup
			for _, route := range []int{1, 0, 0} { // two of them wait
				wg.Go(func() { call(route) })
			}
			wg.Wait()
			if took := time.Since(start); took != 210*ms {
				t.Errorf("%s: three in a row take %v", name, took)
			}
		}
		// Without a route, or with one that has no mode, it is the mixture.
		start := time.Now()
		for i := range 1000 {
			switch i % 3 {
			case 0:
				_ = b.Serve(t.Context())
			case 1:
				_ = b.ServeRoute(t.Context(), 2)
			default:
				b.Target(nil)(t.Context(), &Request{Route: 1})
			}
		}
		if mean := time.Since(start) / 1000; mean < 20*ms || mean > 29*ms {
			t.Errorf("the mean of the mixture is %v", mean)
		}
	})
}
