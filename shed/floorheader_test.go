package shed

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
)

func TestFloorLines(t *testing.T) {
	seen := map[string]bool{}
	for level, line := range floorLines() {
		if len(line) != 1 || cap(line) != 1 || seen[line[0]] {
			t.Fatalf("level %d is %q", level, line)
		}
		seen[line[0]] = true
		if got, ok := parseFloor(line[0]); !ok || got != level {
			t.Errorf("%q is level %d, %t, want %d", line[0], got, ok, level)
		}
	}
	for level, want := range map[int]string{0: "critical/0", 165: "normal/37", 256: "sheddable/0", 511: "background/127"} {
		if got := floorLines()[level][0]; got != want {
			t.Errorf("level %d is %q, want %q", level, got, want)
		}
	}
}

func FuzzParseFloor(f *testing.F) {
	for _, s := range []string{
		"normal/37", "critical/0", "background/127", "sheddable/128", "normal/", "/37", "normal", "", "Normal/37",
		"normal/037", "normal/00", "normal/-1", "normal/+1", "normal/1e1", "normal/ 37", " normal/37",
		"normal/37/1", "normal/999999999999999999999", "normal/٧", "urgent/3", "normal/37, normal/38",
	} {
		f.Add(s)
	}
	known := map[string]int{}
	for level, line := range floorLines() {
		known[line[0]] = level
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := parseFloor(s)
		if want, is := known[s]; ok != is || is && got != want {
			t.Errorf("%q is level %d, %t, want %d, %t", s, got, ok, want, is)
		}
	})
}

// floorAt puts a floor into a Shedder that nothing ticks.
func floorAt(s *Shedder, floor uint32, edit func(*gate)) {
	g := *s.gate.Load()
	g.floor = floor
	if edit != nil {
		edit(&g)
	}
	s.gate.Store(&g)
}

// TestTellFloor: to whom, when, on which answers.
func TestTellFloor(t *testing.T) {
	asked := 0
	tell := func(r *http.Request) bool { asked++; return r.RemoteAddr != "192.0.2.1:1234" }
	low, high := seawall.Class{Priority: seawall.Background}, seawall.Class{Priority: seawall.Critical}
	shut := func(g *gate) { g.closed, g.plain = true, false }
	dry := func(g *gate) { g.dry, g.plain = true, false }
	for name, c := range map[string]struct {
		remote string
		class  seawall.Class
		floor  uint32
		tell   func(*http.Request) bool
		edit   func(*gate)
		status int
		want   string
		asked  int
	}{
		"admitted":         {remote: "10.0.0.1:1", class: high, floor: 165, tell: tell, status: 204, want: "normal/37", asked: 1},
		"refused":          {remote: "10.0.0.1:1", class: low, floor: 165, tell: tell, status: 503, want: "normal/37", asked: 1},
		"exempt":           {remote: "10.0.0.1:1", class: seawall.Class{Exempt: true}, floor: 511, tell: tell, status: 204, want: "background/127", asked: 1},
		"stranger":         {remote: "192.0.2.1:1234", class: high, floor: 165, tell: tell, status: 204, asked: 1},
		"stranger refused": {remote: "192.0.2.1:1234", class: low, floor: 165, tell: tell, status: 503, asked: 1},
		"no floor":         {remote: "10.0.0.1:1", floor: allLevels, tell: tell, status: 204},
		"dry run":          {remote: "10.0.0.1:1", class: low, floor: 165, tell: tell, edit: dry, status: 204},
		"closed":           {remote: "10.0.0.1:1", floor: 0, tell: tell, edit: shut, status: 503},
		"nobody is told":   {remote: "10.0.0.1:1", class: low, floor: 165, status: 503},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, err := New(Config{TellFloor: c.tell, Classify: func(*http.Request) seawall.Class { return c.class }})
			if err != nil {
				t.Fatal(err)
			}
			floorAt(s, c.floor, c.edit)
			asked = 0
			w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr = c.remote
			s.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if floor := w.Header().Get(FloorHeader); floor != c.want {
					t.Errorf("%s: the handler sees %q", name, floor)
				}
				w.Header().Add(FloorHeader, "x") // shared by nobody
				w.Header()[FloorHeader] = w.Header()[FloorHeader][:len(w.Header()[FloorHeader])-1]
				w.WriteHeader(http.StatusNoContent)
			})).ServeHTTP(w, r)
			if got := strings.Join(w.Header()[FloorHeader], ","); w.Code != c.status || got != c.want || asked != c.asked {
				t.Errorf("%s: %d with %q, asked %d times; want %d, %q, %d", name, w.Code, got, asked, c.status, c.want, c.asked)
			}
		})
	}
	if got := floorLines()[165]; len(got) != 1 || got[0] != "normal/37" {
		t.Errorf("a handler has changed the line of all to %q", got)
	}
}

// TestTellFloorPanics: a callback that panics costs no seat.
func TestTellFloorPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(Config{TellFloor: func(*http.Request) bool { panic("peer") }})
		if err != nil {
			t.Fatal(err)
		}
		floorAt(s, 300, nil)
		for range 3 {
			func() {
				defer func() {
					if p := recover(); p != "peer" {
						t.Errorf("recovered %v", p)
					}
				}()
				s.Middleware(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
			}()
		}
		if st := s.Stats(); st.InFlight != 0 {
			t.Errorf("%d are inside", st.InFlight)
		}
	})
}

// TestRanksAgree: a Transport refuses the very users that the Shedder refuses
// whose floor it was told, today and when the dice have been thrown again.
func TestRanksAgree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		user := seawall.ID(0)
		class := func(*http.Request) seawall.Class { return seawall.Class{User: user} }
		tr, err := NewTransport(TransportConfig{Base: told{floor: "normal/37"}, Classify: class})
		if err != nil {
			t.Fatal(err)
		}
		probes := 0 // requests below the floor so far
		for range 4 {
			s, err := New(Config{Classify: class})
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequest(http.MethodGet, "http://feed/", nil)
			if _, err := tr.RoundTrip(r); err != nil {
				t.Fatal(err)
			}
			floorAt(s, 165, nil)
			refused := 0
			for user = 1; user <= 2000; user++ {
				_, here := tr.RoundTrip(r)
				_, _, there := serve(s)
				if (here != nil) != there && probes%probeEvery != probeEvery-1 {
					t.Errorf("user %d: the Transport says %v, the Shedder refuses: %t", user, here, there)
				}
				if there {
					refused++
					probes++
				}
			}
			if refused < 1200 || refused > 1650 {
				t.Errorf("%d of 2000 are below normal/37", refused)
			}
			time.Sleep(7 * time.Minute)
		}
	})
}

// serve asks a Shedder whose floor stays, and says whether it refuses.
func serve(s *Shedder) (w *httptest.ResponseRecorder, r *http.Request, refused bool) {
	w, r = httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
	g := s.gate.Load()
	s.Middleware(http.NotFoundHandler()).ServeHTTP(w, r)
	s.gate.Store(g) // an empty house lifts its floor
	return w, r, w.Code == http.StatusServiceUnavailable
}

// told is a host that accepts all and tells a floor.
type told struct{ floor string }

func (b told) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{FloorHeader: {b.floor}}, Body: http.NoBody, Request: r}, nil
}
