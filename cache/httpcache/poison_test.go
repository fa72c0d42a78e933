package httpcache

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// poison is a page whose origin is up to something, or is made to be by a client.
type poison struct {
	name string
	cfg  Config
	f    func(t *bubbleT)
}

func poisons(t *testing.T, all []poison) {
	t.Helper()
	for _, p := range all {
		t.Run(p.name, func(t *testing.T) {
			for _, w := range bubble(t, rfcCase{cfg: p.cfg, run: p.f}) {
				t.Error(w)
			}
		})
	}
}

// echo answers with fields, and with the value of a field of the request.
func (t *bubbleT) echo(name string, fields ...string) {
	t.handle(func(w http.ResponseWriter, r *http.Request) {
		add(w.Header(), fields)
		fmt.Fprintf(w, "for %s", r.Header.Get(name))
	})
}

// TestPoisonByFields: what a field of one request has made of an answer is not for
// requests without it.
func TestPoisonByFields(t *testing.T) {
	var all []poison
	for _, name := range defaultKeyHeaders {
		all = append(all, poison{name: name, f: func(t *bubbleT) {
			t.echo(name, "Cache-Control", "max-age=60")
			for range 2 {
				t.want(t.ask("GET", "/a", name, "evil.example"), 200, "for evil.example")
				t.want(t.ask("GET", "/a"), 200, "for ")
				t.want(t.ask("GET", "/a", name, ""), 200, "for ")
				t.want(t.ask("GET", "/a", name, "evil.example", name, "b"), 200, "for evil.example")
			}
			if n := t.count(); n != 4 {
				t.Errorf("asked %d times instead of once for each", n)
			}
		}})
	}
	poisons(t, append(all,
		poison{name: "a field of one's own", cfg: Config{KeyHeaders: []string{"x-tenant"}}, f: func(t *bubbleT) {
			t.echo("X-Tenant", "Cache-Control", "max-age=60")
			t.want(t.ask("GET", "/a", "X-Tenant", "1"), 200, "for 1")
			t.want(t.ask("GET", "/a", "X-Tenant", "2"), 200, "for 2")
		}},
		poison{name: "IgnoreQuery", cfg: Config{IgnoreQuery: []string{"utm_*"}}, f: func(t *bubbleT) {
			t.handle(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", "max-age=60")
				fmt.Fprintf(w, "%s %s %s", r.URL.RawQuery, r.RequestURI, r.FormValue("utm_a"))
			})
			for _, query := range []string{"utm_a=evil&b=1", "b=1", "b=1&utm_b=evil", "b=1&utm_"} {
				t.want(t.ask("GET", "http://a.example/a?"+query), 200, "b=1 /a?b=1 ")
			}
		}},
		// A 304 about something that is not stored makes the handler be asked twice.
		poison{name: "IgnoreQuery, asked again", cfg: Config{IgnoreQuery: []string{"evil"}}, f: func(t *bubbleT) {
			t.handle(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", "max-age=60")
				w.Header().Set("Etag", fmt.Sprintf(`"%d"`, t.count()))
				if r.Header["If-None-Match"] != nil {
					w.WriteHeader(http.StatusNotModified)
					return
				}
				io.WriteString(w, r.URL.RawQuery)
			})
			t.want(t.ask("GET", "/a?b=1"), 200, "b=1")
			time.Sleep(61 * time.Second)
			t.want(t.ask("GET", "/a?b=1&evil=2"), 200, "b=1")
			t.want(t.ask("GET", "/a?b=1"), 200, "b=1")
		}},
		poison{name: "a handler that changes the request", f: func(t *bubbleT) {
			t.handle(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Accept-Language") == "" {
					r.Header.Set("Accept-Language", "user of "+r.Header.Get("Cookie"))
				}
				w.Header().Set("Cache-Control", "max-age=60")
				w.Header().Set("Vary", "Accept-Language")
				io.WriteString(w, r.Header.Get("Accept-Language"))
			})
			for _, user := range []string{"a", "b", "a", "c"} {
				t.want(t.ask("GET", "/a", "Cookie", user), 200, "user of "+user)
			}
			t.want(t.ask("GET", "/a", "Accept-Language", "user of a"), 200, "user of a")
		}},
	))
}

