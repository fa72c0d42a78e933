package httpcache

//house:sleep the cases sleep in the bubble that bubble makes

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// RFC 9111, section 4.3: validation.

const (
	monday  = "Mon, 06 Dec 1999 10:00:00 GMT"
	tuesday = "Tue, 07 Dec 1999 10:00:00 GMT"
	wednday = "Wed, 08 Dec 1999 10:00:00 GMT"
)

// sent is a case for the condition that is sent about what is stale.
func sent(name string, stored []string, ifNoneMatch, ifModifiedSince string, asked ...string) rfcCase {
	return rfcCase{name: name, rule: ruleValidate, run: func(t *bubbleT) {
		t.serve(append(stored, "Cache-Control", "max-age=60")...)
		t.miss("GET", "/a")
		time.Sleep(61 * time.Second)
		t.miss("GET", "/a", asked...)
		got := t.request().Header
		if n, s := got.Get("If-None-Match"), got.Get("If-Modified-Since"); n != ifNoneMatch || s != ifModifiedSince {
			t.Errorf("the origin was asked with %q and %q", n, s)
		}
	}}
}

// forwarded is one for a condition of the client's about what is not stored.
func forwarded(name string, condition ...string) rfcCase {
	return rfcCase{name: name, rule: noRule, run: func(t *bubbleT) {
		t.serve()
		t.miss("GET", "/a", condition...)
		if got := t.request().Header.Get(condition[0]); got != condition[1] {
			t.Errorf("the origin was asked with %q", got)
		}
	}}
}

// answered is one for a condition that what is stored answers.
func answered(name string, status int, stored []string, condition ...string) rfcCase {
	c := rfcCase{name: name, rule: noRule, run: func(t *bubbleT) {
		t.serve(append(stored, "Cache-Control", "max-age=60")...)
		t.miss("GET", "/a")
		time.Sleep(2 * time.Second)
		text := ""
		if status == 200 {
			text = "body 1"
		}
		got := t.hit("GET", "/a", condition...)
		t.want(got, status, text, "Age", "2", "Cache-Control", "max-age=60", "Date", "Sat, 01 Jan 2000 00:00:00 GMT")
		for i := 0; i < len(stored); i += 2 {
			t.want(got, status, "", stored[i], stored[i+1])
		}
		if _, has := got.Header["Content-Length"]; has && status == 304 {
			t.Errorf("a 304 with Content-Length: %v", got.Header)
		}
		t.want(t.hit("HEAD", "/a", condition...), status, "")
	}}
	if status == 304 {
		c.rule = ruleNotModified
	}
	return c
}

