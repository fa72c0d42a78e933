package shed_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/shed"
)

var ofTen = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}

// refusedHere reports a refusal by the Transport.
func refusedHere(err error) bool { return errors.Is(err, seawall.Overloaded) }

// base is a host made of a function.
type base func(*http.Request) (*http.Response, error)

func (f base) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answers makes a response out of a status and field lines.
func answers(status int, fields ...string) (*http.Response, error) {
	resp := &http.Response{StatusCode: status, Header: make(http.Header), Body: http.NoBody}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		resp.Header.Add(name, value)
	}
	return resp, nil
}

func outbound(t testing.TB, cfg shed.TransportConfig) *shed.Transport {
	t.Helper()
	tr, err := shed.NewTransport(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// ask sends a request of a class to a host.
func ask(t testing.TB, rt http.RoundTripper, c seawall.Class, host string) (*http.Response, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(seawall.WithClass(t.Context(), c), http.MethodGet, "http://"+host+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	return rt.RoundTrip(r)
}

var background = of(seawall.Background)

func TestTransportConfig(t *testing.T) {
	for want, c := range map[string]shed.TransportConfig{
		"Sticky must be between 30s and 24h (got 29s)":           {Sticky: 29 * time.Second},
		"Sticky must be between 30s and 24h (got -1ns)":          {Sticky: seawall.Off},
		"Window must be between 1s and 1h (got 999ms)":           {Window: 999 * time.Millisecond},
		"Window must be between 1s and 1h (got 1h0m1s)":          {Window: time.Hour + time.Second},
		"K must be between 1.1 and 100, or Off (got 1)":          {K: 1},
		"K must be between 1.1 and 100, or Off (got NaN)":        {K: math.NaN()},
		"K must be between 1.1 and 100, or Off (got +Inf)":       {K: math.Inf(1)},
		"K must be between 1.1 and 100, or Off (got -2)":         {K: -2},
		"MaxHosts must be between 1 and 65536 (got -1)":          {MaxHosts: seawall.Off},
		"MaxHosts must be between 1 and 65536 (got 65537)":       {MaxHosts: 65537},
		"MaxHosts must be between 1 and 65536 (got -2147483648)": {MaxHosts: math.MinInt32},
	} {
		tr, err := shed.NewTransport(c)
		if tr != nil || err == nil || err.Error() != "seawall/shed: TransportConfig."+want {
			t.Errorf("%v, %v; want %q", tr, err, want)
		}
	}
	for _, c := range []shed.TransportConfig{
		{}, {K: seawall.Off},
		{Sticky: 30 * time.Second, Window: time.Second, K: 1.1, MaxHosts: 1},
		{Sticky: 24 * time.Hour, Window: time.Hour, K: 100, MaxHosts: 65536},
	} {
		if _, err := shed.NewTransport(c); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if name := outbound(t, shed.TransportConfig{}).Snapshot().Name; name != "outbound" {
		t.Errorf("the name is %q", name)
	}
}

// TestTransportFloor: who is sent to a host with a floor, and for how long.
func TestTransportFloor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		floor, calls := "sheddable/0", 0
		tr := outbound(t, shed.TransportConfig{Name: "feed", Base: base(func(*http.Request) (*http.Response, error) {
			calls++
			return answers(http.StatusOK, "Seawall-Floor: "+floor, "X-Other: kept")
		})})
		check := func(c seawall.Class, host string, sent bool) {
			t.Helper()
			before := calls
			resp, err := ask(t, tr, c, host)
			if sent != (err == nil) || sent != (calls > before) {
				t.Errorf("%+v to %s: %v after %d calls, want sent: %t", c, host, err, calls-before, sent)
			}
			if sent && (len(resp.Header) != 1 || resp.Header.Get("X-Other") != "kept") {
				t.Errorf("the answer has %v", resp.Header)
			}
			if !sent {
				rej := refusal(t, err, seawall.Overloaded)
				if rej.Component != "shed" || rej.Name != "feed" || rej.RetryAfter != time.Second || !errors.Is(err, seawall.ErrRejected) {
					t.Errorf("%+v", rej)
				}
			}
		}
		check(background, "a", true) // nothing is known yet
		check(background, "a", false)
		check(of(seawall.Sheddable), "a", false)
		check(of(seawall.Normal), "a", true)
		check(of(seawall.Critical), "a", true)
		check(seawall.Class{Priority: seawall.Background, Exempt: true}, "a", true)
		check(background, "b", true) // another house
		check(background, "a", false)

		time.Sleep(999 * time.Millisecond)
		check(background, "a", false)
		time.Sleep(time.Millisecond)
		check(background, "a", true) // forgotten, and told again
		check(background, "a", false)

		floor = "critical/0" // all but Critical
		check(of(seawall.Critical), "a", true)
		check(of(seawall.Normal), "a", false)
		check(of(seawall.Critical), "a", true)

		time.Sleep(time.Millisecond)
		floor = "none" // which is no floor
		check(of(seawall.Critical), "a", true)
		check(background, "a", true)
		check(background, "a", true)
	})
}

// TestTransportProbes: without any other traffic the end of a floor is noticed
// by the hundredth request, if the second is not over before.
func TestTransportProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fields []string
		tr := outbound(t, shed.TransportConfig{Base: base(func(*http.Request) (*http.Response, error) { return answers(http.StatusOK, fields...) })})
		fields = []string{"Seawall-Floor: normal/0"}
		ask(t, tr, background, "a")
		fields = nil
		time.Sleep(10 * time.Millisecond)
		for i := range 99 {
			if _, err := ask(t, tr, background, "a"); !refusedHere(err) {
				t.Fatalf("request %d: %v", i, err)
			}
		}
		for range 2 { // the probe, and the one after it
			if _, err := ask(t, tr, background, "a"); err != nil {
				t.Fatal(err)
			}
		}
		if st := tr.Stats(); st.Priorities[3].Probes != 1 || st.Priorities[3].Sent != 3 || st.Priorities[3].Floored != 99 {
			t.Errorf("%+v", st)
		}
	})
}

