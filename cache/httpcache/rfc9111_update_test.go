package httpcache

//house:sleep the cases sleep in the bubble that bubble makes

import (
	"net/http"
	"time"
)

// RFC 9111, sections 3.2, 4.3.4 and 4.3.5: what a 304 and the answer to a HEAD
// change in what is stored.

// renewed is a case for what is stored with some fields, and a 304 that comes with
// others: what the first and a second client see then.
func renewed(name string, r rule, stored, fields []string, want ...string) rfcCase {
	return rfcCase{name: name, rule: r, run: func(t *bubbleT) {
		t.serve(append([]string{"Cache-Control", "max-age=60", "Etag", `"a"`}, stored...)...)
		t.miss("GET", "/a")
		time.Sleep(61 * time.Second)
		t.notModified(fields...)
		t.want(t.miss("GET", "/a"), 200, "body 1", want...)
		t.want(t.hit("GET", "/a"), 200, "body 1", want...)
	}}
}

// notModified makes the origin answer with a 304, whatever it is asked.
func (t *bubbleT) notModified(fields ...string) {
	t.handle(func(w http.ResponseWriter, r *http.Request) {
		add(w.Header(), fields)
		w.WriteHeader(http.StatusNotModified)
	})
}

// headed is one for the answer to a HEAD; after it the stored response is fresh, or
// not.
func headed(name string, r rule, fresh bool, stored, fields []string, want ...string) rfcCase {
	return rfcCase{name: name, rule: r, run: func(t *bubbleT) {
		t.serve(append([]string{"Cache-Control", "max-age=60"}, stored...)...)
		t.miss("GET", "/a")
		time.Sleep(61 * time.Second)
		t.serve(fields...)
		t.want(t.miss("HEAD", "/a"), 200, "")
		if fresh {
			t.want(t.hit("GET", "/a"), 200, "body 1", want...)
			return
		}
		t.want(t.miss("GET", "/a"), 200, "body 3", want...)
	}}
}

var tagged = []string{"Etag", `"a"`}

