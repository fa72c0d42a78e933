package httpcache

//house:sleep the cases sleep in the bubble that bubble makes

import (
	"net/http"
	"strconv"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
)

// RFC 5861: stale-while-revalidate and stale-if-error; with RFC 9111, 4.2.4 on what
// forbids stale answers.

// standing is a case for an answer that is stored, after which the origin fails, some
// seconds later: the answer stands in for that, or not.
func standing(name string, r rule, cfg Config, standsIn bool, control string, later int, status int, fields ...string) rfcCase {
	return rfcCase{name: name, rule: r, cfg: cfg, run: func(t *bubbleT) {
		t.serve("Cache-Control", control, "Etag", `"a"`)
		t.miss("GET", "/a")
		time.Sleep(time.Duration(later) * time.Second)
		t.serveStatus(status, fields...)
		got := t.miss("GET", "/a")
		if !standsIn {
			t.want(got, status, "body 2")
			return
		}
		t.want(got, 200, "body 1", "Warning", "", "X-Failure", "", "Retry-After", "")
		if age := got.Header.Get("Age"); age == "" || age == "0" {
			t.Errorf("Age is %q", age)
		}
	}}
}

var never = Config{StaleIfError: seawall.Off}

var _ = cases(
	rfcCase{name: "5861 3 stale-while-revalidate shows what is stale at once, and renews it once", rule: ruleStaleRevalidate, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=60, stale-while-revalidate=30")
		t.miss("GET", "/a")
		time.Sleep(65 * time.Second)
		t.handle(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second)
			w.Header().Set("Cache-Control", "max-age=60")
			w.Write([]byte("new"))
		})
		began := time.Now()
		for range 5 {
			t.want(t.ask("GET", "/a"), 200, "body 1", "Age", "65", "Warning", "")
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("they waited %v", took)
		}
		time.Sleep(2 * time.Second)
		t.want(t.hit("GET", "/a"), 200, "new", "Age", "2")
		if n := t.count(); n != 2 {
			t.Errorf("the origin was asked %d times", n)
		}
	}},
	rfcCase{name: "5861 3 what is stale from the first and cannot be asked about is kept for that", rule: ruleStaleRevalidate, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=0, stale-while-revalidate=30")
		t.miss("GET", "/a")
		time.Sleep(time.Second)
		t.want(t.ask("GET", "/a"), 200, "body 1", "Age", "1")
		synctest.Wait()
		t.want(t.ask("GET", "/a"), 200, "body 2", "Age", "0")
	}},
	rfcCase{name: "5861 4 or for when its origin fails", rule: ruleStaleError, cfg: never, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=0, stale-if-error=30")
		t.miss("GET", "/a")
		time.Sleep(time.Second)
		t.serveStatus(503)
		t.want(t.ask("GET", "/a"), 200, "body 1", "Age", "1")
	}},
	rfcCase{name: "5861 3 after its end what is stale is not shown any more", rule: noRule, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=60, stale-while-revalidate=30")
		t.miss("GET", "/a")
		time.Sleep(90 * time.Second)
		t.want(t.miss("GET", "/a"), 200, "body 2")
	}},
	rfcCase{name: "5861 3 the renewal asks by the validators, and a 304 will do", rule: ruleStaleRevalidate, run: func(t *bubbleT) {
		t.serveTagged(`"a"`, "Cache-Control", "max-age=60, stale-while-revalidate=30")
		t.miss("GET", "/a")
		time.Sleep(61 * time.Second)
		t.want(t.ask("GET", "/a"), 200, `body of "a"`, "Age", "61")
		synctest.Wait()
		if r := t.request(); r.Header.Get("If-None-Match") != `"a"` {
			t.Errorf("the origin was asked with %v", r.Header)
		}
		t.want(t.hit("GET", "/a"), 200, `body of "a"`, "Age", "0")
	}},
	rfcCase{name: "5861 3 a renewal that fails leaves what there is", rule: ruleStaleRevalidate, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=60, stale-while-revalidate=30")
		t.miss("GET", "/a")
		text := "body 1"
		for _, wrong := range []http.HandlerFunc{
			func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) },
			func(http.ResponseWriter, *http.Request) { panic("down") },
		} {
			time.Sleep(61 * time.Second)
			t.handle(wrong)
			t.want(t.ask("GET", "/a"), 200, text)
			synctest.Wait()
			t.want(t.hit("GET", "/a"), 200, text) // not tried again at once
			time.Sleep(10 * time.Second)
			t.serve("Cache-Control", "max-age=60, stale-while-revalidate=30")
			t.want(t.ask("GET", "/a"), 200, text)
			synctest.Wait()
			text = "body " + strconv.Itoa(t.count())
			t.want(t.hit("GET", "/a"), 200, text)
		}
	}},
	rfcCase{name: "5861 3 who demands what is fresh gets it", rule: noRule, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=60, stale-while-revalidate=30")
		t.miss("GET", "/a")
		time.Sleep(61 * time.Second)
		t.want(t.miss("GET", "/a", "Cache-Control", "no-cache"), 200, "body 2")
		time.Sleep(61 * time.Second)
		t.want(t.miss("GET", "/a", "Cache-Control", "min-fresh=1"), 200, "body 3")
	}},
	rfcCase{name: "5861 3 StaleWhileRevalidate for what does not say", rule: noRule, cfg: Config{StaleWhileRevalidate: 30 * time.Second}, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=60")
		t.miss("GET", "/a")
		t.serve("Cache-Control", "max-age=60, stale-while-revalidate=0")
		t.miss("GET", "/b")
		time.Sleep(61 * time.Second)
		t.want(t.ask("GET", "/a"), 200, "body 1")
		synctest.Wait()
		t.want(t.miss("GET", "/b"), 200, "body 4")
	}},

	standing("5861 4 stale-if-error", ruleStaleError, never, true, "max-age=60, stale-if-error=30", 89, 500, "X-Failure", "a"),
	standing("5861 4 stale-if-error: 502", ruleStaleError, never, true, "max-age=60, stale-if-error=30", 61, 502, "X-Failure", "a"),
	standing("5861 4 stale-if-error: 503", ruleStaleError, never, true, "max-age=60, stale-if-error=30", 61, 503, "Retry-After", "9"),
	standing("5861 4 stale-if-error: 504", ruleStaleError, never, true, "max-age=60, stale-if-error=30", 61, 504),
	standing("5861 4 after its end", noRule, never, false, "max-age=60, stale-if-error=30", 91, 503),
	standing("5861 4 stale-if-error=0 goes before StaleIfError", ruleStaleError, Config{}, false, "max-age=60, stale-if-error=0", 61, 503),
	standing("5861 4 StaleIfError for what does not say", noRule, Config{}, true, "max-age=60", 61, 503),
	standing("5861 4 StaleIfError: after its end", noRule, Config{StaleIfError: time.Minute}, false, "max-age=60", 121, 503),
	standing("5861 4 StaleIfError: off", noRule, never, false, "max-age=60", 61, 503),
	standing("5861 4 what is no failure", noRule, Config{}, false, "max-age=60, stale-if-error=60", 61, 404),
	standing("5861 4 what is no failure of the origin's", noRule, Config{}, false, "max-age=60, stale-if-error=60", 61, 501),
	standing("5861 4 what a middleware within refuses", noRule, Config{}, true, "max-age=60", 61, 429, seawall.ReasonHeader, "rate_limited"),
	standing("9111 4.2.4 must-revalidate forbids", ruleMustRevalidate, Config{}, false, "max-age=60, must-revalidate", 61, 503),
	standing("9111 4.2.4 must-revalidate goes before stale-if-error", ruleMustRevalidate, Config{}, false, "max-age=60, must-revalidate, stale-if-error=60", 61, 503),
	standing("9111 4.2.4 proxy-revalidate forbids", ruleProxyRevalidate, Config{}, false, "max-age=60, proxy-revalidate", 61, 503),
	standing("9111 4.2.4 s-maxage forbids", ruleSharedRevalidate, Config{}, false, "s-maxage=60", 61, 503),
	standing("9111 4.2.4 no-cache forbids", ruleNoCache, Config{}, false, "max-age=60, no-cache", 1, 503),
	rfcCase{name: "5861 4 a connection that breaks off is a failure for who comes after", rule: noRule, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=60")
		t.miss("GET", "/a")
		time.Sleep(61 * time.Second)
		t.handle(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		func() {
			defer func() {
				if v := recover(); v != http.ErrAbortHandler {
					t.Errorf("the panic is %v", v)
				}
			}()
			t.ask("GET", "/a")
		}()
		t.serveStatus(503)
		t.want(t.ask("GET", "/a"), 200, "body 1")
	}},
	rfcCase{name: "5861 4 it is fresh again as soon as the origin is well", rule: ruleStaleError, cfg: never, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=60, stale-if-error=300")
		t.miss("GET", "/a")
		time.Sleep(61 * time.Second)
		t.serveStatus(503)
		t.want(t.miss("GET", "/a"), 200, "body 1", "Age", "61")
		t.want(t.hit("GET", "/a"), 200, "body 1", "Age", "61") // ErrorPause
		time.Sleep(2 * time.Second)
		t.serve("Cache-Control", "max-age=60")
		t.want(t.miss("GET", "/a"), 200, "body 3", "Age", "")
	}},
	rfcCase{name: "5861 4 HEAD, ranges and conditions, too", rule: ruleStaleError, cfg: never, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=60, stale-if-error=300", "Etag", `"a"`)
		t.miss("GET", "/a")
		time.Sleep(61 * time.Second)
		t.serveStatus(503)
		t.want(t.ask("HEAD", "/a"), 200, "", "Etag", `"a"`)
		time.Sleep(2 * time.Second)
		t.want(t.ask("GET", "/a", "If-None-Match", `"a"`), 304, "")
		time.Sleep(2 * time.Second)
		t.want(t.ask("GET", "/a", "Range", "bytes=0-3"), 206, "body")
	}},
)
