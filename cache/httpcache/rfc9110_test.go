package httpcache

//house:sleep the cases sleep in the bubble that bubble makes

import (
	"net/http"
	"strings"
	"time"
)

// RFC 9110: HEAD (9.3.2) and ranges (14.2, 13.1.5) out of what is stored whole, and
// what else binds who passes answers on.

const tenDigits = "0123456789"

// part is a case for a request with a range, of ten digits that are stored with some
// fields.
func part(name string, r rule, stored, asked []string, status int, text string, want ...string) rfcCase {
	return rfcCase{name: name, rule: r, run: func(t *bubbleT) {
		t.handle(func(w http.ResponseWriter, _ *http.Request) {
			add(w.Header(), append(stored, "Cache-Control", "max-age=60", "Content-Type", "text/plain"))
			w.Write([]byte(tenDigits))
		})
		t.miss("GET", "/a")
		time.Sleep(2 * time.Second)
		t.want(t.hit("GET", "/a", asked...), status, text, append(want, "Age", "2", "Date", "Sat, 01 Jan 2000 00:00:00 GMT")...)
		t.want(t.hit("GET", "/a"), 200, tenDigits, "Content-Range", "", "Content-Length", "10")
		t.want(t.hit("HEAD", "/a", asked...), 200, "", "Content-Range", "", "Content-Length", "10")
	}}
}

func ranged(spec string, more ...string) []string { return append([]string{"Range", spec}, more...) }

