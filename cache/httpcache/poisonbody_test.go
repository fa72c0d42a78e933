package httpcache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// wild makes a request in a goroutine of its own, which the handler may end in any
// way, with a context that ends after a while.
func (t *bubbleT) wild(after time.Duration, method, target string, fields ...string) (got *http.Response, panicked any) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer func() { panicked = recover() }()
		r := httptest.NewRequest(method, target, nil)
		add(r.Header, fields)
		ctx, cancel := context.WithTimeout(r.Context(), after)
		defer cancel()
		w := httptest.NewRecorder()
		defer func() { got = w.Result() }()
		t.front.ServeHTTP(w, r.WithContext(ctx))
	}()
	<-ended
	return got, panicked
}

// TestPoisonByHalf: what has not come to its end, or is of another length than it
// says, is not kept.
func TestPoisonByHalf(t *testing.T) {
	errOwn := errors.New("own")
	half := func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "half") }
	flushed := func(w http.ResponseWriter, r *http.Request) {
		half(w, r)
		http.NewResponseController(w).Flush()
	}
	var all []poison
	for name, end := range map[string]func(w http.ResponseWriter, r *http.Request){
		"panic":           func(http.ResponseWriter, *http.Request) { panic(errOwn) },
		"abort":           func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"goexit":          func(http.ResponseWriter, *http.Request) { runtime.Goexit() },
		"the client left": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"too short":       func(w http.ResponseWriter, _ *http.Request) {},
		"too long":        func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, " and more") },
		"trailers":        func(w http.ResponseWriter, _ *http.Request) { w.Header().Set(http.TrailerPrefix+"X-User", "a") },
		"too much":        func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 2<<10)) },
	} {
		for how, begin := range map[string]http.HandlerFunc{"held": half, "flushed": flushed} {
			all = append(all, poison{name: name + " " + how, cfg: Config{MaxBody: 1 << 10}, f: func(t *bubbleT) {
				t.handle(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Cache-Control", "max-age=60")
					switch name {
					case "too short":
						w.Header().Set("Content-Length", "5")
					case "too long":
						w.Header().Set("Content-Length", "6")
					}
					if r.Header.Get("Cookie") == "first" {
						begin(w, r)
						end(w, r)
						return
					}
					w.Header().Del("Content-Length")
					io.WriteString(w, "whole")
				})
				got, panicked := t.wild(time.Second, "GET", "/a", "Cookie", "first")
				switch {
				case name == "panic" && panicked != errOwn, name == "abort" && panicked != http.ErrAbortHandler,
					name != "panic" && name != "abort" && panicked != nil:
					t.Errorf("the panic is %v", panicked)
				case how == "flushed" && !strings.HasPrefix(body(got), "half"):
					t.Errorf("nothing came")
				}
				t.want(t.miss("GET", "/a"), 200, "whole")
				t.want(t.hit("GET", "/a"), 200, "whole")
			}})
		}
	}
	// Who waits for an answer that is not to be asks again.
	for name, end := range map[string]func(){
		"panic for two": func() { panic(http.ErrAbortHandler) }, "goexit for two": func() { runtime.Goexit() },
	} {
		all = append(all, poison{name: name, f: func(t *bubbleT) {
			t.handle(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", "max-age=60")
				if r.Header.Get("Cookie") == "first" {
					w.WriteHeader(200) // all may have it
					io.WriteString(w, "half")
					time.Sleep(time.Second)
					end()
				}
				io.WriteString(w, "whole")
			})
			done := make(chan struct{})
			go func() {
				defer close(done)
				t.wild(time.Minute, "GET", "/a", "Cookie", "first")
			}()
			time.Sleep(time.Millisecond)
			t.want(t.miss("GET", "/a"), 200, "whole")
			<-done
		}})
	}
	poisons(t, all)
}