var _ = cases(
	sent("4.3.1 the entity tag", []string{"Etag", `"a"`}, `"a"`, ""),
	sent("4.3.1 an entity tag without quotes", []string{"Etag", `a`}, `a`, ""),
	sent("4.3.1 a weak entity tag", []string{"Etag", `W/"a"`}, `W/"a"`, ""),
	sent("4.3.1 Last-Modified", []string{"Last-Modified", monday}, "", monday),
	sent("4.3.1 both, instead of the client's", []string{"Etag", `"a"`, "Last-Modified", monday}, `"a"`, monday, "If-None-Match", `"b"`, "If-Modified-Since", tuesday),
	sent("4.3.1 the client's If-Modified-Since does not stay beside the entity tag", []string{"Etag", `"a"`}, `"a"`, "", "If-Modified-Since", tuesday),
	forwarded("4.3.1 If-None-Match where nothing is stored", "If-None-Match", `"a", W/"b"`),
	forwarded("4.3.1 If-None-Match without quotes where nothing is stored", "If-None-Match", "a"),
	forwarded("4.3.1 If-Modified-Since where nothing is stored", "If-Modified-Since", monday),
	rfcCase{name: "4.3.1 an entity tag that this cache has made itself says nothing to the origin", rule: noRule, cfg: Config{ETag: true}, run: func(t *bubbleT) {
		t.handle(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			http.ServeContent(w, r, "", must(http.ParseTime(monday)), strings.NewReader("hello"))
		})
		t.miss("GET", "/a")
		time.Sleep(61 * time.Second)
		got := t.miss("GET", "/a")
		t.want(got, 200, "hello", cacheStatusField, "seawall; fwd=stale; fwd-status=304; stored; ttl=60")
		t.want(t.hit("GET", "/a", "If-None-Match", got.Header.Get("Etag")), 304, "")
	}},

	answered("4.3.2 the entity tag is that", 304, []string{"Etag", `"a"`}, "If-None-Match", `"a"`),
	answered("4.3.2 it is another", 200, []string{"Etag", `"a"`}, "If-None-Match", `"A"`),
	answered("4.3.2 it is the first of a list", 304, []string{"Etag", `"a"`}, "If-None-Match", `"a", "b", "c"`),
	answered("4.3.2 it is the second of a list", 304, []string{"Etag", `"a"`}, "If-None-Match", `"b","a","c"`),
	answered("4.3.2 it is the last of a list", 304, []string{"Etag", `"a"`}, "If-None-Match", `"b" , "c" , "a"`),
	answered("4.3.2 it is on a second line", 304, []string{"Etag", `"a"`}, "If-None-Match", `"b"`, "If-None-Match", `"a"`),
	answered("4.3.2 it is not on a list", 200, []string{"Etag", `"a"`}, "If-None-Match", `"b", "c", "a`),
	answered("4.3.2 a weak one is compared with a strong one", 304, []string{"Etag", `"a"`}, "If-None-Match", `W/"a"`),
	answered("4.3.2 a strong one is compared with a weak one", 304, []string{"Etag", `W/"a"`}, "If-None-Match", `"a"`),
	answered("4.3.2 two weak ones", 304, []string{"Etag", `W/"a"`}, "If-None-Match", `"b", W/"a"`),
	answered("4.3.2 one with a comma", 304, []string{"Etag", `"a, b"`}, "If-None-Match", `"c", "a, b"`),
	answered("4.3.2 not a part of one with a comma", 200, []string{"Etag", `"b"`}, "If-None-Match", `"a,"b","c"`),
	answered("4.3.2 a backslash is like any other", 304, []string{"Etag", `"b"`}, "If-None-Match", `"a\", "b"`),
	answered("4.3.2 bytes beyond ASCII", 304, []string{"Etag", "\"a\xfc\""}, "If-None-Match", "\"\xfcb\", \"a\xfc\""),
	answered("4.3.2 any", 304, []string{"Etag", `"a"`}, "If-None-Match", "*"),
	answered("4.3.2 any, of what has no entity tag", 304, nil, "If-None-Match", "*"),
	answered("4.3.2 an entity tag for what has none", 200, nil, "If-None-Match", `"", ""`),
	answered("4.3.2 a 304 has what a 200 would have", 304, []string{"Etag", `"a"`, "Content-Location", "/b", "Expires", tuesday, "Vary", "X", "Last-Modified", monday}, "If-None-Match", `"a"`),
	answered("4.3.2 not modified since", 304, []string{"Last-Modified", tuesday}, "If-Modified-Since", tuesday),
	answered("4.3.2 not modified since later", 304, []string{"Last-Modified", tuesday}, "If-Modified-Since", wednday),
	answered("4.3.2 modified since", 200, []string{"Last-Modified", tuesday}, "If-Modified-Since", monday),
	answered("4.3.2 not modified since a date as in RFC 850", 304, []string{"Last-Modified", tuesday}, "If-Modified-Since", "Tuesday, 07-Dec-99 10:00:00 GMT"),
	answered("4.3.2 not modified since a date as of asctime", 304, []string{"Last-Modified", tuesday}, "If-Modified-Since", "Tue Dec  7 10:00:00 1999"),
	answered("4.3.2 since no date", 200, []string{"Last-Modified", tuesday}, "If-Modified-Since", "2001-01-01"),
	answered("4.3.2 since two dates", 200, []string{"Last-Modified", tuesday}, "If-Modified-Since", tuesday, "If-Modified-Since", tuesday),
	answered("4.3.2 without Last-Modified, Date counts", 304, nil, "If-Modified-Since", "Sat, 01 Jan 2000 00:00:00 GMT"),
	answered("4.3.2 without Last-Modified, Date counts: it is later", 200, nil, "If-Modified-Since", "Fri, 31 Dec 1999 23:59:59 GMT"),
	answered("4.3.2 If-None-Match goes before If-Modified-Since: another", 200, []string{"Etag", `"a"`, "Last-Modified", monday}, "If-None-Match", `"b"`, "If-Modified-Since", tuesday),
	answered("4.3.2 If-None-Match goes before If-Modified-Since: the same", 304, []string{"Etag", `"a"`, "Last-Modified", tuesday}, "If-None-Match", `"a"`, "If-Modified-Since", monday),

	rfcCase{name: "4.3.2 conditions are for what is stored with 200", rule: noRule, run: func(t *bubbleT) {
		for _, status := range []int{404, 301, 203} {
			t.serveStatus(status, "Cache-Control", "max-age=60", "Etag", `"a"`, "Last-Modified", monday)
			t.miss("GET", "/"+strconv.Itoa(status))
			t.want(t.hit("GET", "/"+strconv.Itoa(status), "If-None-Match", `"a"`, "If-Modified-Since", monday), status, "body "+strconv.Itoa(t.count()))
		}
	}},
	rfcCase{name: "4.3.2 conditions that are for the origin alone", rule: noRule, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=60", "Etag", `"a"`, "Last-Modified", monday)
		t.miss("GET", "/a")
		t.want(t.miss("GET", "/a", "If-Match", `"b"`), 200, "body 2")
		t.want(t.miss("GET", "/a", "If-Unmodified-Since", monday), 200, "body 3")
		t.want(t.hit("GET", "/a"), 200, "body 1")
	}},
	rfcCase{name: "4.3.2 a client's condition on what had to be renewed", rule: ruleNotModified, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=60", "Etag", `"a"`)
		t.miss("GET", "/a")
		time.Sleep(61 * time.Second)
		t.serve("Cache-Control", "max-age=60", "Etag", `"b"`)
		t.want(t.miss("GET", "/a", "If-None-Match", `"b"`), 304, "", "Etag", `"b"`)
		t.want(t.hit("GET", "/a"), 200, "body 2")
		time.Sleep(61 * time.Second)
		t.serveTagged(`"b"`, "Cache-Control", "max-age=60")
		t.want(t.miss("GET", "/a", "If-None-Match", `"a"`), 200, "body 2", "Etag", `"b"`)
		t.want(t.hit("GET", "/a", "If-None-Match", `"b"`), 304, "")
	}},
	rfcCase{name: "4.3.2 a condition that the origin does not care for", rule: ruleNotModified, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=60", "Etag", `"a"`, "Content-Length", "6")
		t.want(t.miss("GET", "/a", "If-None-Match", `"a"`), 304, "", "Content-Length", "", "Content-Type", "")
		t.want(t.hit("GET", "/a"), 200, "body 1", "Content-Length", "6")
	}},
	rfcCase{name: "4.3.2 a 304 where nothing is stored is for who asked", rule: noRule, run: func(t *bubbleT) {
		t.serveTagged(`"a"`, "Cache-Control", "max-age=60")
		t.want(t.miss("GET", "/a", "If-None-Match", `"a"`), 304, "")
		t.want(t.miss("GET", "/a"), 200, `body of "a"`)
	}},

	rfcCase{name: "4.3.3 a 304 keeps what is stored, and is not for the client", rule: ruleValidate, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=60", "Etag", `"a"`)
		t.miss("GET", "/a")
		time.Sleep(61 * time.Second)
		t.serveTagged(`"a"`, "Cache-Control", "max-age=60")
		t.want(t.miss("GET", "/a"), 200, "body 1", "Age", "0")
		t.want(t.hit("GET", "/a"), 200, "body 1")
	}},
	rfcCase{name: "4.3.3 a full answer takes its place", rule: noRule, run: func(t *bubbleT) {
		for _, status := range []int{200, 404, 410, 301} {
			url := "/" + strconv.Itoa(status)
			t.serve("Cache-Control", "max-age=60", "Etag", `"a"`)
			t.miss("GET", url)
			time.Sleep(61 * time.Second)
			t.serveStatus(status, "Cache-Control", "max-age=60")
			t.miss("GET", url)
			t.want(t.hit("GET", url), status, "body "+strconv.Itoa(t.count()), "Etag", "")
		}
	}},
	rfcCase{name: "4.3.3 a failure goes to the client if nothing may stand in, and changes nothing", rule: ruleMustRevalidate, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=60, must-revalidate", "Etag", `"a"`)
		t.miss("GET", "/a")
		time.Sleep(61 * time.Second)
		t.serveStatus(503)
		t.want(t.miss("GET", "/a"), 503, "body 2")
		t.serveTagged(`"a"`, "Cache-Control", "max-age=60")
		t.want(t.miss("GET", "/a"), 200, "body 1")
	}},
)
