package httpcache

//house:sleep the cases sleep in the bubble that bubble makes

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// old is a case about something that went stale ten seconds ago, while the origin
// answers with 503. Shown says whether it is shown all the same.
func old(name string, r rule, shown bool, fields ...string) rfcCase {
	return rfcCase{name: name, rule: r, run: func(t *bubbleT) {
		t.origin200(append([]string{"Etag", `"a"`}, fields...)...)
		t.miss("GET", "/a")
		time.Sleep(70 * time.Second)
		t.serveStatus(http.StatusServiceUnavailable)
		if got := t.miss("GET", "/a"); shown {
			t.want(got, 200, "body 1")
		} else {
			t.want(got, 503, "body 2")
		}
	}}
}

// requested is a case about what a client says of something that has been there for
// thirty seconds, and is good for a minute.
func requested(name string, r rule, again bool, fields ...string) rfcCase {
	return rfcCase{name: name, rule: r, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=60")
		t.miss("GET", "/a")
		time.Sleep(30 * time.Second)
		if again {
			t.miss("GET", "/a", fields...)
		} else {
			t.hit("GET", "/a", fields...)
		}
	}}
}

const minute = "max-age=60"

// 4.2.4: what is stale.
var _ = cases(
	old("4.2.4 what does not forbid it may be shown where the origin fails", noRule, true, "Cache-Control", minute),
	old("4.2.4 not if must-revalidate forbids it", ruleMustRevalidate, false, "Cache-Control", minute+", must-revalidate"),
	old("4.2.4 not if proxy-revalidate does", ruleProxyRevalidate, false, "Cache-Control", minute+", proxy-revalidate"),
	old("4.2.4 not if s-maxage does", ruleSharedRevalidate, false, "Cache-Control", "s-maxage=60"),
	old("4.2.4 not if no-cache does", ruleNoCache, false, "Cache-Control", minute+", no-cache"),
	old("4.2.4 not if s-maxage does, and more time is given for something else", noRule, false, "Cache-Control", "s-maxage=60, stale-while-revalidate=5"),
	old("4.2.4 s-maxage, but more time is given by name", ruleStaleError, true, "Cache-Control", "s-maxage=60, stale-if-error=30"),
	old("4.2.4 must-revalidate is stronger than that", ruleMustRevalidate, false, "Cache-Control", minute+", must-revalidate, stale-if-error=30"),
	old("4.2.4 and so is proxy-revalidate", ruleProxyRevalidate, false, "Cache-Control", minute+", proxy-revalidate, stale-if-error=30"),
	rfcCase{name: "4.2.4 while it can be asked about nothing stale is shown", rule: noRule, run: func(t *bubbleT) {
		t.serve("Cache-Control", minute)
		t.miss("GET", "/a")
		time.Sleep(61 * time.Second)
		t.want(t.miss("GET", "/a"), 200, "body 2")
	}},
	rfcCase{name: "4.2.4 also not at once, if must-revalidate forbids it", rule: ruleMustRevalidate, run: func(t *bubbleT) {
		t.serve("Cache-Control", minute+", must-revalidate, stale-while-revalidate=600", "Etag", `"a"`)
		t.miss("GET", "/a")
		time.Sleep(70 * time.Second)
		t.want(t.miss("GET", "/a"), 200, "body 2")
	}},
	rfcCase{name: "4.2.4 nor by a client's wish", rule: noRule, run: func(t *bubbleT) {
		for i, control := range []string{
			minute + ", must-revalidate", minute + ", proxy-revalidate", "s-maxage=60", "s-maxage=60, stale-if-error=600", "s-maxage=60, stale-while-revalidate=5", minute + ", no-cache",
		} {
			url := "/" + strconv.Itoa(i)
			t.serve("Cache-Control", control, "Etag", `"a"`)
			t.miss("GET", url)
			time.Sleep(70 * time.Second)
			t.miss("GET", url, "Cache-Control", "max-stale=3600")
		}
	}},
)