// TestPoisonByStatus: no part of a page, and no failure, stands for the page.
func TestPoisonByStatus(t *testing.T) {
	var all []poison
	for _, status := range []int{206, 304, 401, 408, 416, 425, 429, 431, 500, 502, 503, 504, 599} {
		all = append(all, poison{name: fmt.Sprint(status), f: func(t *bubbleT) {
			t.handle(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", "max-age=60")
				if r.Header.Get("X-Evil") != "" {
					w.WriteHeader(status)
					return
				}
				io.WriteString(w, "whole")
			})
			t.miss("GET", "/a", "X-Evil", "1")
			t.want(t.miss("GET", "/a"), 200, "whole")
			t.want(t.hit("GET", "/a", "X-Evil", "1"), 200, "whole")
		}})
	}
	poisons(t, append(all,
		poison{name: "204 is that of its own URL", f: func(t *bubbleT) {
			t.serveStatus(204, "Cache-Control", "max-age=60")
			t.want(t.miss("GET", "/a"), 204, "")
			t.want(t.hit("GET", "/a"), 204, "", "Content-Length", "")
		}},
		poison{name: "204 with a body", f: func(t *bubbleT) {
			t.handle(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", "max-age=60")
				w.WriteHeader(204)
				if _, err := io.WriteString(w, "HTTP/1.1 200 OK\r\n\r\nevil"); !errors.Is(err, http.ErrBodyNotAllowed) {
					t.Errorf("the body went with %v", err)
				}
			})
			t.want(t.miss("GET", "/a"), 204, "")
			t.want(t.hit("GET", "/a"), 204, "")
		}},
		poison{name: "HEAD", f: func(t *bubbleT) {
			t.serve("Cache-Control", "max-age=60", "Etag", `"a"`)
			t.want(t.miss("HEAD", "/a"), 200, "")
			t.want(t.miss("GET", "/a"), 200, "body 2")
			t.want(t.hit("HEAD", "/a"), 200, "", "Content-Length", "6")
			t.want(t.hit("GET", "/a"), 200, "body 2")
		}},
		poison{name: "a range", f: func(t *bubbleT) {
			t.handle(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", "max-age=60")
				w.Header().Set("Etag", `"a"`)
				http.ServeContent(w, r, "a.txt", time.Time{}, strings.NewReader("0123456789"))
			})
			t.want(t.miss("GET", "/a", "Range", "bytes=2-3"), 206, "23")
			t.want(t.miss("GET", "/a", "Range", "bytes=4-5"), 206, "45")
			t.want(t.miss("GET", "/a"), 200, "0123456789")
			t.want(t.hit("GET", "/a", "Range", "bytes=2-3"), 206, "23")
			t.want(t.hit("GET", "/a", "Range", "bytes=20-30"), 416, "invalid range: failed to overlap\n")
			t.want(t.hit("GET", "/a", "Range", "lines=2-3"), 200, "0123456789") // RFC 9110, 14.2
			time.Sleep(61 * time.Second)
			t.want(t.miss("GET", "/a", "Range", "bytes=4-5"), 206, "45")
			t.want(t.ask("GET", "/a"), 200, "0123456789")
		}},
		poison{name: "a range of something new", f: func(t *bubbleT) {
			text := "0123456789"
			t.handle(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", "max-age=60")
				w.Header().Set("Etag", `"`+text[:1]+`"`)
				http.ServeContent(w, r, "a.txt", time.Time{}, strings.NewReader(text))
			})
			t.ask("GET", "/a")
			time.Sleep(61 * time.Second)
			text = "abcdefghij"
			t.want(t.miss("GET", "/a", "Range", "bytes=4-5"), 206, "ef")
			t.want(t.miss("GET", "/a"), 200, text)
		}},
	))
}

