package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall/ratelimit"
	"github.com/seawall-go/seawall/seawalltest"
)

func TestMain(m *testing.M) { seawalltest.Main(m) }

// app is the service in a bubble, where time stands still between requests.
type app struct {
	http.Handler
	t   *testing.T
	api *ratelimit.Limits
}

func newApp(t *testing.T, cfg config) *app {
	t.Helper()
	api, accounts, err := cfg.limits(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &app{api.Middleware(routes(accounts)), t, api}
}

type request struct {
	method, path, from  string
	bearer, key, fields string
	form                url.Values
}

func (a *app) send(q request) *http.Response {
	a.t.Helper()
	r, err := http.NewRequestWithContext(a.t.Context(), q.method, q.path, strings.NewReader(q.form.Encode()))
	if err != nil {
		a.t.Fatal(err)
	}
	r.RemoteAddr = q.from + ":4711"
	if q.from == "" {
		r.RemoteAddr = "192.0.2.1:4711"
	}
	if q.bearer != "" {
		r.Header.Set("Authorization", "Bearer "+q.bearer)
	}
	if q.key != "" {
		r.Header.Set(keyField, q.key)
	}
	if q.fields != "" {
		r.Header.Set("X-Forwarded-For", q.fields)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	return w.Result()
}

// until sends requests until one is refused, and returns how many were not.
func (a *app) until(q request, most int) (admitted int, refusal *http.Response) {
	a.t.Helper()
	for n := range most {
		if resp := a.send(q); resp.Header.Get("Seawall-Reason") != "" {
			return n, resp
		}
	}
	return most, nil
}

func (a *app) want(q request, status int) {
	a.t.Helper()
	if got := a.send(q).StatusCode; got != status {
		a.t.Errorf("%s %s: %d, want %d", q.method, q.path, got, status)
	}
}

func TestPoliciesOf(t *testing.T) {
	login := func(account, from string) request {
		return request{method: "POST", path: "/login", from: from, form: url.Values{"account": {account}, "password": {"guess"}}}
	}
	for name, test := range map[string]func(a *app){
		"an account, from many addresses": func(a *app) {
			for i := range 5 {
				a.want(login("alice", fmt.Sprint("192.0.2.", i+1)), 401)
			}
			a.want(login(" ALICE", "198.51.100.7"), 429)
			a.want(login("bob", "198.51.100.7"), 401)
			time.Sleep(2*time.Minute + time.Second)
			a.want(login("alice", "192.0.2.1"), 401)
			a.want(login("alice", "192.0.2.1"), 429)
		},
		"an address, with many accounts": func(a *app) {
			for i := range 10 {
				q := login(fmt.Sprint("account-", i), "2001:db8::1")
				q.bearer = fmt.Sprint("made-up-", i)
				a.want(q, 401)
			}
			a.want(login("account-10", "2001:db8::2"), 429) // the same /64
			a.want(login("account-10", "2001:db8:0:1::1"), 401)
		},
		"an empty account": func(a *app) { a.want(login(" ", ""), 400) },
		"a user": func(a *app) {
			feed := request{method: "GET", path: "/feed", bearer: "alice"}
			if n, refusal := a.until(feed, 100); n != 15 || refusal == nil || refusal.StatusCode != 429 || refusal.Header.Get("Retry-After") == "" {
				a.t.Errorf("%d admitted, then %v", n, refusal)
			}
			a.want(request{method: "GET", path: "/feed", bearer: "bob"}, 200)
			payment := request{method: "POST", path: "/payments", bearer: "alice"}
			if n, refusal := a.until(payment, 100); n != 5 || refusal.StatusCode != 429 {
				a.t.Errorf("%d payments, want the quarter that feeds leave", n)
			}
		},
		"made-up users": func(a *app) {
			n := 0
			for a.send(request{method: "GET", path: "/feed", bearer: fmt.Sprint("made-up-", n)}).StatusCode == 200 {
				n++
			}
			// The total leaves 160 of its 200 to a feed.
			if n != 160 {
				a.t.Errorf("%d of one address, want 160", n)
			}
			time.Sleep(100 * time.Millisecond)
			for a.send(request{method: "GET", path: "/feed", bearer: fmt.Sprint("made-up-", n)}).StatusCode == 200 {
				n++
			}
			if n < 300 || n > 306 { // 50 come back in a second
				a.t.Errorf("%d of one address, want its burst of 300 and what came back", n)
			}
			time.Sleep(time.Second)
			a.want(request{method: "GET", path: "/feed", bearer: "alice", from: "198.51.100.7"}, 200)
		},
		"partners": func(a *app) {
			for key, want := range map[string]int{"demo-silver": 6, "demo-gold": 100} {
				if n, _ := a.until(request{method: "GET", path: "/partner/report", key: key}, 1000); n != want {
					a.t.Errorf("%s: %d, want %d", key, n, want)
				}
				time.Sleep(time.Minute)
			}
			a.want(request{method: "GET", path: "/partner/report", key: "made-up"}, 401)
			a.want(request{method: "GET", path: "/partner/report"}, 401)
		},
		"a contract of so many a day": func(a *app) {
			q := request{method: "GET", path: "/partner/report", key: "demo-silver"}
			n := 0
			for range 1100 {
				if a.send(q).StatusCode == 200 {
					n++
				}
				time.Sleep(time.Second)
			}
			if n != 1000 {
				a.t.Errorf("%d in a day, want 1000", n)
			}
			time.Sleep(24 * time.Hour)
			a.want(q, 200)
		},
		"nobody": func(a *app) {
			if n, refusal := a.until(request{method: "GET", path: "/healthz"}, 1000); refusal != nil {
				a.t.Errorf("a health check refused after %d", n)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(newApp(t, config{})) })
		})
	}
}

