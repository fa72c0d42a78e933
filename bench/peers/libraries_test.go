package peers

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seawall-go/seawall"
)

// TestScenes: every library admits while it is idle and refuses while it is
// full, alone and in parallel, so that an update of one that behaves otherwise
// is noticed before its figures are believed.
func TestScenes(t *testing.T) {
	for _, c := range Cases() {
		for _, l := range Libraries() {
			t.Run(fmt.Sprintf("%s/%s", c, l.Name), func(t *testing.T) {
				s := scene(t, l, c)
				if err := s.Ready(); err != nil {
					t.Fatal(err)
				}
				for _, f := range Forms() {
					if err := s.Run(2000, f.goroutines()); err != nil {
						t.Error(f, err)
					}
				}
			})
		}
	}
}

func scene(t *testing.T, l Library, c Case) *Scene {
	t.Helper()
	s, err := l.Scene(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// TestFreed: who refuses does so because the house is full and for no other
// reason. Of two seats given back somebody gets one.
func TestFreed(t *testing.T) {
	for _, l := range Libraries() {
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
	for _, l := range Libraries() {
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
