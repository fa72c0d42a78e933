package shed_test

import (
	"bufio"
	"math"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/shed"
)

// guarded is a Shedder as a service would have it, and what it observes.
func guarded(t testing.TB) (http.Handler, *recorder) {
	t.Helper()
	classify, err := seawall.NewClassifier(seawall.ClassifierConfig{
		Routes: map[string]seawall.Class{
			"POST /login": {Priority: seawall.Critical},
			"/feed":       {Priority: seawall.Sheddable},
			"/report":     {Priority: seawall.Background},
		},
		Peers: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
	})
	if err != nil {
		t.Fatal(err)
	}
	rec := &recorder{}
	s := start(t, shed.Config{Classify: classify, Observer: rec})
	return s.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})), rec
}

// observed is the class of a request with these header lines, or nil if net/http
// would not have accepted it.
func observed(t testing.TB, h http.Handler, rec *recorder, method, path, lines, from string) *seawall.Event {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(method + " " + path + " HTTP/1.1\r\nHost: shop\r\n" + lines + "\r\n\r\n")))
	if err != nil {
		return nil
	}
	r.RemoteAddr = from
	h.ServeHTTP(httptest.NewRecorder(), r)
	events := rec.take()
	if len(events) != 1 {
		t.Fatalf("%d events", len(events))
	}
	return &events[0]
}

// FuzzMiddlewarePriority: no header line of a stranger changes the priority, the
// route or the user that its request is taken for.
func FuzzMiddlewarePriority(f *testing.F) {
	h, rec := guarded(f)
	paths := []string{"/login", "/feed", "/report", "/other"}
	for i, lines := range []string{
		"Seawall-Priority: critical", "seawall-priority:CRITICAL", "Seawall-Priority: critical\r\nSeawall-Priority: critical",
		"Seawall-Priority: critical\r\nX-Forwarded-For: 10.0.0.1", "X-Real-IP: 10.0.0.1\r\nSeawall-Priority: critical",
		"Forwarded: for=10.0.0.1\r\nSeawall-Priority: critical", "Priority: u=0", "Seawall-Floor: background",
		"X-Http-Method-Override: POST\r\nX-Original-Url: /login", "Transfer-Encoding: chunked\r\nTrailer: Seawall-Priority",
		"Connection: Seawall-Priority\r\nUpgrade: websocket", "Authorization: Bearer x\r\nCookie: session=y",
		"Origin: https://shop\r\nAccess-Control-Request-Method: POST", "Host: login", "Content-Length: 5", " Seawall-Priority: critical",
	} {
		f.Add(uint8(i), lines)
	}
	// What the seeds say must be able to change something: from a peer.
	if e := observed(f, h, rec, "GET", "/feed", "Seawall-Priority: critical", "10.1.2.3:4"); e == nil || e.Priority != seawall.Critical {
		f.Fatalf("a peer's priority is not believed: %+v", e)
	}
	f.Fuzz(func(t *testing.T, which uint8, lines string) {
		if strings.Contains(lines, "\r\n\r\n") || strings.Contains(lines, "\n\n") || strings.Contains(lines, "\n\r\n") {
			return // the rest would be a body
		}
		path, method := paths[which%4], []string{"GET", "POST", "PUT"}[which/4%3]
		for _, from := range []string{"203.0.113.9:4711", "[2001:db8::1]:4711", "11.0.0.1:1", "[::ffff:203.0.113.9]:1", ""} {
			want := observed(t, h, rec, method, path, "", from)
			got := observed(t, h, rec, method, path, lines, from)
			if got != nil && (got.Priority != want.Priority || got.Route != want.Route || got.User != want.User || got.Outcome != want.Outcome) {
				t.Errorf("%s %s from %q with %q is %+v, without %+v", method, path, from, lines, *got, *want)
			}
		}
	})
}