// TestTransportFavours: who has been served under a floor goes first, within the
// priority, for as many requests and as long as at the host.
func TestTransportFavours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fields := []string{"Seawall-Floor: normal/127"}
		tr := outbound(t, shed.TransportConfig{Base: base(func(*http.Request) (*http.Response, error) { return answers(http.StatusOK, fields...) })})
		const users = 40
		sent := func(u int, p seawall.Priority) bool {
			_, err := ask(t, tr, seawall.Class{Priority: p, User: seawall.ID(u)}, "a")
			return err == nil
		}
		for u := 1; u <= users; u++ {
			sent(u, seawall.Normal) // all but a few are above the floor
		}
		fields[0] = "Seawall-Floor: normal/5"
		sent(0, seawall.Critical)
		served := 0
		for u := 1; u <= users; u++ {
			if sent(u, seawall.Normal) {
				served++
			}
			if sent(u, seawall.Sheddable) {
				t.Error("a favour of Normal lifts Sheddable")
			}
		}
		if served < users-3 {
			t.Errorf("of %d who were served before %d are", users, served)
		}
		time.Sleep(900 * time.Millisecond)
		served = 0
		for range 11 { // longer than a favour lasts
			time.Sleep(900 * time.Millisecond)
			sent(0, seawall.Critical) // the floor is still there
		}
		for u := 1; u <= users; u++ {
			if sent(u, seawall.Normal) {
				served++
			}
		}
		if served > 8 {
			t.Errorf("of %d whose favour is over %d are served", users, served)
		}
		// Of many requests of one user only the first eight are favoured.
		fields[0] = "Seawall-Floor: normal/127"
		sent(0, seawall.Critical)
		sent(1, seawall.Normal)
		fields[0] = "Seawall-Floor: normal/5"
		sent(0, seawall.Critical)
		served = 0
		for range 40 {
			if sent(1, seawall.Normal) {
				served++
			}
		}
		if served > 9 && served < 40 || served == 0 { // one may be a probe
			t.Errorf("%d of 40 are favoured", served)
		}
	})
}