// 5.2.1: what requests say.
var _ = cases(
	requested("5.2.1.1 max-age", ruleRequestMaxAge, true, "Cache-Control", "max-age=29"),
	requested("5.2.1.1 max-age=0", ruleRequestMaxAge, true, "Cache-Control", "max-age=0"),
	requested("5.2.1.1 max-age that is old enough", noRule, false, "Cache-Control", "max-age=30"),
	rfcCase{name: "5.2.1.1 max-age and an Age it came with", rule: ruleRequestMaxAge, run: func(t *bubbleT) {
		t.serve("Cache-Control", hour, "Age", "1800")
		t.miss("GET", "/a")
		time.Sleep(2 * time.Second)
		t.hit("GET", "/a", "Cache-Control", "max-age=1900")
		t.miss("GET", "/a", "Cache-Control", "max-age=600")
	}},
	rfcCase{name: "5.2.1.1 max-age alone does not want what is stale", rule: noRule, run: func(t *bubbleT) {
		t.serve("Cache-Control", minute)
		t.miss("GET", "/a")
		time.Sleep(70 * time.Second)
		t.miss("GET", "/a", "Cache-Control", "max-age=3600")
	}},
	rfcCase{name: "5.2.1.2 max-stale", rule: ruleRequestMaxStale, run: func(t *bubbleT) {
		t.serve("Cache-Control", minute)
		t.miss("GET", "/a")
		time.Sleep(70 * time.Second)
		t.want(t.hit("GET", "/a", "Cache-Control", "max-stale=10"), 200, "body 1", "Age", "70")
		t.want(t.hit("GET", "/a", "Cache-Control", "max-stale"), 200, "body 1", "Age", "70")
		t.miss("GET", "/a", "Cache-Control", "max-stale=9")
	}},
	rfcCase{name: "5.2.1.2 a max-stale that is none", rule: noRule, run: func(t *bubbleT) {
		for i, arg := range []string{"max-stale=x", "max-stale=", "max-stale=-1", "max-stale=3600, max-stale=1", "max-stale=1, max-stale"} {
			url := "/" + strconv.Itoa(i)
			t.serve("Cache-Control", minute)
			t.miss("GET", url)
			time.Sleep(70 * time.Second)
			t.miss("GET", url, "Cache-Control", arg)
		}
	}},
	requested("5.2.1.3 min-fresh", ruleRequestMinFresh, true, "Cache-Control", "min-fresh=31"),
	requested("5.2.1.3 min-fresh that is left", noRule, false, "Cache-Control", "min-fresh=30"),
	rfcCase{name: "5.2.1.3 min-fresh and an Age it came with", rule: ruleRequestMinFresh, run: func(t *bubbleT) {
		t.serve("Cache-Control", hour, "Age", "2600")
		t.miss("GET", "/a")
		t.hit("GET", "/a", "Cache-Control", "min-fresh=1001") // younger than MinReload
		time.Sleep(time.Second)
		t.hit("GET", "/a", "Cache-Control", "min-fresh=999")
		t.miss("GET", "/a", "Cache-Control", "min-fresh=1000")
	}},
	requested("5.2.1.4 no-cache", ruleRequestNoCache, true, "Cache-Control", "no-cache"),
	requested("5.2.1.4 No-Cache, among others", ruleRequestNoCache, true, "Cache-Control", "x=1, No-Cache"),
	rfcCase{name: "5.2.1.4 a 304 is enough", rule: ruleRequestNoCache, run: func(t *bubbleT) {
		t.serve("Cache-Control", minute, "Etag", `"a"`)
		t.miss("GET", "/a")
		time.Sleep(30 * time.Second)
		t.serveStatus(http.StatusNotModified, "Cache-Control", minute, "Etag", `"a"`)
		t.want(t.miss("GET", "/a", "Cache-Control", "no-cache"), 200, "body 1")
		if got := t.request().Header.Get("If-None-Match"); got != `"a"` {
			t.Errorf("the origin was asked about %q", got)
		}
		time.Sleep(50 * time.Second)
		t.hit("GET", "/a")
	}},
	rfcCase{name: "5.2.1.4 what is new is shown to the next", rule: ruleRequestNoCache, run: func(t *bubbleT) {
		t.serve("Cache-Control", minute)
		t.miss("GET", "/a")
		time.Sleep(30 * time.Second)
		t.want(t.miss("GET", "/a", "Cache-Control", "no-cache"), 200, "body 2")
		t.want(t.hit("GET", "/a"), 200, "body 2")
	}},
	rfcCase{name: "5.2.1.5 no-store: no part of the answer is kept", rule: ruleRequestNoStore, run: func(t *bubbleT) {
		t.serve("Cache-Control", minute)
		t.miss("GET", "/a", "Cache-Control", "no-store")
		t.miss("GET", "/a", "Cache-Control", "No-Store, max-age=1")
		t.want(t.miss("GET", "/a"), 200, "body 3")
		t.hit("GET", "/a")
	}},
	rfcCase{name: "5.2.1.5 what is there already may be shown", rule: noRule, run: func(t *bubbleT) {
		t.serve("Cache-Control", minute)
		t.miss("GET", "/a")
		t.want(t.hit("GET", "/a", "Cache-Control", "no-store"), 200, "body 1")
	}},
	rfcCase{name: "5.2.1.6 no-transform: nothing is ever transformed", rule: noRule, run: func(t *bubbleT) {
		t.serve("Cache-Control", minute+", no-transform", "Content-Encoding", "gzip", "Content-Type", "text/plain")
		t.miss("GET", "/a", "Cache-Control", "no-transform")
		t.want(t.hit("GET", "/a", "Cache-Control", "no-transform"), 200, "body 1", "Content-Encoding", "gzip", "Content-Type", "text/plain", "Cache-Control", minute+", no-transform")
	}},
	rfcCase{name: "5.2.1.7 only-if-cached", rule: ruleOnlyIfCached, run: func(t *bubbleT) {
		t.serve("Cache-Control", minute)
		if got := t.counted(0, "GET", "/a", []string{"Cache-Control", "only-if-cached"}); got.StatusCode != http.StatusGatewayTimeout {
			t.Errorf("got %d", got.StatusCode)
		}
		t.miss("GET", "/a")
		t.want(t.hit("GET", "/a", "Cache-Control", "Only-If-Cached"), 200, "body 1")
		time.Sleep(70 * time.Second)
		if got := t.counted(0, "GET", "/a", []string{"Cache-Control", "only-if-cached"}); got.StatusCode != http.StatusGatewayTimeout {
			t.Errorf("stale: got %d", got.StatusCode)
		}
		t.want(t.hit("GET", "/a", "Cache-Control", "only-if-cached, max-stale"), 200, "body 1")
	}},
	rfcCase{name: "5.2 what a client says goes on to the origin", rule: noRule, run: func(t *bubbleT) {
		t.serve("Cache-Control", minute)
		t.miss("GET", "/a", "Cache-Control", "no-cache, ext=1")
		if got := t.request().Header.Get("Cache-Control"); got != "no-cache, ext=1" {
			t.Errorf("the origin saw %q", got)
		}
	}},
	requested("5.2.3 what nobody knows is ignored", noRule, false, "Cache-Control", `ext, ext="no-cache, max-age=0", xno-cache, max-age-x=0`),
	requested("5.4 Pragma", ruleRequestNoCache, true, "Pragma", "no-cache"),
	requested("5.4 Pragma, in any case, among others", ruleRequestNoCache, true, "Pragma", "x=1, No-Cache"),
	requested("5.4 Pragma is not heard where there is Cache-Control", noRule, false, "Pragma", "no-cache", "Cache-Control", "max-age=3600"),
	requested("5.4 other pragmas", noRule, false, "Pragma", "nothing"),
	reuse("5.4 Pragma of an answer says nothing", noRule, "Pragma", "no-cache", "Cache-Control", hour),
)

