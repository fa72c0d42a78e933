package httpcache

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// sends is a handler that sends fields, given as names and values, and a body.
func sends(status int, fields ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		add(w.Header(), fields)
		w.WriteHeader(status)
		if !bodyless(status) {
			io.WriteString(w, "hello")
		}
	}
}

// survived asks, whatever the handler does.
func survived(front http.Handler, fields ...string) http.Header {
	w := httptest.NewRecorder()
	func() {
		defer func() { _ = recover() }()
		r := httptest.NewRequest("GET", "http://example.org/a", nil)
		add(r.Header, fields)
		front.ServeHTTP(w, r)
	}()
	time.Sleep(time.Millisecond)
	return w.Result().Header
}

// staysFor asks two times, and says whether there is something to be shown then.
func staysFor(front http.Handler, request ...string) bool {
	survived(front, request...)
	survived(front, request...)
	return strings.HasPrefix(survived(front, append(request, "Cache-Control", "only-if-cached")...).Get("Cache-Status"), "seawall; hit")
}

// What docs/httpcache.md says of what is kept, and what is not.
func TestKept(t *testing.T) {
	const fresh = "max-age=60"
	modified := []string{"Last-Modified", "Sat, 01 Jan 2000 00:00:00 GMT"}
	for name, c := range map[string]struct {
		f       http.HandlerFunc
		request []string
		kept    bool
	}{
		"max-age":                    {sends(200, "Cache-Control", fresh), nil, true},
		"Expires":                    {sends(200, "Expires", "Sat, 01 Jan 2000 01:00:00 GMT"), nil, true},
		"CDN-Cache-Control":          {sends(200, "Cdn-Cache-Control", fresh), nil, true},
		"a 404":                      {sends(404, "Cache-Control", fresh), nil, true},
		"a redirect":                 {sends(301, "Cache-Control", fresh, "Location", "/b"), nil, true},
		"a cookie in the request":    {sends(200, "Cache-Control", fresh), []string{"Cookie", "session=ann"}, true},
		"authorized, s-maxage":       {sends(200, "Cache-Control", "s-maxage=60"), []string{"Authorization", "Bearer ann"}, true},
		"authorized, public":         {sends(200, "Cache-Control", "public, max-age=60"), []string{"Authorization", "Bearer ann"}, true},
		"a field that is private":    {sends(200, "Cache-Control", `max-age=60, private="Set-Cookie"`, "Set-Cookie", "a=b"), nil, true},
		"no lifetime":                {sends(200, modified...), nil, false},
		"no-store":                   {sends(200, "Cache-Control", "max-age=60, no-store"), nil, false},
		"private":                    {sends(200, "Cache-Control", "max-age=60, private"), nil, false},
		"private to this cache":      {sends(200, "Cache-Control", fresh, "Seawall-Cache-Control", "private"), nil, false},
		"Set-Cookie":                 {sends(200, "Cache-Control", "public, s-maxage=60", "Set-Cookie", "session=ann"), nil, false},
		"authorized":                 {sends(200, "Cache-Control", fresh), []string{"Authorization", "Bearer ann"}, false},
		"Vary: *":                    {sends(200, "Cache-Control", fresh, "Vary", "Accept, *"), nil, false},
		"500":                        {sends(500, "Cache-Control", fresh), nil, false},
		"503":                        {sends(503, "Cache-Control", fresh), nil, false},
		"206":                        {sends(206, "Cache-Control", fresh, "Content-Range", "bytes 0-4/5"), nil, false},
		"a part that says 200":       {sends(200, "Cache-Control", fresh, "Content-Range", "bytes 0-4/9"), []string{"Range", "bytes=0-4"}, false},
		"304":                        {sends(304, "Cache-Control", fresh), nil, false},
		"shorter than it says":       {sends(200, "Cache-Control", fresh, "Content-Length", "9"), nil, false},
		"longer than it says":        {sends(200, "Cache-Control", fresh, "Content-Length", "2"), nil, false},
		"longer than MaxBody":        {sends(200, "Cache-Control", fresh, "X-Long", "yes"), nil, false},
		"a stream of events":         {sends(200, "Cache-Control", fresh, "Content-Type", "text/event-stream"), nil, false},
		"a trailer":                  {sends(200, "Cache-Control", fresh, "Trailer", "X-Sum"), nil, false},
		"a request with no-store":    {sends(200, "Cache-Control", fresh), []string{"Cache-Control", "no-store"}, false},
		"a request with If-Match":    {sends(200, "Cache-Control", fresh), []string{"If-Match", "*"}, false},
		"a request for another wire": {sends(200, "Cache-Control", fresh), []string{"Upgrade", "websocket"}, false},
		"an answer that panics": {func(w http.ResponseWriter, r *http.Request) {
			sends(200, "Cache-Control", fresh)(w, r)
			panic(http.ErrAbortHandler)
		}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newCache(t, Config{MaxBody: 100})
				front := h.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					c.f(w, r)
					if w.Header().Get("X-Long") != "" {
						w.Write(bytes.Repeat([]byte("a"), 100))
					}
				}))
				if got := staysFor(front, c.request...); got != c.kept {
					t.Errorf("kept: %v, want %v", got, c.kept)
				}
				if stored := h.Stats().Stored > 0; stored != c.kept {
					t.Errorf("stored: %v, want %v", stored, c.kept)
				}
				if c.kept && survived(front).Get("Set-Cookie") != "" {
					t.Error("a field that is private was shown to somebody else")
				}
			})
		})
	}
}