func TestCampaign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, config{campaign: time.Now().Add(time.Hour)})
		pay := request{method: "POST", path: "/payments", bearer: "alice"}
		for _, step := range []struct {
			after time.Duration
			want  int
		}{{0, 20}, {time.Hour + 10*time.Second, 12}, {2 * time.Hour, 20}} {
			time.Sleep(step.after)
			if n, _ := a.until(pay, 100); n != step.want {
				t.Errorf("%v later: %d, want %d", step.after, n, step.want)
			}
		}
	})
}

func TestDryRun(t *testing.T) {
	a := newApp(t, config{dryRun: true})
	if n, refusal := a.until(request{method: "GET", path: "/feed", bearer: "alice"}, 100); refusal != nil {
		t.Errorf("refused after %d", n)
	}
	for _, p := range a.api.Stats().Policies {
		if p.Name == "user" && p.Refused == 0 {
			t.Errorf("counted nobody: %+v", p)
		}
	}
}

// Only what our own load balancer writes is believed.
func TestTrusted(t *testing.T) {
	a := newApp(t, config{trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	feed := func(from, fields string) int {
		n, _ := a.until(request{method: "POST", path: "/payments", from: from, fields: fields}, 25)
		return n
	}
	if first, again, other := feed("10.1.1.1", "203.0.113.9"), feed("10.2.2.2", "198.51.100.1, 203.0.113.9"), feed("10.1.1.1", "203.0.113.8"); first < 20 || again > 1 || other < 20 {
		t.Errorf("%d, %d again, %d of another", first, again, other)
	}
	if first, again := feed("192.0.2.9", "203.0.113.1"), feed("192.0.2.9", "203.0.113.2"); first < 20 || again > 1 {
		t.Errorf("%d, %d with another field that nobody should believe", first, again)
	}
}

// start serves on free ports until stop is called.
func start(t *testing.T, cfg config) (app, admin string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	urls := make(chan string, 2)
	cfg.addr, cfg.admin = "127.0.0.1:0", "127.0.0.1:0"
	cfg.ready = func(app, admin net.Addr) {
		urls <- "http://" + app.String()
		urls <- "http://" + admin.String()
	}
	done := make(chan error, 1)
	go func() { done <- serve(ctx, cfg) }()
	select {
	case app = <-urls:
	case err := <-done:
		t.Fatalf("serve: %v", err)
	}
	stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() { stop() })
	return app, <-urls, stop
}

func call(t *testing.T, method, url, bearer, form string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

func TestAdmin(t *testing.T) {
	app, admin, stop := start(t, config{token: "night-shift"})
	for _, c := range []struct {
		bearer, form string
		status       int
	}{
		{"", "control=mode&value=dry_run&for=10m", 403},
		{"wrong", "control=mode&value=dry_run&for=10m", 403},
		{"night-shift", "control=mode&value=dry_run", 400},
		{"night-shift", "control=mode&value=nonsense&for=10m", 400},
		{"night-shift", "control=no-such&value=off&for=10m", 404},
		{"night-shift", "control=mode&value=dry_run&for=10m&by=ann&why=test", 204},
	} {
		if status, body := call(t, "POST", admin+"/seawall/override", c.bearer, c.form); status != c.status {
			t.Errorf("%q with %q: %d %s", c.form, c.bearer, status, body)
		}
	}
	for range 40 { // of both limits
		if status, _ := call(t, "POST", app+"/login", "", "account=alice&password=guess"); status != 401 {
			t.Fatalf("status %d in a dry run", status)
		}
	}
	for path, want := range map[string]string{"/seawall": `"mode": "dry_run"`, "/seawall/controls": `"by": "ann"`} {
		if status, body := call(t, "GET", admin+path, "", ""); status != 200 || strings.Count(body, want) < 2 {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestOverrideNeedsAToken(t *testing.T) {
	_, admin, _ := start(t, config{})
	if status, _ := call(t, "POST", admin+"/seawall/override", "", "control=mode&value=off&for=1m"); status != 403 {
		t.Errorf("without a token: %d", status)
	}
}

func TestFlags(t *testing.T) {
	t.Setenv("LIMITS_SECRET", "")
	for _, bad := range []string{"-trusted=10.0.0.0", "-campaign=tomorrow", "-redis=redis://localhost", "-addr=nonsense", "-admin=nonsense -addr=127.0.0.1:0"} {
		if err := run(t.Context(), strings.Fields(bad)); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
	t.Setenv("LIMITS_SECRET", "0123456789abcdef")
	if err := run(t.Context(), []string{"-redis=nonsense://"}); err == nil {
		t.Error("a Redis that is none: no error")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	good := "-addr=127.0.0.1:0 -admin=127.0.0.1:0 -trusted=10.0.0.0/8,fd00::/8 -campaign=2036-12-01T20:00:00Z -redis=redis://127.0.0.1:1/0"
	if err := run(ctx, strings.Fields(good)); err != nil {
		t.Error(err)
	}
}