// TestTransportLateAnswer: an answer that was under way when the floor was told
// does not lift it.
func TestTransportLateAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := make(chan struct{})
		tr := outbound(t, shed.TransportConfig{Base: base(func(r *http.Request) (*http.Response, error) {
			switch r.URL.RawQuery {
			case "slow":
				<-slow
				return answers(http.StatusOK)
			case "gone":
				return answers(http.StatusOK)
			}
			return answers(http.StatusOK, "Seawall-Floor: normal/0")
		})})
		get := func(query string, p seawall.Priority) error {
			r, _ := http.NewRequestWithContext(seawall.WithClass(t.Context(), of(p)), http.MethodGet, "http://a/?"+query, nil)
			_, err := tr.RoundTrip(r)
			return err
		}
		done := make(chan error)
		go func() { done <- get("slow", seawall.Critical) }()
		synctest.Wait()
		get("", seawall.Critical)
		time.Sleep(time.Millisecond)
		go func() { done <- get("slow", seawall.Critical) }()
		synctest.Wait()
		time.Sleep(time.Millisecond)
		get("", seawall.Critical) // told again, after both were sent
		close(slow)
		for range 2 {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		if err := get("gone", seawall.Background); !refusedHere(err) {
			t.Errorf("a late answer has lifted the floor: %v", err)
		}
		time.Sleep(time.Millisecond)
		get("gone", seawall.Critical)
		if err := get("gone", seawall.Background); err != nil {
			t.Errorf("a new answer has not lifted the floor: %v", err)
		}
	})
}

// TestTransportRetryAfter: what the host says to those it refuses goes for those
// who are refused here, spread evenly.
func TestTransportRetryAfter(t *testing.T) {
	for value, longest := range map[string]int{"7": 7, "1": 1, "0": 1, "-3": 1, "31": 30, "999999999999": 1, "junk": 1, "Sun, 06 Nov 1994 08:49:37 GMT": 1} {
		synctest.Test(t, func(t *testing.T) {
			tr := outbound(t, shed.TransportConfig{Base: base(func(*http.Request) (*http.Response, error) {
				return answers(http.StatusServiceUnavailable, "Seawall-Floor: normal/0", "Retry-After: "+value)
			})})
			ask(t, tr, background, "a")
			seen := map[time.Duration]int{}
			for range 60 * longest {
				if _, err := ask(t, tr, background, "a"); err != nil {
					seen[refusal(t, err, seawall.Overloaded).RetryAfter]++
				}
			}
			for s := 1; s <= longest; s++ {
				if n := seen[time.Duration(s)*time.Second]; n < 25 || longest > 1 && n > 110 {
					t.Errorf("Retry-After: %s makes %d s %d times in %d", value, s, n, 60*longest)
				}
			}
			if len(seen) != longest {
				t.Errorf("Retry-After: %s makes %v", value, seen)
			}
		})
	}
}

// TestTransportKeepsTheRules of http.RoundTripper.
func TestTransportKeepsTheRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got *http.Request
		broken := errors.New("broken")
		tr := outbound(t, shed.TransportConfig{Propagate: true, Base: base(func(r *http.Request) (*http.Response, error) {
			got = r
			if r.URL != nil && r.URL.Path == "/broken" {
				return nil, broken
			}
			return answers(http.StatusOK, "Seawall-Floor: normal/0")
		})})
		ctx, cancel := context.WithTimeout(seawall.WithClass(t.Context(), background), 1500*time.Millisecond)
		defer cancel()
		body := &closes{Reader: strings.NewReader("hello")}
		r, _ := http.NewRequestWithContext(ctx, http.MethodPost, "http://a/", body)
		r.Header.Set("X-Mine", "1")
		if _, err := tr.RoundTrip(r); err != nil {
			t.Fatal(err)
		}
		if len(r.Header) != 1 || body.read || body.closed != 0 {
			t.Errorf("the request has %v, its body was read: %t, closed: %d", r.Header, body.read, body.closed)
		}
		if got.Body != r.Body || got.URL != r.URL || got.Context() != ctx {
			t.Error("the copy is another request")
		}
		if want := "1.500"; got.Header.Get("Request-Timeout") != want || got.Header.Get("Seawall-Priority") != "background" || got.Header.Get("X-Mine") != "1" {
			t.Errorf("sent with %v", got.Header)
		}
		got = nil
		if _, err := tr.RoundTrip(r); !refusedHere(err) || got != nil || body.closed != 1 || body.read {
			t.Errorf("%v, closed %d times", err, body.closed)
		}
		r, _ = http.NewRequestWithContext(seawall.WithClass(t.Context(), of(seawall.Critical)), http.MethodGet, "http://a/broken", nil)
		r.Header = nil
		if _, err := tr.RoundTrip(r); err != broken || r.Header != nil || got.Header.Get("Seawall-Priority") != "critical" {
			t.Errorf("%v; %v", err, got.Header)
		}
		if _, err := tr.RoundTrip((&http.Request{}).WithContext(t.Context())); err != nil { // without a URL it is Base's affair
			t.Error(err)
		}
	})
}