// Each part of the key, and each field that handlers believe without saying so.
func TestKeyed(t *testing.T) {
	for name, c := range map[string]struct {
		url    string
		fields []string
		same   bool
	}{
		"the same":                {"http://example.org/a?x=1", nil, true},
		"host in capitals":        {"http://EXAMPLE.org:80/a?x=1", nil, true},
		"a parameter that counts": {"http://example.org/a?x=1&fbclid=2", nil, false},
		"one that is ignored":     {"http://example.org/a?utm_source=x&x=1", nil, true},
		"another host":            {"http://example.com/a?x=1", nil, false},
		"another port":            {"http://example.org:8080/a?x=1", nil, false},
		"another scheme":          {"https://example.org/a?x=1", nil, false},
		"another path":            {"http://example.org/A?x=1", nil, false},
		"an escaped path":         {"http://example.org/%61?x=1", nil, false},
		"another query":           {"http://example.org/a?x=2", nil, false},
		"no query":                {"http://example.org/a", nil, false},
		"a field in Vary":         {"http://example.org/a?x=1", []string{"X-Flag", "2"}, false},
		"X-Forwarded-Host":        {"http://example.org/a?x=1", []string{"X-Forwarded-Host", "evil.example"}, false},
		"X-Forwarded-Proto":       {"http://example.org/a?x=1", []string{"X-Forwarded-Proto", "https"}, false},
		"X-Original-URL":          {"http://example.org/a?x=1", []string{"X-Original-URL", "/admin"}, false},
		"a method override":       {"http://example.org/a?x=1", []string{"X-HTTP-Method-Override", "DELETE"}, false},
		"something else":          {"http://example.org/a?x=1", []string{"X-Else", "1"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newCache(t, Config{IgnoreQuery: []string{"utm_*"}})
				o := &origin{f: func(w http.ResponseWriter, r *http.Request) {
					if strings.Contains(r.URL.RawQuery+r.RequestURI, "utm_") {
						t.Errorf("the handler sees %s %s", r.URL.RawQuery, r.RequestURI)
					}
					sends(200, "Cache-Control", "max-age=60", "Vary", "X-Flag")(w, r)
				}}
				front := h.Middleware(o)
				ask(front, "GET", "http://example.org/a?x=1&utm_medium=y")
				ask(front, "GET", c.url, c.fields...)
				if same := o.calls.Load() == 1; same != c.same {
					t.Errorf("one page: %v, want %v", same, c.same)
				}
			})
		})
	}
}