// TestPoisonByRequest: a page stands for requests of one kind only.
func TestPoisonByRequest(t *testing.T) {
	poisons(t, []poison{
		{name: "a body", f: func(t *bubbleT) {
			t.handle(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", "max-age=60")
				b, _ := io.ReadAll(r.Body)
				fmt.Fprintf(w, "for %s", b)
			})
			with := func(length int64, text string) *http.Response {
				r := httptest.NewRequest("GET", "/a", io.NopCloser(strings.NewReader(text)))
				r.ContentLength = length
				w := httptest.NewRecorder()
				t.front.ServeHTTP(w, r)
				return w.Result()
			}
			for _, length := range []int64{4, -1} {
				t.want(with(length, "evil"), 200, "for evil")
				t.want(t.ask("GET", "/a"), 200, "for ")
			}
			t.want(t.hit("GET", "/a"), 200, "for ")
		}},
		// Rules by the look of a path are how private pages get into caches: there are
		// none here.
		{name: "paths that look like files", f: func(t *bubbleT) {
			t.handle(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", "private")
				io.WriteString(w, r.Header.Get("Cookie"))
			})
			for _, path := range []string{
				"/account/x.css", "/account;x.css", "/account%2fx.css", "/account/..%2fx.css", "/account%00.css", "/account%0a.css",
				"/account%23x.css", "/account%3fx.css", "/static/../account", "/account.css", "/account/.css", "//account/robots.txt",
			} {
				t.want(t.miss("GET", path, "Cookie", "a"), 200, "a")
				t.want(t.miss("GET", path, "Cookie", "b"), 200, "b")
			}
		}},
		{name: "paths that some take for one", f: func(t *bubbleT) {
			t.handle(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", "max-age=60")
				fmt.Fprintf(w, "%s?%s", r.URL.EscapedPath(), r.URL.RawQuery)
			})
			for range 2 {
				for _, target := range []string{
					"/a", "/a/", "//a", "/./a", "/b/../a", "/A", "/%61", "/a%2f", "/a%2F", "/a;b", "/a%3fb", "/a?b", "/a?b=", "/a?b&", "/a?%62", "/a?a=1&b=2", "/a?b=2&a=1",
				} {
					want := target
					if !strings.Contains(target, "?") {
						want += "?"
					}
					t.want(t.ask("GET", "http://a.example"+target), 200, want)
				}
			}
			if n := t.count(); n != 17 {
				t.Errorf("asked %d times for 17 URLs", n)
			}
		}},
		{name: "hosts", f: func(t *bubbleT) {
			t.handle(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", "max-age=60")
				io.WriteString(w, r.Host)
			})
			for range 2 {
				for _, host := range []string{"a.example", "b.example", "a.example:81", "a.example.", "a.example@b.example"} {
					r := httptest.NewRequest("GET", "/a", nil)
					r.Host = host
					w := httptest.NewRecorder()
					t.front.ServeHTTP(w, r)
					t.want(w.Result(), 200, host)
				}
			}
		}},
		{name: "methods that are none", f: func(t *bubbleT) {
			t.handle(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", "max-age=60")
				io.WriteString(w, r.Method)
			})
			for _, method := range []string{"get", "GET ", "QUERY", "GET", "PURGE", "GET"} {
				r := httptest.NewRequest("GET", "/a", nil)
				r.Method = method
				w := httptest.NewRecorder()
				t.front.ServeHTTP(w, r)
				t.want(w.Result(), 200, method)
			}
		}},
	})
}

// TestPoisonBySize: what is too much of anything passes through, and is not kept.
func TestPoisonBySize(t *testing.T) {
	many := make([]string, 10_000)
	for i := range many {
		many[i] = fmt.Sprint("tag", i)
	}
	synctest.Test(t, func(t *testing.T) {
		h := newCache(t, Config{MaxBytes: 2 << 20})
		for name, fields := range map[string][]string{
			"tags":       {"Surrogate-Key", strings.Join(many, " ")},
			"a field":    {"X-Large", strings.Repeat("x", 1<<20)},
			"the length": {"Content-Length", "99999999999"},
			"no length":  {"Content-Length", "99999999999999999999999999"},
		} {
			calls := 0
			front := h.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				calls++
				w.Header().Set("Cache-Control", "max-age=60")
				add(w.Header(), fields)
				io.WriteString(w, "hello")
			}))
			for range 3 {
				if got := ask(front, "GET", "/"+strings.ReplaceAll(name, " ", "/")); body(got) != "hello" || got.StatusCode != 200 {
					t.Errorf("%s: %v", name, got.Status)
				}
			}
			if calls != 3 && name != "no length" {
				t.Errorf("%s: asked %d times", name, calls)
			}
		}
		if n := h.Stats().Store.Entries; n > 4 {
			t.Errorf("%d are kept", n)
		}
	})
}