type closes struct {
	io.Reader
	read   bool
	closed int
}

func (b *closes) Read(p []byte) (int, error) { b.read = true; return b.Reader.Read(p) }
func (b *closes) Close() error               { b.closed++; return nil }

func TestTransportPropagate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		normal := seawall.WithClass(t.Context(), seawall.Class{})
		until := func(ctx context.Context, d time.Duration) context.Context {
			ctx, cancel := context.WithTimeout(ctx, d)
			t.Cleanup(cancel)
			return ctx
		}
		for name, c := range map[string]struct {
			off               bool
			ctx               context.Context
			fields            []string
			priority, timeout string
		}{
			"off":              {off: true, ctx: until(normal, time.Second)},
			"nothing is known": {ctx: t.Context()},
			"class":            {ctx: normal, priority: "normal"},
			"no such class":    {ctx: seawall.WithClass(t.Context(), of(9))},
			"deadline":         {ctx: until(t.Context(), 2*time.Second), timeout: "2.000"},
			"both":             {ctx: until(normal, 12345678*time.Microsecond), priority: "normal", timeout: "12.345"},
			"very short":       {ctx: until(normal, time.Microsecond), priority: "normal", timeout: "0.001"},
			"over":             {ctx: until(normal, 0), priority: "normal"},
			"a day":            {ctx: until(normal, 24*time.Hour), priority: "normal", timeout: "86400.000"},
			"for ever":         {ctx: until(normal, 24*time.Hour+1), priority: "normal"},
			"said already": {
				ctx: until(normal, time.Second), fields: []string{"Seawall-Priority: critical", "Request-Timeout: 9"},
				priority: "critical", timeout: "9",
			},
			"one of them": {ctx: until(normal, time.Second), fields: []string{"Request-Timeout: 9"}, priority: "normal", timeout: "9"},
		} {
			var got http.Header
			tr := outbound(t, shed.TransportConfig{Propagate: !c.off, Base: base(func(r *http.Request) (*http.Response, error) {
				got = r.Header
				return answers(http.StatusOK)
			})})
			r, _ := http.NewRequestWithContext(c.ctx, http.MethodGet, "http://a/", nil)
			for _, f := range c.fields {
				name, value, _ := strings.Cut(f, ": ")
				r.Header.Set(name, value)
			}
			if _, err := tr.RoundTrip(r); err != nil {
				t.Fatal(err)
			}
			if p, d := got.Get("Seawall-Priority"), got.Get("Request-Timeout"); p != c.priority || d != c.timeout {
				t.Errorf("%s: %q and %q, want %q and %q", name, p, d, c.priority, c.timeout)
			}
			if len(r.Header) != len(c.fields) {
				t.Errorf("%s: the caller's request has %v", name, r.Header)
			}
		}
	})
}

// TestTransportThroughClient: what a whole http.Client makes of it, over sockets.
func TestTransportThroughClient(t *testing.T) {
	s := pinned(t, 1, shed.Config{NormalWait: seawall.Off, TellFloor: func(*http.Request) bool { return true }})
	srv := httptest.NewServer(s.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Header.Get("Request-Timeout") != "")
	})))
	defer srv.Close()
	tr := outbound(t, shed.TransportConfig{Base: &http.Transport{}, Propagate: true})
	client := http.Client{Transport: tr, Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	for range 3 {
		resp, err := client.Get(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || string(text) != "true" {
			t.Errorf("%q, %v", text, err)
		}
	}
	if st := tr.Stats(); st.Priorities[1].Sent != 3 || st.Hosts[0].Host != strings.TrimPrefix(srv.URL, "http://") {
		t.Errorf("%+v", st)
	}
}

// TestTrackCarriesTheClass: what a handler asks of others goes under the class
// of the request it serves, if that is a Track class.
func TestTrackCarriesTheClass(t *testing.T) {
	for _, track := range []bool{true, false} {
		class := seawall.Class{Priority: seawall.Sheddable, User: 7, Route: "feed", Cost: 2, Track: track}
		s := start(t, shed.Config{Classify: func(*http.Request) seawall.Class { return class }})
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Accept", "text/event-stream")
		s.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			got, ok := seawall.ClassFrom(r.Context())
			if ok != track || track && got != class {
				t.Errorf("Track %t: %+v, %t", track, got, ok)
			}
		})).ServeHTTP(httptest.NewRecorder(), r)
		shut(t, s)
	}
}