// TestPoisonByVary: what cannot be told apart is not kept.
func TestPoisonByVary(t *testing.T) {
	never := func(vary ...string) func(t *bubbleT) {
		return func(t *bubbleT) {
			fields := []string{"Cache-Control", "max-age=60"}
			for _, v := range vary {
				fields = append(fields, "Vary", v)
			}
			t.echo("X-User", fields...)
			for _, user := range []string{"a", "b", "a"} {
				t.want(t.miss("GET", "/a", "X-User", user), 200, "for "+user)
			}
		}
	}
	apart := func(name, a, b string) func(t *bubbleT) {
		return func(t *bubbleT) {
			t.echo(name, "Cache-Control", "max-age=60", "Vary", name+", X-Other")
			for range 2 {
				t.want(t.ask("GET", "/a", name, a), 200, "for "+a)
				t.want(t.ask("GET", "/a", name, b), 200, "for "+b)
			}
			if n := t.count(); n != 2 {
				t.Errorf("asked %d times instead of once for each", n)
			}
		}
	}
	many := make([]string, 100)
	for i := range many {
		many[i] = fmt.Sprint("X-Field-", i)
	}
	poisons(t, []poison{
		{name: "anything", f: never("*")},
		{name: "anything, too", f: never("Accept", "X-User , *")},
		{name: "unreadable", f: never("X-User\x00")},
		{name: "unreadable, too", f: never("Accept, X User")},
		{name: "dozens", f: never(strings.Join(many, ","))},
		{name: "dozens of lines", f: never(many...)},
		{name: "line ends", f: apart("X-User", "a", "a\r\nX-Other: b")},
		{name: "null", f: apart("X-User", "a", "a\x00")},
		{name: "borders", f: apart("X-User", "a1:", "a")},
		{name: "a part of another", f: apart("X-User", "a", "af7:X-Other1,1:b")},
		{name: "a language nobody knows", f: apart("Accept-Language", "de;q=1;x=a", "de;q=1;x=b")},
		{name: "a weight that is none", f: apart("Accept-Encoding", "gzip;q=1e0", "gzip")},
		{name: "no weight", f: apart("Accept-Encoding", "gzip;q=0", "gzip")},
		{name: "quoted commas", f: apart("X-User", `"a, b"`, `"a,b"`)},
		{name: "a new Vary in a 304", f: func(t *bubbleT) {
			vary := ""
			t.handle(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", "max-age=60")
				w.Header().Set("Etag", `"a"`)
				if vary != "" {
					w.Header().Set("Vary", vary)
				}
				if r.Header.Get("If-None-Match") == `"a"` && r.Header.Get("X-User") == "a" {
					time.Sleep(time.Second)
					w.WriteHeader(http.StatusNotModified)
					return
				}
				fmt.Fprintf(w, "for %s", r.Header.Get("X-User"))
			})
			t.want(t.ask("GET", "/a", "X-User", "a"), 200, "for a")
			time.Sleep(61 * time.Second)
			vary = "X-User"
			done := make(chan struct{})
			go func() {
				defer close(done)
				t.want(t.ask("GET", "/a", "X-User", "a"), 200, "for a")
			}()
			time.Sleep(time.Millisecond)
			t.want(t.ask("GET", "/a", "X-User", "b"), 200, "for b") // waits, but not for that
			<-done
			t.want(t.ask("GET", "/a", "X-User", "b"), 200, "for b")
		}},
		{name: "any Vary in a 304", f: func(t *bubbleT) {
			t.handle(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", "max-age=60")
				w.Header().Set("Etag", `"a"`)
				if r.Header["If-None-Match"] != nil && r.Header.Get("X-User") == "a" {
					w.Header().Set("Vary", "*")
					w.WriteHeader(http.StatusNotModified)
					return
				}
				fmt.Fprintf(w, "for %s", r.Header.Get("X-User"))
			})
			t.ask("GET", "/a", "X-User", "a")
			time.Sleep(61 * time.Second)
			t.want(t.miss("GET", "/a", "X-User", "a"), 200, "for a")
			t.want(t.miss("GET", "/a", "X-User", "b"), 200, "for b")
		}},
	})
}

