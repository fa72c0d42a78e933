package ratelimit

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/seawall-go/seawall"
)

func limits(t testing.TB, cfg Config) *Limits {
	t.Helper()
	l, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

var nothing = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})

// ask sends a request from an address, with header fields in pairs.
func ask(h http.Handler, addr string, fields ...string) *http.Response {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = addr + ":1234"
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func wantStatus(t *testing.T, resp *http.Response, want int) {
	t.Helper()
	if resp.StatusCode != want {
		t.Errorf("status %d, want %d", resp.StatusCode, want)
	}
}

func wantField(t *testing.T, resp *http.Response, name, want string) {
	t.Helper()
	if got := strings.Join(resp.Header[http.CanonicalHeaderKey(name)], " + "); got != want {
		t.Errorf("%s: %s, want %s", name, got, want)
	}
}

func TestMiddleware(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := limits(t, Config{Policies: []Policy{Total(1000, time.Second), PerIP(20, time.Minute)}}).Middleware(nothing)
		resp := ask(h, "192.0.2.1")
		wantStatus(t, resp, 200)
		wantField(t, resp, "RateLimit", "")
		resp = ask(h, "192.0.2.1")
		wantStatus(t, resp, 200)
		wantField(t, resp, "RateLimit", `"per-ip";r=0;t=3, "total";r=98;t=1`)
		wantField(t, resp, "RateLimit-Policy", `"per-ip";q=20;w=60, "total";q=1000;w=1`)
		resp = ask(h, "192.0.2.1")
		wantStatus(t, resp, 429)
		wantField(t, resp, "RateLimit", `"per-ip";r=0;t=3`)
		if after := resp.Header.Get("Retry-After"); after != "3" && after != "4" {
			t.Errorf("Retry-After %s", after)
		}
		wantStatus(t, ask(h, "192.0.2.2"), 200)
		time.Sleep(3*time.Second + time.Millisecond) // ticks are that long
		wantStatus(t, ask(h, "192.0.2.1"), 200)
		wantStatus(t, ask(h, "192.0.2.1"), 429)
	})
}

// TestAllOrNone: whoever is refused by one policy is charged by none.
func TestAllOrNone(t *testing.T) {
	l := limits(t, Config{Policies: []Policy{
		{Name: "ip", Rate: Per(1000, time.Hour).WithBurst(3), Key: ByClientIP(seawall.ClientIP{})},
		{Name: "key", Rate: Per(1000, time.Hour).WithBurst(10), Key: ByHeader("X-Api-Key")},
		{Name: "all", Rate: Per(1000, time.Hour).WithBurst(5)},
	}})
	h := l.Middleware(nothing)
	for range 3 {
		wantStatus(t, ask(h, "192.0.2.1", "X-Api-Key", "a"), 200)
	}
	for range 100 { // over its own share: takes nothing from the others
		wantStatus(t, ask(h, "192.0.2.1", "X-Api-Key", "a"), 429)
	}
	wantStatus(t, ask(h, "192.0.2.2"), 200)
	wantStatus(t, ask(h, "192.0.2.3"), 200)
	for range 100 { // now the service's own limit is reached
		wantStatus(t, ask(h, "192.0.2.4", "X-Api-Key", "b"), 503)
	}
	// Neither the address nor the key has been charged for those.
	if err := l.Update(Config{Policies: []Policy{
		{Name: "ip", Rate: Per(1000, time.Hour).WithBurst(3), Key: ByClientIP(seawall.ClientIP{})},
		{Name: "key", Rate: Per(1000, time.Hour).WithBurst(10), Key: ByHeader("X-Api-Key")},
	}}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		wantStatus(t, ask(h, "192.0.2.4", "X-Api-Key", "b"), 200)
	}
	wantStatus(t, ask(h, "192.0.2.4", "X-Api-Key", "b"), 429)
	wantStatus(t, ask(h, "192.0.2.1"), 429) // and an Update forgives nobody
}

