package shed_test

import (
	"net/http"
	"testing"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/seawalltest"
	"github.com/seawall-go/seawall/shed"
)

// conformance fills in the hooks of the suite. Nothing is excepted.
func conformance(t *testing.T, s *shed.Shedder, cfg shed.Config) seawalltest.Conformance {
	t.Helper()
	return seawalltest.Conformance{
		InFlight: func() int { st := s.Stats(); return st.InFlight + st.Shadow },
		Limited: func(n int) seawall.Middleware {
			return pinned(t, n, shed.Config{}).Middleware
		},
		New: func() seawall.Middleware { return start(t, cfg).Middleware },
	}
}

// TestConformance: over HTTP/1 and HTTP/2 a request that is admitted passes as if
// nothing was there.
func TestConformance(t *testing.T) {
	s := start(t, shed.Config{})
	conformance(t, s, shed.Config{}).Run(t, s.Middleware)
	shut(t, s)
}

// TestConformanceTracked: with a context of its own, and with the writer that a
// stream gets, whatever the request is, nothing is different either.
func TestConformanceTracked(t *testing.T) {
	cfg := classed(seawall.Class{Track: true})
	asksForEvents := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Header.Add("Accept", "text/event-stream")
			next.ServeHTTP(w, r)
		})
	}
	asAtFirst := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			accept := r.Header["Accept"]
			if r.Header["Accept"] = accept[:len(accept)-1]; len(accept) == 1 {
				delete(r.Header, "Accept")
			}
			next.ServeHTTP(w, r)
		})
	}
	s := start(t, cfg)
	conformance(t, s, cfg).Run(t, seawall.Chain(asksForEvents, s.Middleware, asAtFirst))
	shut(t, s)
}

// Two teams of one company may well put it around the same handler: one and the
// same, or two of them.
func TestConformanceStacked(t *testing.T) {
	cfg := shed.Config{MinLimit: 128} // each request takes two seats
	s, outer := start(t, cfg), start(t, cfg)
	twice := seawall.Chain(s.Middleware, s.Middleware)
	t.Run("the same twice", func(t *testing.T) { conformance(t, s, cfg).Run(t, twice) })
	t.Run("two", func(t *testing.T) {
		if testing.Short() {
			t.Skip("in short runs the same twice is enough")
		}
		conformance(t, s, cfg).Run(t, seawall.Chain(outer.Middleware, s.Middleware))
	})
	shut(t, s)
	shut(t, outer)
}

// In a dry run those who would be refused must pass as if nothing was there, too.
func TestConformanceDryRun(t *testing.T) {
	s := pinned(t, 1, shed.Config{DryRun: true})
	inside := enter(t, s, of(seawall.Critical)) // so that everybody else would be
	suite := conformance(t, s, shed.Config{DryRun: true})
	suite.InFlight = func() int { st := s.Stats(); return st.InFlight + st.Shadow - 1 }
	suite.Run(t, s.Middleware)
	inside.Release()
	if p := s.Stats().Priorities[1]; p.Refused < 1000 || p.Admitted > p.Refused/100 {
		t.Errorf("%+v: this was no dry run", p)
	}
	shut(t, s)
}
