package httpcache

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

func TestPolicySet(t *testing.T) {
	const minute = time.Minute
	for _, c := range []struct {
		p    Policy
		want map[string]string
	}{
		{Policy{}, map[string]string{"Cache-Control": "no-store"}},
		{Policy{Tags: []string{"a"}, StaleIfError: minute}, map[string]string{"Cache-Control": "no-store"}},
		{Policy{Client: minute}, map[string]string{"Cache-Control": "max-age=60"}},
		{Policy{Client: minute, Shared: 2 * minute, CDN: 3 * minute, Private: true}, map[string]string{"Cache-Control": "private, max-age=60"}},
		{Policy{Shared: time.Millisecond, StaleIfError: 1}, map[string]string{"Cache-Control": "max-age=0, s-maxage=1, stale-if-error=1"}},
		{Policy{Client: 1500 * time.Millisecond, Immutable: true}, map[string]string{"Cache-Control": "max-age=1, immutable"}},
		{
			Policy{Client: minute, Shared: 2 * minute, CDN: 3 * minute, StaleIfError: time.Hour, MustRevalidate: true},
			map[string]string{
				"Cache-Control":         "max-age=60, s-maxage=120, stale-if-error=3600, must-revalidate",
				"Cdn-Cache-Control":     "max-age=180, stale-if-error=3600, must-revalidate",
				"Seawall-Cache-Control": "s-maxage=120, stale-if-error=3600, must-revalidate",
			},
		},
		{
			Policy{CDN: minute, StaleWhileRevalidate: minute},
			map[string]string{"Cache-Control": "max-age=0, stale-while-revalidate=60", "Cdn-Cache-Control": "max-age=60, stale-while-revalidate=60"},
		},
		{
			Policy{Shared: minute, Vary: []string{"Accept-Language"}, Tags: []string{"a", "b"}},
			map[string]string{"Cache-Control": "max-age=0, s-maxage=60", "Vary": "Accept-Language", "Surrogate-Key": "a b"},
		},
	} {
		header, got := make(http.Header), map[string]string{}
		c.p.Set(header)
		for name := range header {
			got[name] = header.Get(name)
		}
		if !maps.Equal(got, c.want) {
			t.Errorf("%+v: %q, want %q", c.p, got, c.want)
		}
	}
}

// A CDN that is told of purges may keep it for longer than this cache does.
func TestPolicyOfCDN(t *testing.T) {
	for _, c := range []struct {
		p   Policy
		ttl int
	}{
		{Policy{Client: time.Second, Shared: time.Minute, CDN: time.Hour}, 60},
		{Policy{Client: time.Second, CDN: time.Hour}, 3600},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := newCache(t, Config{})
			front := h.Middleware(c.p.Middleware()(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })))
			for _, want := range []string{"fwd=uri-miss; fwd-status=200; stored", fmt.Sprint("hit; ttl=", c.ttl)} {
				got := ask(front, "GET", "/a").Header
				if got.Get("Cache-Status") != "seawall; "+want || got.Get("CDN-Cache-Control") != "max-age=3600" || got["Seawall-Cache-Control"] != nil {
					t.Errorf("want %s: %q", want, got)
				}
			}
		})
	}
}

// A Policy is for answers that are there, and for handlers that say nothing.
func TestPolicyIsFor(t *testing.T) {
	for _, c := range []struct {
		method string
		status int
		says   string
		want   string
	}{
		{"GET", 200, "", "max-age=60"},
		{"HEAD", 200, "", "max-age=60"},
		{"GET", 301, "", "max-age=60"},
		{"GET", 404, "", "max-age=60"},
		{"GET", 410, "", "max-age=60"},
		{"GET", 0, "", "max-age=60"},
		{"GET", 203, "", "max-age=60"},
		{"GET", 204, "", "max-age=60"},
		{"GET", 206, "", "max-age=60"},
		{"GET", 300, "", "max-age=60"},
		{"GET", 304, "", "max-age=60"},
		{"GET", 308, "", "max-age=60"},
		{"GET", 201, "", ""},
		{"GET", 202, "", ""},
		{"GET", 302, "", ""}, // to the login
		{"GET", 303, "", ""},
		{"GET", 307, "", ""},
		{"GET", 200, "no-store", "no-store"},
		{"GET", 400, "", ""},
		{"GET", 403, "", ""},
		{"GET", 500, "", ""},
		{"GET", 503, "", ""},
		{"POST", 200, "", ""},
	} {
		front := Policy{Client: time.Minute}.Middleware()(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if c.says != "" {
				w.Header().Set("Cache-Control", c.says)
			}
			if c.status != 0 { // otherwise the handler writes nothing
				w.WriteHeader(c.status)
				if !bodyless(c.status) {
					io.WriteString(w, "hello")
				}
			}
		}))
		w := httptest.NewRecorder()
		front.ServeHTTP(w, httptest.NewRequest(c.method, "/", nil))
		if got := w.Result().Header.Get("Cache-Control"); got != c.want {
			t.Errorf("%s %d %q: %q, want %q", c.method, c.status, c.says, got, c.want)
		}
	}
}
