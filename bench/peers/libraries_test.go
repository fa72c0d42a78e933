package peers

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/seawall-go/seawall"
)

// TestScenes: every library admits while it is idle and refuses while it is
// full, alone and in parallel, so that an update of one that behaves otherwise
// is noticed before its figures are believed.
func TestScenes(t *testing.T) {
	for _, suite := range Suites() {
		for _, c := range suite.Cases() {
			for _, l := range suite.Libraries {
				if l.Has(c) {
					t.Run(fmt.Sprintf("%s/%s", c, l.Name), func(t *testing.T) { decides(t, l, c) })
				}
			}
		}
	}
}

func decides(t *testing.T, l Library, c Case) {
	t.Helper()
	if c == ZipfMillion && os.Getenv("SEAWALL_LONG") == "" {
		t.Skip("a million keys: SEAWALL_LONG=1; the benchmark runs them, too")
	}
	s := scene(t, l, c)
	if err := s.Ready(); err != nil {
		t.Fatal(err)
	}
	for _, f := range Forms() {
		if err := s.Run(2000, f.goroutines()); err != nil {
			t.Error(f, err)
		}
	}
}

func scene(t *testing.T, l Library, c Case) *Scene {
	t.Helper()
	s, err := l.Scene(c)
	needs(t, err)
	t.Cleanup(s.Close)
	return s
}

// TestFreed: who refuses does so because the house is full and for no other
// reason. Of two seats given back somebody gets one.
func TestFreed(t *testing.T) {
	for _, l := range Shed().Libraries {
		c := Reject
		if l.Name == "seawall" {
			c = RejectFull // the floor comes down by the law, in its own time
		}
		t.Run(l.Name, func(t *testing.T) {
			s := scene(t, l, c)
			if n := s.loop(100); n != 0 {
				t.Fatalf("full: %d of 100 admitted", n)
			}
			s.Free()
			if n := s.loop(100); n != 100 {
				t.Errorf("free again: %d of 100 admitted", n)
			}
		})
	}
}

// TestAnswers: what the handlers say no with.
func TestAnswers(t *testing.T) {
	want := map[string]string{
		"seawall":           "503 overloaded, application/problem+json, come back: true",
		"failsafe":          "429 , text/plain; charset=utf-8, come back: false",
		"failsafe-priority": "429 , text/plain; charset=utf-8, come back: false",
		"gozero":            "503 , , come back: false",
		"kratos":            "429 , text/plain; charset=utf-8, come back: false",
	}
	for _, l := range Shed().Libraries {
		t.Run(l.Name, func(t *testing.T) {
			s := scene(t, l, HandlerReject)
			if err := s.Ready(); err != nil {
				t.Fatal(err)
			}
			w := httptest.NewRecorder()
			r, cancel := newRequest(s.header)
			defer cancel()
			r.RemoteAddr = addresses[0]
			s.handler.ServeHTTP(w, r)
			h := w.Header()
			got := fmt.Sprintf("%d %s, %s, come back: %t", w.Code, h.Get(seawall.ReasonHeader), h.Get("Content-Type"), h.Get("Retry-After") != "")
			if got != want[l.Name] {
				t.Errorf("got %q, want %q", got, want[l.Name])
			}
		})
	}
}

// TestRateAnswers: what is said to a client, let in and not.
func TestRateAnswers(t *testing.T) {
	const ours, old = "RateLimit RateLimit-Policy", "X-RateLimit-Limit X-RateLimit-Remaining X-RateLimit-Reset"
	want := map[string][3]string{ // let in, not, and with fields always
		"seawall":   {"204", "429 " + ours + " Retry-After", "204 " + ours},
		"golimiter": {"204 " + old, "429 " + old + " Retry-After", "204 " + old},
		"httprate":  {"204 " + old, "429 " + old + " Retry-After", "204 " + old},
		"throttled": {"204 " + old, "429 " + old + " Retry-After", "204 " + old},
		"ulule":     {"204 " + old, "429 " + old, "204 " + old},
	}
	for _, l := range RateLimit().Libraries {
		for i, c := range []Case{HandlerAllow, HandlerRefuse, HandlerHeaders} {
			if !l.Has(c) {
				continue
			}
			w := httptest.NewRecorder()
			r, cancel := newRequest(nil)
			r.RemoteAddr = addresses[0]
			scene(t, l, c).handler.ServeHTTP(w, r)
			cancel()
			got := fmt.Sprint(w.Code)
			for name := range strings.FieldsSeq(ours + " " + old + " Retry-After") {
				if w.Header().Get(name) != "" {
					got += " " + name
				}
			}
			if got != want[l.Name][i] {
				t.Errorf("%s/%s: got %q, want %q", c, l.Name, got, want[l.Name][i])
			}
		}
	}
}

// TestEachByAddress: who has used up what there is stands in nobody's way.
func TestEachByAddress(t *testing.T) {
	for _, l := range RateLimit().Libraries {
		if !l.Has(HandlerRefuse) {
			continue
		}
		h := scene(t, l, HandlerRefuse).handler
		for _, c := range []struct {
			from string
			want int
		}{{"203.0.113.1:1", 204}, {"203.0.113.1:2", 429}, {"203.0.113.2:1", 204}} {
			w := httptest.NewRecorder()
			r, cancel := newRequest(nil)
			r.RemoteAddr = c.from
			h.ServeHTTP(w, r)
			cancel()
			if w.Code != c.want {
				t.Errorf("%s: %s was answered %d, want %d", l.Name, c.from, w.Code, c.want)
			}
		}
	}
}

// TestRunSees: a scene in the wrong state is no measurement.
func TestRunSees(t *testing.T) {
	s := &Scene{name: "admit/x", admits: true, loop: func(n int) int { return n - 1 }}
	if err := s.Run(10, 1); err == nil || !strings.Contains(err.Error(), "9 of 10 requests were admitted (want 10)") {
		t.Error("one refused:", err)
	}
	if err := s.Run(10, 4); err == nil || !strings.Contains(err.Error(), "6 of 10") {
		t.Error("one refused in each goroutine:", err)
	}
	if _, err := s.Quiet(1); err == nil {
		t.Error("Quiet: one refused, and no error")
	}
	s = &Scene{name: "reject/x", loop: func(int) int { return 1 }}
	if err := s.Run(10, 1); err == nil {
		t.Error("one admitted, and no error")
	}
	counted := uint64(0)
	s = &Scene{name: "reject/x", loop: func(int) int { counted++; return 0 }, count: func() uint64 { return counted }}
	if err := s.Run(10, 1); err == nil || !strings.Contains(err.Error(), "1 of 10 requests were decided") {
		t.Error("refused in another way:", err)
	}
	if err := s.Run(1, 1); err != nil {
		t.Error(err)
	}
}

// TestServingSees: an answer that is neither of the two spoils the count.
func TestServingSees(t *testing.T) {
	odd := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	if got := serving(odd, nil)(3); got != -1 {
		t.Errorf("got %d, want -1", got)
	}
}