// A request with a body is not answered by what is stored, and leaves nothing.
func TestBodiesAreNotKeyed(t *testing.T) {
	h := newCache(t, Config{})
	o := &origin{f: func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		w.Header().Set("Cache-Control", "max-age=60")
		w.Write(append([]byte("hello"), text...))
	}}
	front := h.Middleware(o)
	for _, c := range []struct{ sent, want string }{{" poison", "hello poison"}, {"", "hello"}, {" again", "hello again"}, {"", "hello"}} {
		w := httptest.NewRecorder()
		front.ServeHTTP(w, httptest.NewRequest("GET", "http://example.org/a", strings.NewReader(c.sent)))
		if c.sent == "" { // httptest makes a body of nothing
			w = httptest.NewRecorder()
			front.ServeHTTP(w, httptest.NewRequest("GET", "http://example.org/a", nil))
		}
		if w.Body.String() != c.want {
			t.Errorf("%q: %q, want %q", c.sent, w.Body, c.want)
		}
	}
	if n := o.calls.Load(); n != 3 {
		t.Errorf("asked %d times, want 3", n)
	}
}

// A crowd that reloads, or asks for what can never be fresh enough, reaches the
// handler once in MinReload.
func TestReloads(t *testing.T) {
	for _, directive := range []string{"no-cache", "max-age=0", "no-cache, max-age=0", "min-fresh=9999"} {
		synctest.Test(t, func(t *testing.T) {
			h := newCache(t, Config{})
			o := &origin{f: sends(200, "Cache-Control", "max-age=3600")}
			front := h.Middleware(o)
			ask(front, "GET", "/a")
			for range 10 {
				time.Sleep(time.Second + 10*time.Millisecond) // the clock of hits ticks each 5 ms
				var all sync.WaitGroup
				for range 100 {
					all.Go(func() { ask(front, "GET", "/a", "Cache-Control", directive) })
				}
				all.Wait()
			}
			if n := o.calls.Load(); n != 11 {
				t.Errorf("%s: asked %d times in ten seconds, want 11", directive, n)
			}
		})
	}
}

// What is refused or answered with an error changes nothing, and what succeeds is
// forgotten for its own origin only: nobody empties the cache of others.
func TestUnsafeForgetsItsOwn(t *testing.T) {
	for name, c := range map[string]struct {
		status   int
		location string
		gone     []string
	}{
		"success":        {200, "", []string{"/a"}},
		"its Location":   {201, "/b", []string{"/a", "/b"}},
		"somebody else":  {201, "http://example.com/b", []string{"/a"}},
		"a refusal":      {403, "/b", nil},
		"a failure":      {500, "/b", nil},
		"something wild": {201, "http://[::1", []string{"/a"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := newCache(t, Config{})
			front := h.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == "POST" {
					if c.location != "" {
						w.Header().Set("Location", c.location)
					}
					w.WriteHeader(c.status)
					return
				}
				sends(200, "Cache-Control", "max-age=60")(w, r)
			}))
			pages := []string{"http://example.org/a", "http://example.org/b", "http://example.com/b"}
			for _, page := range pages {
				ask(front, "GET", page)
			}
			time.Sleep(time.Second)
			ask(front, "POST", pages[0])
			var gone []string
			for _, page := range pages {
				if !strings.Contains(ask(front, "GET", page).Header.Get("Cache-Status"), "; hit") {
					gone = append(gone, strings.TrimPrefix(page, "http://example.org"))
				}
			}
			if strings.Join(gone, " ") != strings.Join(c.gone, " ") {
				t.Errorf("%s: gone %q, want %q", name, gone, c.gone)
			}
			if err := h.Clear(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
}