var _ = cases(
	renewed("4.3.4 fields of the 304 take the place of those stored", ruleUpdate,
		[]string{"Test-Header", "1", "Expires", monday, "X-Frame-Options", "deny", "Content-Security-Policy", "a"},
		[]string{"Cache-Control", "max-age=30", "Test-Header", "2", "Expires", tuesday, "X-Frame-Options", "sameorigin", "Content-Security-Policy", "b", "New", "3", "Date", "Sat, 01 Jan 2000 00:01:01 GMT"},
		"Cache-Control", "max-age=30", "Test-Header", "2", "Expires", tuesday, "X-Frame-Options", "sameorigin", "Content-Security-Policy", "b", "New", "3",
		"Etag", `"a"`, "Age", "0", "Date", "Sat, 01 Jan 2000 00:01:01 GMT", "Content-Length", "6"),
	renewed("4.3.4 fields that the 304 has not stay", noRule, []string{"Test-Header", "1", "Last-Modified", monday, "Content-Type", "a/b"}, nil,
		"Cache-Control", "max-age=60", "Test-Header", "1", "Last-Modified", monday, "Content-Type", "a/b", "Etag", `"a"`),
	renewed("3.2 fields that tell of the body stay", noRule, []string{"Content-Encoding", "a"}, []string{"Content-Encoding", "b", "Content-Length", "4711", "Content-Range", "bytes 0-4/5"},
		"Content-Encoding", "a", "Content-Length", "6", "Content-Range", ""),
	renewed("3.1 fields of the connection of the 304", ruleHopByHop, nil, []string{"Connection", "x-hop", "X-Hop", "a", "Keep-Alive", "b", "Etag", `"a"`},
		"Etag", `"a"`),
	renewed("4.3.4 the same entity tag", noRule, nil, tagged, "Etag", `"a"`),
	renewed("4.3.4 the same one, weak", noRule, nil, []string{"Etag", `W/"a"`}, "Etag", `W/"a"`),
	renewed("4.3.4 a targeted field in the 304", ruleTargeted, []string{"CDN-Cache-Control", "max-age=5"}, []string{"CDN-Cache-Control", "max-age=90", "Cache-Control", "max-age=0"}),
	renewed("4.3.4 the field for this cache alone is remembered", ruleTargeted, []string{"Seawall-Cache-Control", "max-age=60", "Cache-Control", "no-store"}, nil, "Seawall-Cache-Control", ""),
	renewed("4.3.4 the field for this cache alone in the 304", ruleTargeted, nil, []string{"Seawall-Cache-Control", "max-age=60", "Cache-Control", "no-store"}, "Seawall-Cache-Control", ""),

	rfcCase{name: "4.3.4 fields of the connection of the 304 are not shown to others", rule: ruleHopByHop, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=60", "Etag", `"a"`)
		t.miss("GET", "/a")
		time.Sleep(61 * time.Second)
		t.notModified("Connection", "x-hop", "X-Hop", "a", "Keep-Alive", "b")
		t.miss("GET", "/a")
		t.want(t.hit("GET", "/a"), 200, "body 1", "Connection", "", "X-Hop", "", "Keep-Alive", "")
	}},
	rfcCase{name: "4.3.4 the new lifetime counts from the 304", rule: ruleUpdate, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=60", "Etag", `"a"`)
		t.miss("GET", "/a")
		time.Sleep(61 * time.Second)
		t.notModified("Cache-Control", "max-age=100")
		t.miss("GET", "/a")
		time.Sleep(99 * time.Second)
		t.want(t.hit("GET", "/a"), 200, "body 1", "Age", "99")
		time.Sleep(2 * time.Second)
		t.miss("GET", "/a")
	}},
	rfcCase{name: "4.3.4 Age of the 304 counts", rule: ruleAge, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=60", "Etag", `"a"`)
		t.miss("GET", "/a")
		time.Sleep(61 * time.Second)
		t.notModified("Age", "50")
		t.want(t.miss("GET", "/a"), 200, "body 1", "Age", "50")
		t.want(t.hit("GET", "/a"), 200, "body 1", "Age", "50")
		time.Sleep(11 * time.Second)
		t.miss("GET", "/a")
	}},
	rfcCase{name: "4.3.4 a 304 about something else is none", rule: ruleOtherValidator, run: func(t *bubbleT) {
		for _, tag := range []string{`"b"`, `W/"b"`} {
			t.serve("Cache-Control", "max-age=60", "Etag", `"a"`)
			t.miss("GET", "/"+tag)
			time.Sleep(61 * time.Second)
			t.handle(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Etag", tag)
				w.Header().Set("Cache-Control", "max-age=60")
				if r.Header.Get("If-None-Match") != "" {
					w.WriteHeader(304)
					return
				}
				w.Write([]byte("new"))
			})
			t.want(t.ask("GET", "/"+tag), 200, "new", "Etag", tag)
			t.want(t.hit("GET", "/"+tag), 200, "new", "Etag", tag)
		}
	}},
	rfcCase{name: "4.3.4 a strong tag for what has none", rule: ruleOtherValidator, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=60", "Last-Modified", monday)
		t.miss("GET", "/a")
		time.Sleep(61 * time.Second)
		t.handle(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Etag", `"a"`)
			if r.Header.Get("If-Modified-Since") != "" {
				w.WriteHeader(304)
				return
			}
			w.Write([]byte("new"))
		})
		t.want(t.ask("GET", "/a"), 200, "new")
	}},
	rfcCase{name: "4.3.4 by Last-Modified", rule: ruleUpdate, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=60", "Last-Modified", monday, "X", "1")
		t.miss("GET", "/a")
		time.Sleep(61 * time.Second)
		t.notModified("X", "2")
		t.want(t.miss("GET", "/a"), 200, "body 1", "X", "2")
		t.want(t.hit("GET", "/a"), 200, "body 1", "X", "2", "Last-Modified", monday)
	}},
	rfcCase{name: "4.3.4 a 304 that forbids to keep", rule: ruleNoStore, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=60", "Etag", `"a"`)
		t.miss("GET", "/a")
		time.Sleep(61 * time.Second)
		t.notModified("Cache-Control", "no-store")
		t.want(t.miss("GET", "/a"), 200, "body 1")
		t.serve()
		t.want(t.miss("GET", "/a"), 200, "body 3")
		if r := t.request(); r.Header["If-None-Match"] != nil {
			t.Errorf("it was kept: %v", r.Header)
		}
	}},
	rfcCase{name: "4.3.4 a 304 that makes it private", rule: rulePrivate, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=60", "Etag", `"a"`)
		t.miss("GET", "/a")
		time.Sleep(61 * time.Second)
		t.notModified("Cache-Control", "private, max-age=60", "X", "mine")
		t.want(t.miss("GET", "/a"), 200, "body 1", "X", "mine")
		t.serve()
		t.want(t.miss("GET", "/a"), 200, "body 3", "X", "")
	}},
	rfcCase{name: "4.3.4 a 304 that makes one field private", rule: ruleQualified, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=60", "Etag", `"a"`, "X", "1")
		t.miss("GET", "/a")
		time.Sleep(61 * time.Second)
		t.notModified("Cache-Control", `private="x", max-age=60`, "X", "2")
		t.want(t.miss("GET", "/a"), 200, "body 1", "X", "2")
		t.want(t.hit("GET", "/a"), 200, "body 1", "X", "")
	}},
	rfcCase{name: "4.3.4 no-store of the request holds for a 304, too", rule: ruleRequestNoStore, run: func(t *bubbleT) {
		t.serveTagged(`"a"`, "Cache-Control", "max-age=60")
		t.miss("GET", "/a")
		time.Sleep(61 * time.Second)
		t.miss("GET", "/a", "Cache-Control", "no-store")
		t.miss("GET", "/a")
		t.hit("GET", "/a")
	}},

	headed("4.3.5 a HEAD about the same makes it fresh", ruleHeadUpdate, true, append(tagged, "X", "1"), append(tagged, "Cache-Control", "max-age=90", "X", "2"),
		"X", "2", "Cache-Control", "max-age=90", "Age", "0", "Etag", `"a"`),
	headed("4.3.5 by Last-Modified", ruleHeadUpdate, true, []string{"Last-Modified", monday}, []string{"Cache-Control", "max-age=90", "Last-Modified", monday}, "Cache-Control", "max-age=90"),
	headed("4.3.5 its length is the same", ruleHeadUpdate, true, tagged, append(tagged, "Cache-Control", "max-age=90", "Content-Length", "6"), "Content-Length", "6"),
	headed("4.3.5 another entity tag", noRule, false, tagged, []string{"Etag", `"b"`, "Cache-Control", "max-age=60"}, "Etag", `"b"`),
	headed("4.3.5 another Last-Modified", noRule, false, append(tagged, "Last-Modified", monday), append(tagged, "Last-Modified", tuesday)),
	headed("4.3.5 another length", noRule, false, tagged, append(tagged, "Cache-Control", "max-age=60", "Content-Length", "7")),
	headed("4.3.5 nothing says that it is the same", noRule, false, nil, []string{"Cache-Control", "max-age=60"}),
	headed("4.3.5 a HEAD that forbids to keep", ruleNoStore, false, tagged, append(tagged, "Cache-Control", "no-store")),
	headed("4.3.5 a HEAD that is private", rulePrivate, false, tagged, append(tagged, "Cache-Control", "private, max-age=60")),
	rfcCase{name: "4.3.5 a HEAD about something else makes it stale", rule: ruleHeadUpdate, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=600", "Etag", `"a"`)
		t.miss("GET", "/a")
		time.Sleep(2 * time.Second)
		t.serve("Cache-Control", "max-age=600", "Etag", `"b"`)
		t.miss("HEAD", "/a", "Cache-Control", "no-cache")
		t.want(t.miss("GET", "/a"), 200, "body 3", "Etag", `"b"`)
	}},
	rfcCase{name: "4.3.5 a HEAD that fails changes nothing", rule: noRule, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=600", "Etag", `"a"`)
		t.miss("GET", "/a")
		time.Sleep(2 * time.Second)
		for _, status := range []int{503, 404, 403} {
			t.serveStatus(status, "Etag", `"b"`)
			t.ask("HEAD", "/a", "Cache-Control", "no-cache")
			t.want(t.hit("GET", "/a"), 200, "body 1")
		}
	}},
)