func TestDryRun(t *testing.T) {
	var events []seawall.Event
	cfg := Config{
		Policies: []Policy{
			{Name: "ip", Rate: Per(1, time.Hour), Key: ByClientIP(seawall.ClientIP{}), DryRun: true},
			{Name: "all", Rate: Per(1, time.Hour).WithBurst(3)},
		},
		Observer: seawall.ObserverFunc(func(_ context.Context, e seawall.Event) { events = append(events, e) }),
	}
	l := limits(t, cfg)
	h := l.Middleware(nothing)
	for _, want := range []int{200, 200, 200, 503} {
		wantStatus(t, ask(h, "192.0.2.1"), want)
	}
	for i, want := range []seawall.Event{
		{Outcome: seawall.Admitted},
		{Outcome: seawall.Rejected, DryRun: true, Reason: seawall.RateLimited},
		{Outcome: seawall.Rejected, DryRun: true, Reason: seawall.RateLimited},
		{Outcome: seawall.Rejected, Reason: seawall.RateLimited},
	} {
		if e := events[i]; e.Outcome != want.Outcome || e.DryRun != want.DryRun || e.Reason != want.Reason || e.Component != component {
			t.Errorf("event %d: %+v", i, e)
		}
	}
	st := l.Stats().Policies
	if st[0].Admitted != 1 || st[0].Refused != 3 || st[1].Admitted != 3 || st[1].Refused != 1 {
		t.Errorf("%+v", st)
	}
}

func TestTakeWithoutHTTP(t *testing.T) {
	l := limits(t, Config{Policies: []Policy{PerUser(10, time.Hour), {Name: "tenants", Key: ByTenant(), Rate: Per(2, time.Hour).WithBurst(2)}}})
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	class := seawall.Class{User: 1, Tenant: 2}
	if err := l.Take(r, class); err != nil {
		t.Error(err)
	}
	var rej *seawall.Rejection
	if err := l.Take(r, class); !errors.As(err, &rej) || !errors.Is(err, seawall.RateLimited) || rej.StatusCode() != 429 || rej.RetryAfter < 6*time.Minute {
		t.Errorf("%v, %+v", err, rej)
	}
	class.Exempt = true
	if err := l.Take(r, class); err != nil {
		t.Error(err)
	}
	if err := l.Take(r, seawall.Class{User: 7}); err != nil { // of no tenant
		t.Error(err)
	}
	if st := l.Stats().Policies[1]; st.Absent != 1 {
		t.Errorf("%+v", st)
	}
}

func TestRateFor(t *testing.T) {
	gold := Per(1000, time.Hour)
	h := limits(t, Config{Policies: []Policy{{
		Rate: Per(1, time.Hour), Key: ByHeader("X-Api-Key"),
		RateFor: func(r *http.Request) (Rate, bool) {
			switch r.Header.Get("X-Api-Key") {
			case "gold":
				return gold, true
			case "broken":
				return Rate{Limit: -1}, true // stays at Rate
			}
			return Rate{}, false
		},
	}}}).Middleware(nothing)
	for key, want := range map[string]int{"gold": 100, "broken": 1, "other": 1} {
		n := 0
		for ask(h, "192.0.2.1", "X-Api-Key", key).StatusCode == 200 {
			n++
		}
		if n != want {
			t.Errorf("%s: %d admitted, want %d", key, n, want)
		}
	}
}

