package httpcache

//house:sleep the cases sleep in the bubble that bubble makes

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// RFC 9111, section 4.4: what a request that changes something takes away.

// changed is a case for a URL that is asked for before and after a POST to /a, which
// is answered by status and fields: it is taken away, or not.
func changed(name string, r rule, gone bool, url string, status int, fields ...string) rfcCase {
	return rfcCase{name: name, rule: r, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=600")
		t.miss("GET", url)
		t.serveStatus(status, fields...)
		t.miss("POST", "http://example.com/dir/a")
		t.serve("Cache-Control", "max-age=600")
		if gone {
			t.want(t.miss("GET", url), 200, "body 3")
			return
		}
		t.want(t.hit("GET", url), 200, "body 1")
	}}
}

const there = "http://example.com/dir/a"

var _ = cases(
	changed("4.4 a POST that succeeds", ruleInvalidate, true, there, 200),
	changed("4.4 a POST without an answer", ruleInvalidate, true, there, 204),
	changed("4.4 a POST that ends in a redirection", ruleInvalidate, true, there, 303),
	changed("4.4 a POST that is refused", ruleOnlySuccess, false, there, 403),
	changed("4.4 a POST that finds nothing", ruleOnlySuccess, false, there, 404),
	changed("4.4 a POST that fails", ruleOnlySuccess, false, there, 500),
	changed("4.4 another URL stays", noRule, false, "http://example.com/dir/b", 200),
	changed("4.4 another query stays", noRule, false, there+"?b", 200),
	changed("4.4 another host stays", noRule, false, "http://other.example/dir/a", 200),

	changed("4.4 Location", ruleInvalidateOthers, true, "http://example.com/b", 201, "Location", "http://example.com/b"),
	changed("4.4 Location as a path", ruleInvalidateOthers, true, "http://example.com/b?c", 303, "Location", "/b?c"),
	changed("4.4 Location beside it", ruleInvalidateOthers, true, "http://example.com/dir/b", 200, "Location", "b"),
	changed("4.4 Location in capitals, with the port", ruleInvalidateOthers, true, "http://example.com/b", 200, "Location", "HTTP://EXAMPLE.com:80/b"),
	changed("4.4 Content-Location", ruleInvalidateOthers, true, "http://example.com/b", 200, "Content-Location", "http://example.com/b"),
	changed("4.4 Content-Location as a path", ruleInvalidateOthers, true, "http://example.com/b", 200, "Content-Location", "../b"),
	changed("4.4 Location of what is refused", ruleOnlySuccess, false, "http://example.com/b", 409, "Location", "/b"),
	changed("4.4 Location of another host", ruleSameOrigin, false, "http://other.example/b", 200, "Location", "http://other.example/b"),
	changed("4.4 Location of another port", ruleSameOrigin, false, "http://example.com:81/b", 200, "Location", "http://example.com:81/b"),
	changed("4.4 Location of another scheme", ruleSameOrigin, false, "https://example.com/b", 200, "Location", "https://example.com/b"),
	changed("4.4 Content-Location of another host", ruleSameOrigin, false, "http://other.example/b", 200, "Content-Location", "//other.example/b"),
	changed("4.4 Location that is none", noRule, false, "http://example.com/b", 200, "Location", "http://[::1/%zz"),

	rfcCase{name: "4.4 each method that changes something, or may", rule: ruleInvalidate, run: func(t *bubbleT) {
		for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "M-SEARCH", "PROPPATCH", "post"} {
			t.serve("Cache-Control", "max-age=600")
			t.miss("GET", "/"+method)
			t.serve()
			t.miss(method, "/"+method)
			t.miss("GET", "/"+method)
		}
	}},
	rfcCase{name: "4.4 a handler that writes nothing has succeeded", rule: ruleInvalidate, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=600")
		t.miss("GET", "/a")
		t.handle(func(http.ResponseWriter, *http.Request) {})
		t.want(t.miss("PUT", "/a"), 200, "")
		t.miss("GET", "/a")
	}},
	rfcCase{name: "4.4 a request that changes something goes through, whatever is stored", rule: noRule, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=600")
		t.miss("GET", "/a")
		for _, method := range []string{"POST", "PUT", "DELETE"} {
			t.want(t.miss(method, "/a", "Cache-Control", "only-if-cached", "If-None-Match", "*"), 200, "body "+strconv.Itoa(t.count()))
		}
	}},
	rfcCase{name: "4.4 the URL with its query", rule: ruleInvalidate, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=600")
		t.miss("GET", "/a?b")
		t.miss("GET", "/a")
		t.serve()
		t.miss("POST", "/a?b")
		t.hit("GET", "/a")
		t.miss("GET", "/a?b")
	}},
	rfcCase{name: "4.4 methods that are safe take nothing away", rule: noRule, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=600")
		t.miss("GET", "/a")
		for _, method := range []string{"HEAD", "OPTIONS", "TRACE"} {
			t.ask(method, "/a")
			t.want(t.hit("GET", "/a"), 200, "body 1")
		}
	}},
	rfcCase{name: "4.4 all variants, and those under fields of KeyHeaders", rule: ruleInvalidate, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=600", "Vary", "Foo")
		asks := [][]string{{"Foo", "1"}, {"Foo", "2"}, nil, {"X-Host", "a", "Foo", "1"}, {"X-Host", "b"}}
		for _, fields := range asks {
			t.miss("GET", "/a", fields...)
			t.hit("GET", "/a", fields...)
		}
		t.miss("DELETE", "/a", "Foo", "1")
		for _, fields := range asks {
			t.miss("GET", "/a", fields...)
		}
	}},
	rfcCase{name: "4.4 a change while somebody asks", rule: ruleInvalidate, run: func(t *bubbleT) {
		var changed atomic.Bool
		t.handle(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPut {
				changed.Store(true)
				return
			}
			was := "old"
			if changed.Load() {
				was = "new"
			}
			time.Sleep(time.Second)
			w.Header().Set("Cache-Control", "max-age=600")
			w.Write([]byte(was))
		})
		var all sync.WaitGroup
		all.Go(func() { t.want(t.ask("GET", "/a"), 200, "old") })
		time.Sleep(500 * time.Millisecond)
		t.ask("PUT", "/a")
		time.Sleep(time.Millisecond)           // what began at the same nanosecond is not kept
		t.want(t.ask("GET", "/a"), 200, "new") // does not wait for the first one's
		all.Wait()
		t.want(t.hit("GET", "/a"), 200, "new")
	}},
	rfcCase{name: "4.4 the change is seen by whoever asks after its answer", rule: ruleInvalidate, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=600")
		t.miss("GET", "/a")
		t.handle(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(200)
			http.NewResponseController(w).Flush() // the client can go on from here
			if before := t.h.Stats().Invalidated; before == 0 {
				t.Errorf("the answer went out before what it changes was taken away")
			}
		})
		t.miss("POST", "/a")
	}},
	rfcCase{name: "4.4 a panic after the change", rule: noRule, run: func(t *bubbleT) {
		for i, sent := range []bool{true, false} {
			url := "/" + strconv.Itoa(i)
			t.serve("Cache-Control", "max-age=600")
			t.miss("GET", url)
			t.handle(func(w http.ResponseWriter, r *http.Request) {
				if sent {
					w.WriteHeader(200)
				}
				panic(http.ErrAbortHandler)
			})
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("the panic is gone")
					}
				}()
				r, _ := http.NewRequestWithContext(context.Background(), "POST", "http://example.com"+url, http.NoBody)
				t.front.ServeHTTP(&sink{header: make(http.Header)}, r)
			}()
			t.serve("Cache-Control", "max-age=600")
			if sent {
				t.miss("GET", url)
			} else {
				t.hit("GET", url) // a failure, for all that the client is told
			}
		}
	}},
)