// FuzzConfig: any numbers are either refused, with the field named, or make a
// Shedder that works within its bounds.
func FuzzConfig(f *testing.F) {
	f.Add(int64(0), int64(0), int64(0), int64(0), int64(0), 0, 0, false)
	f.Add(int64(-1), int64(-1), int64(-1), int64(-1), int64(-1), -1, -1, true)
	f.Add(int64(time.Second), int64(-1), int64(time.Hour), int64(1), int64(time.Minute), 1, 1, false)
	f.Add(int64(math.MaxInt64), int64(math.MinInt64), int64(math.MaxInt64), int64(1), int64(math.MaxInt64), math.MaxInt, math.MaxInt, true)
	f.Add(int64(10*time.Millisecond), int64(1), int64(1), int64(1), int64(30*time.Second), 7, 134217727, false)
	fields := []string{"Budget", "CriticalWait", "NormalWait", "SheddableWait", "Sticky", "MinLimit", "MaxLimit"}
	f.Fuzz(func(t *testing.T, budget, critical, normal, sheddable, sticky int64, lowest, highest int, dry bool) {
		cfg := shed.Config{
			Budget: time.Duration(budget), CriticalWait: time.Duration(critical), NormalWait: time.Duration(normal),
			SheddableWait: time.Duration(sheddable), Sticky: time.Duration(sticky), MinLimit: lowest, MaxLimit: highest, DryRun: dry,
		}
		s, err := shed.New(cfg)
		other := start(t, shed.Config{Name: "other"})
		if again := other.Update(cfg); (again == nil) != (err == nil) {
			t.Fatalf("New says %v, Update %v", err, again)
		}
		if err != nil {
			if name := other.Snapshot().Name; name != "other" {
				t.Errorf("a refused configuration is in force: %q", name)
			}
			named := func(field string) bool { return strings.HasPrefix(err.Error(), "seawall/shed: "+field+" must be ") }
			if s != nil || !slices.ContainsFunc(fields, named) {
				t.Errorf("%v, and %v", s, err)
			}
			return
		}
		if lowest == 0 {
			lowest = 4
		}
		if highest == 0 {
			highest = 10_000
		}
		for _, s := range []*shed.Shedder{s, other} {
			var permits []*shed.Permit
			for range min(lowest, 50) {
				permits = append(permits, enter(t, s, of(seawall.Background)))
			}
			if st := s.Stats(); st.Limit < lowest || st.Limit > highest || st.InFlight != len(permits) || st.DryRun != dry {
				t.Errorf("%+v", st)
			}
			for _, p := range permits {
				p.Release()
			}
			shut(t, s)
		}
	})
}

// FuzzOverride: what is not refused is in force, and the limit stays in bounds.
func FuzzOverride(f *testing.F) {
	for _, value := range []string{"", "7", "on", "off", "-1", "0x10", "1e3", "NaN", "999999999999999999999", " 7", "+7", "٧"} {
		f.Add("limit", value, int64(0))
		f.Add("dry_run", value, int64(time.Minute))
	}
	f.Add("", "", int64(-1))
	f.Add(strings.Repeat("0", 300), "", int64(-1))
	f.Add("limit", "9", int64(math.MaxInt64))
	f.Add("dry_run", "on", int64(math.MinInt64))
	f.Fuzz(func(t *testing.T, name, value string, lasts int64) {
		s := start(t, shed.Config{MinLimit: 2, MaxLimit: 99})
		before := s.Stats()
		if lasts > 0 && lasts < int64(time.Hour) {
			lasts += int64(time.Hour) // it must not end while it is looked at
		}
		err := s.Override(t.Context(), seawall.Override{Control: name, Value: value, For: time.Duration(lasts), By: value, Why: name})
		st := s.Stats()
		if st.Limit < 2 || st.Limit > 99 {
			t.Errorf("the limit is %d", st.Limit)
		}
		if err != nil {
			if st != before || !strings.HasPrefix(err.Error(), "seawall/shed: ") || len(err.Error()) > 300 {
				t.Errorf("%v; %+v, before %+v", err, st, before)
			}
			return
		}
		c := control(t, s, name) // there is one of that name
		if c.Overridden != (value != "") || c.Overridden && strings.TrimLeft(value, "+0") != c.Value {
			t.Errorf("%q is set to %q for %v: %+v", name, value, time.Duration(lasts), c)
		}
		if c.Overridden && c.Until.IsZero() != (lasts == 0) {
			t.Errorf("%q is set for %v: until %v", name, time.Duration(lasts), c.Until)
		}
		override(t, s, name, "", 0)
		if st := s.Stats(); st.Limit != before.Limit || st.DryRun {
			t.Errorf("taken back: %+v", st)
		}
		shut(t, s)
	})
}
