package httpcache

//house:sleep the cases sleep in the bubble that bubble makes

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"time"
)

// RFC 9111, sections 3 (what is stored) and 4 (how answers are built from it).

// notKept is a case for an answer that is not for others.
func notKept(name string, r rule, request []string, response ...string) rfcCase {
	return rfcCase{name: name, rule: r, run: func(t *bubbleT) {
		t.serve(response...)
		t.want(t.miss("GET", "/a", request...), 200, "body 1")
		t.want(t.miss("GET", "/a"), 200, "body 2")
	}}
}

// kept is one for an answer that others get, too.
func kept(name string, r rule, request []string, response ...string) rfcCase {
	return rfcCase{name: name, rule: r, run: func(t *bubbleT) {
		t.serve(response...)
		t.want(t.miss("GET", "/a", request...), 200, "body 1")
		t.want(t.hit("GET", "/a"), 200, "body 1")
	}}
}

var authorized = []string{"Authorization", "Basic YTpi"}

var _ = cases(
	kept("3 max-age", ruleMaxAge, nil, "Cache-Control", "max-age=60"),
	kept("3 s-maxage", ruleSharedMaxAge, nil, "Cache-Control", "s-maxage=60, max-age=0"),
	kept("3 Expires", ruleExpires, nil, "Expires", "Mon, 01 Jan 2001 00:00:00 GMT"), // bubbles begin in 2000
	notKept("3 no-store", ruleNoStore, nil, "Cache-Control", "no-store, max-age=60"),
	notKept("3 private", rulePrivate, nil, "Cache-Control", "private, max-age=60"),
	notKept("3 no-store of the request", ruleRequestNoStore, []string{"Cache-Control", "no-store"}, "Cache-Control", "max-age=60"),

	rfcCase{name: "3 the time of validity is not guessed", rule: ruleExplicit, run: func(t *bubbleT) {
		t.serve("Etag", `"a"`)
		t.miss("GET", "/a")
		t.miss("GET", "/a")
		if r := t.request(); r.Header["If-None-Match"] != nil {
			t.Errorf("it was kept: %v", r.Header)
		}
	}},
	rfcCase{name: "3 methods other than GET are not kept", rule: noRule, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=60")
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "HEAD"} {
			t.miss(method, "/a")
			t.miss(method, "/a")
			t.miss("GET", "/"+method)
		}
		t.miss("GET", "/a")
	}},
	rfcCase{name: "3 the status is final and understood", rule: ruleStatus, run: func(t *bubbleT) {
		for _, status := range []int{206, 304, 500, 502, 503, 504, 599} {
			t.serveStatus(status, "Cache-Control", "max-age=60", "Etag", `"a"`)
			t.miss("GET", "/"+strconv.Itoa(status))
			t.miss("GET", "/"+strconv.Itoa(status))
		}
	}},
	rfcCase{name: "3 each final status that says for how long is kept", rule: noRule, run: func(t *bubbleT) {
		for _, status := range []int{200, 203, 204, 299, 301, 302, 303, 307, 308, 404, 405, 410, 414, 451, 499} {
			t.serveStatus(status, "Cache-Control", "max-age=60", "Location", "/b")
			url := "/" + strconv.Itoa(status)
			first := t.miss("GET", url)
			t.want(t.hit("GET", url), status, body(first), "Location", "/b")
			time.Sleep(time.Minute)
			t.miss("GET", url)
		}
	}},
	rfcCase{name: "3 failures are kept if Statuses lists them, and do not stand in for one another", rule: noRule,
		cfg: Config{Statuses: []int{200, 500, 503, 599}}, run: func(t *bubbleT) {
			for _, status := range []int{500, 503, 599} {
				t.serveStatus(status, "Cache-Control", "max-age=60")
				url := "/" + strconv.Itoa(status)
				t.miss("GET", url)
				t.hit("GET", url)
				time.Sleep(61 * time.Second)
				t.want(t.miss("GET", url), status, "body "+strconv.Itoa(t.count()))
			}
		}},
	rfcCase{name: "3 what answers a range is not the answer to a GET of the whole", rule: noRule, run: func(t *bubbleT) {
		for _, status := range []int{206, 416} {
			t.serveStatus(status, "Cache-Control", "max-age=60")
			t.miss("GET", "/"+strconv.Itoa(status), "Range", "bytes=90-")
			t.serve()
			t.want(t.miss("GET", "/"+strconv.Itoa(status)), 200, "body "+strconv.Itoa(t.count()))
		}
	}},
	rfcCase{name: "3 a 416 is for who asked for that range, also where Statuses lists it", rule: noRule, cfg: Config{Statuses: []int{200, 416}}, run: func(t *bubbleT) {
		t.serveStatus(416, "Cache-Control", "max-age=60")
		t.miss("GET", "/a", "Range", "bytes=90-")
		t.serve()
		t.want(t.miss("GET", "/a"), 200, "body 2")
	}},
	rfcCase{name: "3 a part that says 200 is no answer to a GET of the whole", rule: noRule, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=60", "Content-Range", "bytes 0-5/90")
		t.miss("GET", "/a", "Range", "bytes=0-5")
		t.serve()
		t.want(t.miss("GET", "/a"), 200, "body 2")
	}},
	rfcCase{name: "3 what is not kept does not take away what is fresh", rule: noRule, run: func(t *bubbleT) {
		for _, now := range []string{"no-store", "private", "max-age=0, no-store"} {
			t.serve("Cache-Control", "max-age=600")
			t.miss("GET", "/"+now[:3])
			was := "body " + strconv.Itoa(t.count())
			time.Sleep(2 * time.Second)
			t.serve("Cache-Control", now)
			t.miss("GET", "/"+now[:3], "Cache-Control", "no-cache")
			t.want(t.hit("GET", "/"+now[:3]), 200, was)
		}
	}},

	rfcCase{name: "3.1 fields of the connection are not kept", rule: ruleHopByHop, run: func(t *bubbleT) {
		gone := []string{"Keep-Alive", "Te", "Transfer-Encoding", "Upgrade", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authentication-Info", "Proxy-Authorization", "X-Hop", "Connection"}
		fields := []string{"Cache-Control", "max-age=60", "Connection", "x-hop, close"}
		for _, name := range gone[:len(gone)-1] {
			fields = append(fields, name, "a")
		}
		t.serve(fields...)
		t.miss("GET", "/a")
		got := t.hit("GET", "/a")
		for _, name := range gone {
			if got.Header[name] != nil {
				t.Errorf("%s was kept: %q", name, got.Header[name])
			}
		}
	}},
	rfcCase{name: "3.1 all other fields are kept, known or not", rule: noRule, run: func(t *bubbleT) {
		fields := []string{
			"Cache-Control", "max-age=60", "Test-Header", "a", "X-Test-Header", "b", "Content-Foo", "c", "Content-Encoding", "d",
			"Content-Location", "/e", "Content-Md5", "f", "Content-Range", "bytes 0-4/5", "Content-Security-Policy", "g", "Content-Type", "text/plain; charset=utf-8",
			"Clear-Site-Data", `"h"`, "Etag", `"i"`, "Expires", "Fri, 01 Jan 1999 00:00:00 GMT", "Public-Key-Pins", "j", "X-Frame-Options", "deny", "X-Xss-Protection", "1",
			"Content-Disposition", "attachment", "Last-Modified", "Fri, 01 Jan 1999 00:00:00 GMT", "Date", "Sat, 01 Jan 2000 00:00:00 GMT", "Vary", "X",
			"Link", "<a>", "Link", "<b>", "Warning", "k", "Strict-Transport-Security", "l", "Access-Control-Allow-Origin", "*",
		}
		t.serve(fields...)
		t.miss("GET", "/a")
		got := t.hit("GET", "/a")
		for i := 0; i < len(fields); i += 2 {
			if !slices.Contains(got.Header[fields[i]], fields[i+1]) {
				t.Errorf("%s was not kept: %v", fields[i], got.Header)
			}
		}
		if n := len(got.Header["Link"]); n != 2 {
			t.Errorf("%d lines", n)
		}
	}},
	rfcCase{name: "3.1 fields that private or no-cache name are not kept", rule: ruleQualified, run: func(t *bubbleT) {
		for _, control := range []string{`private="x-own, X-Other"`, `no-cache="x-own", no-cache="x-other"`} {
			t.serve("Cache-Control", "max-age=60, "+control, "X-Own", "a", "X-Other", "b", "X-All", "c")
			t.want(t.miss("GET", "/"+control[:3]), 200, "body "+strconv.Itoa(t.count()), "X-Own", "a")
			t.want(t.hit("GET", "/"+control[:3]), 200, "body "+strconv.Itoa(t.count()), "X-Own", "", "X-Other", "", "X-All", "c")
		}
	}},
	rfcCase{name: "3.1 Date is that of the origin", rule: noRule, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=60")
		date := t.miss("GET", "/a").Header.Get("Date")
		time.Sleep(5 * time.Second)
		t.want(t.hit("GET", "/a"), 200, "body 1", "Date", date)
		if date != "Sat, 01 Jan 2000 00:00:00 GMT" {
			t.Errorf("Date is %q", date)
		}
	}},
	rfcCase{name: "3.1 fields from before the handler are of the request, not of the response", rule: ruleOuterFields, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=60")
		inner, n := t.front, 0
		t.front = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n++
			w.Header().Set("Request-Id", strconv.Itoa(n))
			w.Header().Set("X-Outer", "same")
			inner.ServeHTTP(w, r)
		})
		t.miss("GET", "/a")
		t.want(t.hit("GET", "/a"), 200, "body 1", "Request-Id", "2")
		t.front = inner
		t.want(t.hit("GET", "/a"), 200, "body 1", "Request-Id", "", "X-Outer", "")
	}},
	rfcCase{name: "3.1 an interim answer passes, and its fields are not those of the final one", rule: noRule, run: func(t *bubbleT) {
		t.handle(func(w http.ResponseWriter, r *http.Request) {
			for _, status := range []int{102, 103} {
				w.Header().Set("X-Interim", "a")
				w.WriteHeader(status)
				clear(w.Header())
			}
			w.Header().Set("Cache-Control", "max-age=60")
			io.WriteString(w, "hello")
		})
		w := &interims{sink: sink{header: make(http.Header)}}
		r, _ := http.NewRequestWithContext(context.Background(), "GET", "http://example.com/a", http.NoBody)
		r.Host = "example.com"
		t.front.ServeHTTP(w, r)
		if !slices.Equal(w.statuses, []int{102, 103, 200}) || w.fields != "aa" {
			t.Errorf("%v %q", w.statuses, w.fields)
		}
		t.want(t.hit("GET", "/a"), 200, "hello", "X-Interim", "")
	}},

	rfcCase{name: "3.3 what is shorter or longer than it says is not kept", rule: ruleComplete, run: func(t *bubbleT) {
		for _, length := range []string{"4", "6", "500000"} {
			t.handle(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", "max-age=60")
				w.Header().Set("Content-Length", length)
				io.WriteString(w, "hello")
			})
			t.miss("GET", "/"+length)
			t.miss("GET", "/"+length)
		}
	}},
	rfcCase{name: "3.3 what was broken off is not kept", rule: noRule, run: func(t *bubbleT) {
		for _, flushes := range []bool{false, true} {
			t.handle(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", "max-age=60")
				io.WriteString(w, "hel")
				if flushes {
					http.NewResponseController(w).Flush()
				}
				panic(http.ErrAbortHandler)
			})
			url := "/" + strconv.FormatBool(flushes)
			func() {
				defer func() {
					if v := recover(); v != http.ErrAbortHandler {
						t.Errorf("panic was %v", v)
					}
				}()
				t.miss("GET", url)
			}()
			t.serve()
			t.miss("GET", url)
		}
	}},
	rfcCase{name: "3.3 what is streamed is kept when it is complete", rule: noRule, run: func(t *bubbleT) {
		t.handle(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			for i := range 3 {
				fmt.Fprintf(w, "%d,", i)
				http.NewResponseController(w).Flush()
				time.Sleep(time.Second)
			}
		})
		t.want(t.miss("GET", "/a"), 200, "0,1,2,")
		t.want(t.hit("GET", "/a"), 200, "0,1,2,", "Age", "3")
	}},

	notKept("3.5 Authorization without leave", ruleAuthorization, authorized, "Cache-Control", "max-age=60"),
	notKept("3.5 Authorization and Expires", ruleAuthorization, authorized, "Expires", "Mon, 01 Jan 2001 00:00:00 GMT"),
	kept("3.5 Authorization and public", noRule, authorized, "Cache-Control", "max-age=60, public"),
	kept("3.5 Authorization and must-revalidate", noRule, authorized, "Cache-Control", "max-age=60, must-revalidate"),
	kept("3.5 Authorization and s-maxage", noRule, authorized, "Cache-Control", "s-maxage=60"),
	rfcCase{name: "3.5 who is authorized gets what is kept for all", rule: noRule, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=60")
		t.miss("GET", "/a")
		t.want(t.hit("GET", "/a", authorized...), 200, "body 1")
	}},
	rfcCase{name: "3.5 what an authorized request finds unchanged is renewed for all only with leave", rule: ruleAuthorization, run: func(t *bubbleT) {
		t.serveTagged(`"a"`, "Cache-Control", "max-age=60")
		t.miss("GET", "/a")
		time.Sleep(61 * time.Second)
		t.want(t.miss("GET", "/a", authorized...), 200, "body of \"a\"")
		t.miss("GET", "/a")
		t.hit("GET", "/a")
	}},
	rfcCase{name: "3.5 what an authorized HEAD tells is not for all", rule: ruleAuthorization, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=60", "Etag", `"a"`, "X", "all")
		t.miss("GET", "/a")
		time.Sleep(61 * time.Second)
		t.serve("Cache-Control", "max-age=60", "Etag", `"a"`, "X", "one")
		t.miss("HEAD", "/a", authorized...)
		t.want(t.miss("GET", "/a"), 200, "body 3")
	}},

	notKept("7.3 Set-Cookie", ruleSetCookie, nil, "Cache-Control", "max-age=60, public", "Set-Cookie", "a=b"),
	rfcCase{name: "7.3 Set-Cookie that is said not to be for others", rule: ruleQualified, run: func(t *bubbleT) {
		t.serve("Cache-Control", `max-age=60, no-cache="Set-Cookie"`, "Set-Cookie", "a=b")
		t.want(t.miss("GET", "/a"), 200, "body 1", "Set-Cookie", "a=b")
		t.want(t.hit("GET", "/a"), 200, "body 1", "Set-Cookie", "")
	}},
	rfcCase{name: "7.3 Set-Cookie of a 304 is for who asked, and no one else", rule: ruleSetCookie, run: func(t *bubbleT) {
		t.serveTagged(`"a"`, "Cache-Control", "max-age=60")
		t.miss("GET", "/a")
		time.Sleep(61 * time.Second)
		t.handle(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Etag", `"a"`)
			w.Header().Set("Set-Cookie", "a=b")
			w.WriteHeader(304)
		})
		t.want(t.miss("GET", "/a"), 200, "body of \"a\"", "Set-Cookie", "a=b")
		t.serveTagged(`"a"`, "Cache-Control", "max-age=60")
		t.want(t.miss("GET", "/a"), 200, "body of \"a\"", "Set-Cookie", "")
		t.want(t.hit("GET", "/a"), 200, "body of \"a\"", "Set-Cookie", "")
	}},
	rfcCase{name: "7.3 Set-Cookie of a 304 that is said not to be for others", rule: ruleQualified, run: func(t *bubbleT) {
		t.serveTagged(`"a"`, "Cache-Control", `max-age=60, no-cache="set-cookie"`)
		t.miss("GET", "/a")
		time.Sleep(61 * time.Second)
		t.handle(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Etag", `"a"`)
			w.Header().Set("Set-Cookie", "a=b")
			w.WriteHeader(304)
		})
		t.want(t.miss("GET", "/a"), 200, "body of \"a\"", "Set-Cookie", "a=b")
		t.want(t.hit("GET", "/a"), 200, "body of \"a\"", "Set-Cookie", "")
	}},
	rfcCase{name: "7.3 Set-Cookie of a HEAD is for who asked, and no one else", rule: ruleSetCookie, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=60", "Etag", `"a"`)
		t.miss("GET", "/a")
		time.Sleep(61 * time.Second)
		t.serve("Cache-Control", "max-age=60", "Etag", `"a"`, "Set-Cookie", "a=b")
		t.want(t.miss("HEAD", "/a"), 200, "", "Set-Cookie", "a=b")
		t.serve("Cache-Control", "max-age=60", "Etag", `"a"`)
		t.want(t.miss("GET", "/a"), 200, "body 3", "Set-Cookie", "")
	}},
	kept("7.3 Cookie of a request is no matter of the cache", noRule, []string{"Cookie", "a=b"}, "Cache-Control", "max-age=60"),
	rfcCase{name: "4 a request with a body is not answered by what is kept, and what answers it is not", rule: ruleBody, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=60")
		with := func(length int64, url string) {
			r, _ := http.NewRequestWithContext(context.Background(), "GET", "http://example.com"+url, strings.NewReader("q"))
			r.ContentLength = length
			before := t.count()
			t.front.ServeHTTP(httptest.NewRecorder(), r)
			if t.count() != before+1 {
				t.Errorf("the origin was not asked")
			}
		}
		for _, length := range []int64{1, -1} { // -1: chunked
			url := "/" + strconv.FormatInt(length, 10)
			with(length, url)
			t.miss("GET", url)
			with(length, url)
			t.hit("GET", url)
		}
	}},

	rfcCase{name: "4 URLs that differ have answers that differ", rule: noRule, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=60")
		for _, url := range []string{
			"/a", "/a?", "/a?b", "/a?b=", "/a?b&c", "/a?c&b", "/A", "/a/", "//a", "/a%2Fb", "/a/b", "/%61", "http://other.example/a", "http://example.com:81/a", "https://example.com/a",
		} {
			if url != "/a?" {
				t.miss("GET", url)
			}
			t.hit("GET", url)
		}
		t.hit("GET", "http://EXAMPLE.com:80/a")
		t.hit("GET", "https://example.com:443/a")
	}},
	rfcCase{name: "4 what is reused says its age", rule: ruleAgeField, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=60")
		t.miss("GET", "/a")
		time.Sleep(7 * time.Second)
		t.want(t.hit("GET", "/a"), 200, "body 1", "Age", "7")
	}},
	rfcCase{name: "4 what a handler builds an answer from is in the key", rule: ruleKeyHeaders, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=60")
		t.want(t.miss("GET", "/a", "X-Forwarded-Host", "evil.example"), 200, "body 1")
		t.want(t.miss("GET", "/a"), 200, "body 2")
		t.want(t.hit("GET", "/a", "X-Forwarded-Host", "evil.example"), 200, "body 1")
	}},
	rfcCase{name: "4 a GET with a body is asked by itself, and not kept", rule: ruleBody, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=60")
		t.miss("GET", "/a")
		inner := t.front
		t.front = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.ContentLength = 5
			inner.ServeHTTP(w, r)
		})
		t.want(t.miss("GET", "/a"), 200, "body 2")
		t.miss("GET", "/b")
		t.front = inner
		t.miss("GET", "/b")
		t.want(t.hit("GET", "/a"), 200, "body 1")
	}},
	rfcCase{name: "4 the most recent of several answers is used", rule: noRule, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=60")
		t.miss("GET", "/a")
		time.Sleep(2 * time.Second)
		t.want(t.miss("GET", "/a", "Cache-Control", "no-cache"), 200, "body 2")
		t.want(t.hit("GET", "/a"), 200, "body 2", "Age", "0")
	}},
)

// interims notes each status that is written, and what X-Interim was then.
type interims struct {
	sink

	statuses []int
	fields   string
}

func (w *interims) WriteHeader(status int) {
	w.statuses = append(w.statuses, status)
	w.fields += w.header.Get("X-Interim")
}