func TestCostMatchReserve(t *testing.T) {
	l := limits(t, Config{
		Classify: func(r *http.Request) seawall.Class {
			if r.URL.Path == "/login" {
				return seawall.Class{Priority: seawall.Critical}
			}
			return seawall.Class{}
		},
		Policies: []Policy{{
			Rate:    Per(100, time.Hour).WithBurst(10),
			Reserve: Reserve{1, 0.5, 0.5, 0},
			Match:   func(r *http.Request) bool { return r.URL.Path != "/free" },
			Cost: func(r *http.Request) int64 {
				if r.URL.Path == "/export" {
					return 3
				}
				return 1
			},
		}},
	})
	h := l.Middleware(nothing)
	get := func(path string) int {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w.Code
	}
	for i, c := range []struct {
		path string
		want int
	}{
		{"/free", 200}, {"/export", 200}, {"/x", 200}, {"/export", 503}, {"/x", 200}, {"/x", 503}, {"/login", 200}, {"/free", 200}, {"/x", 503},
	} {
		if got := get(c.path); got != c.want {
			t.Errorf("%d %s: %d, want %d", i, c.path, got, c.want)
		}
	}
}

func TestConfigErrors(t *testing.T) {
	ok := Per(1, time.Second)
	for want, cfg := range map[string]Config{
		"Policies must be between 1 and 16 (got 0)": {},
		"Fields must be":              {Fields: 9, Policies: []Policy{{Rate: ok}}},
		`two policies are called "a"`: {Policies: []Policy{{Name: "a", Rate: ok}, {Name: "a", Rate: ok}}},
		`policy "default": Rate.Limit must be positive (got 0)`:             {Policies: []Policy{{}}},
		"Burst must be positive or seawall.Off (got -2)":                    {Policies: []Policy{{Rate: Rate{Limit: 1, Burst: -2}}}},
		"Window must be whole seconds (got 1.5s)":                           {Policies: []Policy{{Rate: Rate{Limit: 1, Window: 1500 * time.Millisecond}}}},
		"would take more than a year to come back":                          {Policies: []Policy{{Rate: Rate{Limit: 1e-6, Burst: 1000}}}},
		`Name may hold letters, digits, "-", "_" and "." (got "a b")`:       {Policies: []Policy{{Name: "a b", Rate: ok}}},
		"Bytes must be between 4096 and 1073741824 (got 5)":                 {Policies: []Policy{{Rate: ok, Key: ByUser(), Bytes: 5}}},
		"Bytes is for policies with a Key (got 5)":                          {Policies: []Policy{{Rate: ok, Bytes: 5}}},
		"ByHeader needs the name of a header field":                         {Policies: []Policy{{Rate: ok, Key: ByHeader("")}}},
		"ClientIP.V4Bits must be between 0 and 32 (got 99)":                 {Policies: []Policy{{Rate: ok, Key: By(ByUser(), ByClientIP(seawall.ClientIP{V4Bits: 99}))}}},
		"By needs keys (got none)":                                          {Policies: []Policy{{Rate: ok, Key: By()}}},
		"Reserve of critical must not be more than that of normal below it": {Policies: []Policy{{Rate: ok, Reserve: Reserve{0, 0, 0, 0.5}}}},
		"Reserve of background must be between 0 and 1 (got 2)":             {Policies: []Policy{{Rate: ok, Reserve: Reserve{2}}}},
	} {
		_, err := New(cfg)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "seawall") {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

func TestRates(t *testing.T) {
	for want, r := range map[string]Rate{
		"100 per 1m0s, burst 10": Per(100, time.Minute),
		"5 per 1s, burst 1":      {Limit: 5},
		"1 per 1h0m0s, burst 1":  {Limit: rate.Every(time.Hour)},
		"no limit":               {Limit: rate.Inf},
		"nothing":                {Limit: 1, Burst: seawall.Off},
	} {
		if got := r.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if l := limiter(t, Rate{Limit: 1, Burst: seawall.Off}); l.Allow() {
		t.Error("nothing is something")
	}
	l := limiter(t, Rate{Limit: rate.Inf})
	for range 1000 {
		if !l.Allow() {
			t.Fatal("no limit is one")
		}
	}
	if d := limiter(t, Per(10, time.Second)).takeNow(5); d.OK || d.RetryAfter() != Never {
		t.Errorf("five of a burst of one: %v after %v", d.OK, d.RetryAfter())
	}
}

func (l *Limiter) takeNow(cost int64) Decision { return l.Take(cost, seawall.Normal) }