var _ = cases(
	part("9110 14.2 first to last", ruleRange, nil, ranged("bytes=2-4"), 206, "234", "Content-Range", "bytes 2-4/10", "Content-Length", "3", "Content-Type", "text/plain"),
	part("9110 14.2 from the first on", ruleRange, nil, ranged("bytes=7-"), 206, "789", "Content-Range", "bytes 7-9/10"),
	part("9110 14.2 the last", ruleRange, nil, ranged("bytes=-2"), 206, "89", "Content-Range", "bytes 8-9/10"),
	part("9110 14.2 more than there is", ruleRange, nil, ranged("bytes=8-99"), 206, "89", "Content-Range", "bytes 8-9/10"),
	part("9110 14.2 the last of more than there is", ruleRange, nil, ranged("bytes=-99"), 206, tenDigits, "Content-Range", "bytes 0-9/10"),
	part("9110 14.2 beyond its end", ruleRange, nil, ranged("bytes=10-"), 416, "invalid range: failed to overlap\n", "Content-Range", "bytes */10"),
	part("9110 14.2 another unit is as if it was not there", noRule, nil, ranged("lines=1-2"), 200, tenDigits, "Content-Range", ""),
	part("9110 14.2 two lines are none", noRule, nil, ranged("bytes=1-2", "Range", "bytes=3-4"), 200, tenDigits, "Content-Range", ""),
	part("9110 14.2 many that overlap are the whole", noRule, nil, ranged("bytes=0-,0-,0-,0-,0-,0-"), 200, tenDigits, "Content-Range", ""),
	part("9110 15.3.7 fields of a 206", ruleRange, []string{"Etag", `"a"`, "Last-Modified", monday, "Content-Location", "/b", "Vary", "X", "Expires", tuesday, "X", "y"}, ranged("bytes=1-1"), 206, "1",
		"Etag", `"a"`, "Last-Modified", monday, "Content-Location", "/b", "Vary", "X", "Expires", tuesday, "X", "y", "Cache-Control", "max-age=60"),

	part("9110 13.1.5 If-Range with the entity tag", ruleRange, []string{"Etag", `"a"`}, ranged("bytes=2-4", "If-Range", `"a"`), 206, "234"),
	part("9110 13.1.5 If-Range with another", ruleIfRange, []string{"Etag", `"a"`}, ranged("bytes=2-4", "If-Range", `"b"`), 200, tenDigits),
	part("9110 13.1.5 If-Range with a weak one", ruleIfRange, []string{"Etag", `W/"a"`}, ranged("bytes=2-4", "If-Range", `W/"a"`), 200, tenDigits),
	part("9110 13.1.5 If-Range with a date", ruleRange, []string{"Last-Modified", monday}, ranged("bytes=2-4", "If-Range", monday), 206, "234"),
	part("9110 13.1.5 If-Range with a later date", ruleIfRange, []string{"Last-Modified", monday}, ranged("bytes=2-4", "If-Range", tuesday), 200, tenDigits),
	part("9110 13.1.5 If-Range with an earlier date", ruleIfRange, []string{"Last-Modified", tuesday}, ranged("bytes=2-4", "If-Range", monday), 200, tenDigits),
	part("9110 13.1.5 If-Range with a date that may be that of two versions", ruleIfRange, []string{"Last-Modified", "Sat, 01 Jan 2000 00:00:00 GMT"},
		ranged("bytes=2-4", "If-Range", "Sat, 01 Jan 2000 00:00:00 GMT"), 200, tenDigits),
	part("9110 13.1.5 If-Range of what has no validator", ruleIfRange, nil, ranged("bytes=2-4", "If-Range", `"a"`), 200, tenDigits),
	part("9110 13.1.5 If-Range without a range", noRule, []string{"Etag", `"a"`}, []string{"If-Range", `"b"`}, 200, tenDigits),
	rfcCase{name: "9110 13.2.2 a condition goes before a range", rule: ruleNotModified, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=60", "Etag", `"a"`)
		t.miss("GET", "/a")
		t.want(t.hit("GET", "/a", "Range", "bytes=0-1", "If-None-Match", `"a"`), 304, "", "Content-Range", "")
		t.want(t.hit("GET", "/a", "Range", "bytes=0-1", "If-None-Match", `"b"`), 206, "bo")
		t.want(t.hit("GET", "/a", "Range", "bytes=0-1", "If-Modified-Since", monday), 206, "bo")
	}},
	rfcCase{name: "9110 14.2 several ranges", rule: ruleRange, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=60", "Content-Type", "a/b")
		t.miss("GET", "/a")
		got := t.hit("GET", "/a", "Range", "bytes=0-0,2-3")
		text := body(got)
		kind := got.Header.Get("Content-Type")
		if got.StatusCode != 206 || !strings.HasPrefix(kind, "multipart/byteranges; boundary=") || !strings.Contains(text, "Content-Range: bytes 2-3/6\r\nContent-Type: a/b\r\n\r\ndy\r\n") {
			t.Errorf("%d %q %q", got.StatusCode, kind, text)
		}
		t.want(t.hit("GET", "/a"), 200, "body 1", "Content-Type", "a/b")
	}},
	rfcCase{name: "9110 14.2 a range of what is encoded", rule: ruleRange, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=60", "Content-Encoding", "br")
		t.miss("GET", "/a")
		t.want(t.hit("GET", "/a", "Range", "bytes=0-3"), 206, "body", "Content-Encoding", "br", "Content-Range", "bytes 0-3/6", "Content-Length", "4")
	}},
	rfcCase{name: "9110 14.2 ranges are of what is stored with 200", rule: noRule, run: func(t *bubbleT) {
		t.serveStatus(404, "Cache-Control", "max-age=60")
		t.miss("GET", "/a")
		t.want(t.hit("GET", "/a", "Range", "bytes=0-3"), 404, "body 1")
	}},
	rfcCase{name: "9110 14.2 a range of what is not stored is for the origin", rule: noRule, run: func(t *bubbleT) {
		t.handle(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			http.ServeContent(w, r, "a.txt", time.Time{}, strings.NewReader(tenDigits))
		})
		t.want(t.miss("GET", "/a", "Range", "bytes=2-4"), 206, "234", "Content-Range", "bytes 2-4/10")
		t.want(t.miss("GET", "/a"), 200, tenDigits)
		t.want(t.hit("GET", "/a", "Range", "bytes=2-4"), 206, "234")
	}},
	rfcCase{name: "9110 14.2 an origin that does not care for ranges", rule: noRule, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=60")
		t.miss("GET", "/a", "Range", "bytes=0-3")
		t.want(t.hit("GET", "/a"), 200, "body 1")
		t.want(t.hit("GET", "/a", "Range", "bytes=0-3"), 206, "body")
	}},
	rfcCase{name: "9110 14.2 a range of what is stale is of what the origin says is still good", rule: ruleRange, run: func(t *bubbleT) {
		t.serveTagged(`"a"`, "Cache-Control", "max-age=60")
		t.miss("GET", "/a")
		time.Sleep(61 * time.Second)
		t.want(t.miss("GET", "/a", "Range", "bytes=0-3"), 206, "body")
		t.want(t.hit("GET", "/a"), 200, `body of "a"`)
	}},

	rfcCase{name: "9110 9.3.2 HEAD out of a stored GET", rule: ruleHead, run: func(t *bubbleT) {
		for _, status := range []int{200, 404, 301} {
			t.serveStatus(status, "Cache-Control", "max-age=60", "Content-Type", "a/b", "X", "y")
			t.miss("GET", "/"+http.StatusText(status)[:2])
			t.want(t.hit("HEAD", "/"+http.StatusText(status)[:2]), status, "", "Content-Length", "6", "Content-Type", "a/b", "X", "y", "Age", "0")
		}
	}},
	rfcCase{name: "9110 9.3.2 a HEAD is not stored", rule: noRule, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=60")
		t.miss("HEAD", "/a")
		t.miss("HEAD", "/a")
		t.want(t.miss("GET", "/a"), 200, "body 3")
	}},
	rfcCase{name: "9110 8.6 no Content-Length with a 204", rule: noRule, run: func(t *bubbleT) {
		t.serveStatus(204, "Cache-Control", "max-age=60")
		t.miss("GET", "/a")
		if got := t.hit("GET", "/a"); got.StatusCode != 204 || got.Header["Content-Length"] != nil {
			t.Errorf("%d %v", got.StatusCode, got.Header)
		}
	}},
	rfcCase{name: "9110 6.6.1 Date where the origin has none", rule: noRule, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=60")
		t.want(t.miss("GET", "/a"), 200, "body 1", "Date", "Sat, 01 Jan 2000 00:00:00 GMT")
	}},
	rfcCase{name: "9110 6.5 an answer with trailers is not stored without them", rule: noRule, run: func(t *bubbleT) {
		t.handle(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			w.Header().Set("Trailer", "X-Sum")
			w.Write([]byte("body"))
			w.Header().Set("X-Sum", "a")
		})
		for range 2 {
			if got := t.miss("GET", "/a"); got.Trailer.Get("X-Sum") != "a" {
				t.Errorf("trailers %v", got.Trailer)
			}
		}
	}},
	rfcCase{name: "9110 7.8 Upgrade goes its way", rule: noRule, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=60")
		t.miss("GET", "/a")
		t.miss("GET", "/a", "Connection", "upgrade", "Upgrade", "websocket")
	}},
)