// TestPoisonByUpdate: a 304 and the answer to a HEAD bring nothing into what is
// stored that would not be stored itself.
func TestPoisonByUpdate(t *testing.T) {
	var all []poison
	for name, more := range map[string][]string{
		"cookie":      {"Set-Cookie", "user=a"},
		"qualified":   {"Cache-Control", `max-age=60, private="X-User"`, "X-User", "a"},
		"qualified 2": {"Cache-Control", `max-age=60, no-cache="X-User"`, "X-User", "a"},
		"private":     {"Cache-Control", "private, max-age=60", "X-User", "a"},
		"no-store":    {"Cache-Control", "no-store", "X-User", "a"},
		"this cache":  {ownTarget, "no-store", "X-User", "a"},
		"a CDN":       {"CDN-Cache-Control", "private", "X-User", "a"},
		"vary":        {"Vary", "Cookie", "X-User", "a"},
		"authorized":  {"X-User", "a"},
		"nothing":     {"Etag", "", "X-User", "a"}, // which a HEAD could be about
	} {
		for _, method := range []string{"GET", "HEAD"} {
			all = append(all, poison{name: name + " " + method, f: func(t *bubbleT) {
				t.handle(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Cache-Control", "max-age=60")
					w.Header().Set("Etag", `"a"`)
					if r.Header.Get("Cookie") == "a" {
						for i := 0; i < len(more); i += 2 {
							w.Header().Set(more[i], more[i+1])
						}
						if method == "GET" && r.Header["If-None-Match"] != nil && name != "nothing" {
							w.WriteHeader(http.StatusNotModified)
							return
						}
					}
					if r.Method != "HEAD" {
						w.Header().Del("X-User")
						io.WriteString(w, "hello")
					}
				})
				t.ask("GET", "/a")
				time.Sleep(61 * time.Second)
				fields := []string{"Cookie", "a"}
				if name == "authorized" {
					fields = append(fields, "Authorization", "a")
				}
				got := t.miss(method, "/a", fields...)
				if last := more[len(more)-2:]; got.Header.Get(last[0]) != last[1] && last[0] == "Set-Cookie" {
					t.Errorf("who asked got %v", got.Header)
				}
				for _, cookie := range []string{"b", "c"} {
					t.want(t.ask("GET", "/a", "Cookie", cookie), 200, "hello", "Set-Cookie", "", "X-User", "")
				}
			}})
		}
	}
	poisons(t, append(all, poison{name: "qualified before", f: func(t *bubbleT) {
		t.handle(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Etag", `"a"`)
			w.Header().Set("X-User", r.Header.Get("Cookie"))
			if r.Header["If-None-Match"] != nil {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			w.Header().Set("Cache-Control", `max-age=60, private="X-User"`)
			io.WriteString(w, "hello")
		})
		t.want(t.miss("GET", "/a", "Cookie", "a"), 200, "hello", "X-User", "a")
		time.Sleep(61 * time.Second)
		t.want(t.miss("GET", "/a", "Cookie", "b"), 200, "hello", "X-User", "b")
		t.want(t.hit("GET", "/a", "Cookie", "c"), 200, "hello", "X-User", "")
	}}))
}

// TestPoisonOutside: what a middleware in front puts into its answers is for the one
// who asked.
func TestPoisonOutside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newCache(t, Config{})
		front := h.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			w.Header().Set("Etag", `"a"`)
			w.Header().Add("X-Trace", "inside")
			if r.Header["If-None-Match"] != nil {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			io.WriteString(w, "hello")
		}))
		outside := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			user := r.Header.Get("Cookie")
			w.Header().Set("X-User", user)
			w.Header().Set("X-Trace", "trace of "+user)
			front.ServeHTTP(w, r)
		})
		for i, user := range []string{"a", "b", "c", "d"} {
			if i >= 2 {
				time.Sleep(61 * time.Second)
			}
			got := ask(outside, "GET", "/a", "Cookie", user)
			if got.Header.Get("X-User") != user || strings.Join(got.Header["X-Trace"], ",") != "trace of "+user+",inside" {
				t.Errorf("%s got %v", user, got.Header)
			}
		}
	})
}

// TestPoisonOutsidePrivate: what a middleware in front says about an answer counts also
// where the handler says that nothing has changed.
func TestPoisonOutsidePrivate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newCache(t, Config{})
		front := h.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Etag", `"a"`)
			if r.Header["If-None-Match"] != nil {
				w.Header().Set("X-User", r.Header.Get("Cookie"))
				w.WriteHeader(http.StatusNotModified)
				return
			}
			w.Header().Set("Cache-Control", "max-age=60")
			io.WriteString(w, "hello")
		}))
		outside := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Cookie") != "" {
				w.Header().Set("Cache-Control", "private")
			}
			front.ServeHTTP(w, r)
		})
		ask(outside, "GET", "/a")
		time.Sleep(61 * time.Second)
		if got := ask(outside, "GET", "/a", "Cookie", "a"); got.Header.Get("X-User") != "a" || body(got) != "hello" {
			t.Errorf("a got %v", got.Header)
		}
		if got := ask(outside, "GET", "/a"); got.Header["X-User"] != nil || body(got) != "hello" {
			t.Errorf("nobody got %v", got.Header)
		}
	})
}