// 5.2.2: what answers say.
var _ = cases(
	reuse("5.2.2.1 max-age", ruleMaxAge, "Cache-Control", hour),
	noReuse("5.2.2.1 max-age=0", noRule, "Cache-Control", "max-age=0"),
	noReuse("5.2.2.1 max-age and Age", ruleAge, "Cache-Control", hour, "Age", "3600"),
	reuse("5.2.2.2 must-revalidate, fresh", noRule, "Cache-Control", hour+", must-revalidate"),
	rfcCase{name: "5.2.2.2 must-revalidate, stale: asked about", rule: ruleMustRevalidate, run: func(t *bubbleT) {
		t.serve("Cache-Control", minute+", Must-Revalidate", "Etag", `"a"`)
		t.miss("GET", "/a")
		time.Sleep(70 * time.Second)
		t.serveStatus(http.StatusNotModified, "Etag", `"a"`)
		t.want(t.miss("GET", "/a"), 200, "body 1")
		time.Sleep(70 * time.Second)
		t.serveStatus(http.StatusBadGateway)
		t.want(t.miss("GET", "/a"), 502, "body 3")
	}},
	noReuse("5.2.2.3 must-understand, and a status that nobody knows", ruleMustUnderstand, "Cache-Control", hour+", must-understand", ":status", "299"),
	reuse("5.2.2.3 must-understand, and one that is known", noRule, "Cache-Control", hour+", must-understand", ":status", "203"),
	reuse("5.2.2.3 must-understand before no-store", ruleMustUnderstand, "Cache-Control", hour+", must-understand, no-store"),
	noReuse("5.2.2.3 must-understand and private", rulePrivate, "Cache-Control", hour+", must-understand, private"),
	noReuse("5.2.2.4 no-cache", ruleNoCache, "Cache-Control", hour+", no-cache", "Etag", `"a"`),
	noReuse("5.2.2.4 No-Cache on a line of its own", ruleNoCache, "Cache-Control", hour, "Cache-Control", "No-CaChE", "Etag", `"a"`),
	noReuse("5.2.2.4 no-cache with what is not the name of a field", ruleNoCache, "Cache-Control", hour+`, no-cache="a b"`, "Etag", `"a"`),
	rfcCase{name: "5.2.2.4 no-cache may be kept and asked about", rule: ruleNoCache, run: func(t *bubbleT) {
		t.serve("Cache-Control", hour+", no-cache", "Etag", `"a"`)
		t.miss("GET", "/a")
		t.serveStatus(http.StatusNotModified, "Etag", `"a"`)
		t.want(t.miss("GET", "/a"), 200, "body 1")
		t.want(t.miss("GET", "/a"), 200, "body 1")
	}},
	rfcCase{name: "5.2.2.4 no-cache with names: those fields are not shown", rule: ruleQualified, run: func(t *bubbleT) {
		for i, arg := range []string{`no-cache="x-a, X-B"`, `No-Cache="X-B,x-A"`, `no-cache=x-a, no-cache=x-b`} {
			url := "/" + strconv.Itoa(i)
			t.serve("Cache-Control", hour+", "+arg, "X-A", "1", "X-B", "2", "X-C", "3")
			t.want(t.miss("GET", url), 200, "body "+strconv.Itoa(i+1), "X-A", "1", "X-B", "2", "X-C", "3")
			t.want(t.hit("GET", url), 200, "body "+strconv.Itoa(i+1), "X-A", "", "X-B", "", "X-C", "3")
		}
	}},
	noReuse("5.2.2.4 no-cache with names and without", ruleNoCache, "Cache-Control", hour+`, no-cache="x-a", no-cache`, "Etag", `"a"`),
	noReuse("5.2.2.5 no-store", ruleNoStore, "Cache-Control", hour+", no-store"),
	noReuse("5.2.2.5 No-StOrE", ruleNoStore, "Cache-Control", "No-StOrE, "+hour),
	noReuse("5.2.2.5 no-store on a line of its own", ruleNoStore, "Cache-Control", "no-store", "Cache-Control", hour),
	noReuse("5.2.2.5 no-store with an argument", ruleNoStore, "Cache-Control", hour+", no-store=x"),
	noReuse("5.2.2.5 no-store and Expires", ruleNoStore, "Cache-Control", "no-store", "Expires", "@1h"),
	noReuse("5.2.2.5 no-store behind what does not end", ruleNoStore, "Cache-Control", hour+`, x="y, no-store`),
	noReuse("5.2.2.5 no-store behind a semicolon", ruleNoStore, "Expires", "@1h", "Cache-Control", "public; no-store"),
	rfcCase{name: "5.2.2.5 no-store: nothing of it is asked about later", rule: ruleNoStore, run: func(t *bubbleT) {
		t.serve("Cache-Control", hour+", no-store", "Etag", `"a"`)
		t.miss("GET", "/a")
		t.miss("GET", "/a")
		if got := t.request().Header.Get("If-None-Match"); got != "" {
			t.Errorf("the origin was asked about %q", got)
		}
	}},
	noReuse("5.2.2.7 private", rulePrivate, "Cache-Control", hour+", private"),
	noReuse("5.2.2.7 PrIvAtE", rulePrivate, "Cache-Control", "PrIvAtE", "Expires", "@1h"),
	noReuse("5.2.2.7 private with what is not the name of a field", rulePrivate, "Cache-Control", hour+`, private="a b"`),
	noReuse("5.2.2.7 private with nothing", rulePrivate, "Cache-Control", hour+`, private=""`),
	noReuse("5.2.2.7 private and s-maxage", rulePrivate, "Cache-Control", "s-maxage=3600, private"),
	rfcCase{name: "5.2.2.7 private with names: those fields are not kept", rule: ruleQualified, run: func(t *bubbleT) {
		t.serve("Cache-Control", hour+`, private="x-a"`, "X-A", "1", "X-C", "3")
		t.want(t.miss("GET", "/a"), 200, "body 1", "X-A", "1", "X-C", "3")
		t.want(t.hit("GET", "/a"), 200, "body 1", "X-A", "", "X-C", "3")
	}},
	reuse("5.2.2.8 proxy-revalidate, fresh", noRule, "Cache-Control", hour+", proxy-revalidate"),
	rfcCase{name: "5.2.2.9 public: also where the request was authorized", rule: noRule, run: func(t *bubbleT) {
		t.serve("Cache-Control", hour+", public")
		t.miss("GET", "/a", "Authorization", "Basic x")
		t.hit("GET", "/a")
		t.serve("Cache-Control", hour)
		t.miss("GET", "/b", "Authorization", "Basic x")
		t.miss("GET", "/b")
	}},
	reuse("5.2.2.10 s-maxage", ruleSharedMaxAge, "Cache-Control", "s-maxage=3600"),
	reuse("5.2.2.10 S-MaxAge, quoted", ruleSharedMaxAge, "Cache-Control", `S-MaxAge="3600"`),
	noReuse("5.2.2.10 s-maxage that is none", ruleSharedMaxAge, "Cache-Control", "s-maxage=x, max-age=3600"),
	rfcCase{name: "5.2.2.10 s-maxage: also where the request was authorized", rule: noRule, run: func(t *bubbleT) {
		t.serve("Cache-Control", "s-maxage=60")
		t.miss("GET", "/a", "Authorization", "Basic x")
		t.hit("GET", "/a")
	}},
	reuse("5.2.3 what nobody knows is ignored", noRule, "Cache-Control", "foobar, "+hour+", ext=1, Ext"),
	reuse("5.2.3 what looks like another is none", ruleMaxAge, "Cache-Control", `xmax-age=0, max-agex=0, max-age-x=0, xs-maxage=0, no-storex, xprivate, ext="no-store", ext='private', `+hour),
	noReuse("5.2.3 nor if it stands within quotes", noRule, "Cache-Control", `ext="max-age=3600"`),
	noReuse("5.2.3 nor behind a comma there", noRule, "Cache-Control", `max-age=1, ext="a, max-age=3600", ext="\", s-maxage=3600"`, "Age", "100"),
	reuse("5.2.3 quotes do not hide what is behind them", ruleMaxAge, "Cache-Control", `ext="no-store, max-age=0", `+hour),
	rfcCase{name: "5.2 what an answer says goes on to the client", rule: noRule, run: func(t *bubbleT) {
		const all = `max-age=60, ext="a, b", no-transform, immutable`
		t.serve("Cache-Control", all, "Cache-Control", "x=1", "Pragma", "y")
		for range 2 {
			if got := t.ask("GET", "/a"); strings.Join(got.Header["Cache-Control"], "|") != all+"|x=1" || got.Header.Get("Pragma") != "y" {
				t.Errorf("got %q", got.Header["Cache-Control"])
			}
		}
	}},
)
