package httpcache

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"math"
	"net/http"
	"net/url"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall/internal/coarse"
)

// linesOf makes lines of a field out of one text.
func linesOf(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, "\n")
}

// FuzzDirectives: parseDirectives reads what its model does.
func FuzzDirectives(f *testing.F) {
	for _, s := range []string{
		"", ",", ";", "=", `"`, "max-age=60", "max-age=60\nmax-age=30", `MAX-AGE="6\0", no-cache="a, b"`, `private="x`, `ext="a\", no-store", public`, "no-store;max-age=1",
		"max-stale, max-stale=5", "min-fresh=1, min-fresh=x, min-fresh=3, min-fresh=2", "s-maxage=99999999999999999999", `no-cache="a b"`, `private=, no-cache=""`, `max-age="1"2`, `max-age="1";x`,
		"\u017f-maxage=60", "no-\u017ftore", "must-revalidate=\x00, \xff=\xfe", "stale-if-error=2, stale-if-error=1, stale-while-revalidate=3, stale-while-revalidate=2", `a="\`, `a="\"`, "no-cache=a\nno-cache=b\nno-cache",
		"proxy-revalidate , only-if-cached\t, must-understand , private = x-a", "max-age=60 , x=y=z, max-age==5", "max-age=+1, max-age=-1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := parseDirectives(linesOf(s)), modelDirectives(linesOf(s)); !reflect.DeepEqual(got, want) {
			t.Errorf("%q:\n got %+v\nwant %+v", s, got, want)
		}
	})
}

// FuzzTargeted: parseTargeted takes what its model does for a dictionary, and reads
// the same in it.
func FuzzTargeted(f *testing.F) {
	for _, s := range []string{
		"", " ", "max-age=60", "max-age=60,\tno-cache", "max-age=60,", "a;b=1;c, d=(1 \"x\" ?1;y);z", `a="\\\""`, `private="x-a, x-b", no-cache="b c"`, "a=:aGVsbG8=:, b=:=:, c=:a:",
		`a=%"f%c3%bc", b=%"%ff"`, "a=@-1, b=@1.5", "a=1.5, b=123456789012.123, c=1234567890123.1", "max-age=999999999999999", "max-age=1000000000000000", "max-age=-1, s-maxage=1.0",
		"no-store=?0, public=?1, must-revalidate=1", "a=( ), b=(1  2 ), c=()", "a=(1,2)", "max-age=1\nmax-age=2", "a=*tok/en:1", "A=1", "a=1 ;b", "a; b=2", "stale-if-error=5, stale-while-revalidate=6;x", "a=\"\x7f\"",
		"a=:aGVs\nbG8=:", "a=?2", `no-cache="", private=""`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := parseTargeted(linesOf(s))
		want, wanted := modelTargeted(linesOf(s))
		if ok != wanted || ok && !reflect.DeepEqual(got, want) {
			t.Errorf("%q:\n got %+v %v\nwant %+v %v", s, got, ok, want, wanted)
		}
	})
}

// FuzzDate: parseDate takes the three forms of a date and nothing else, for the
// moment that they mean.
func FuzzDate(f *testing.F) {
	for _, s := range []string{
		"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "Sun Nov 06 08:49:37 1994", "sUN, 06 nOV 1994 08:49:37 gmt",
		"Sun, 31 Dec 2016 23:59:60 GMT", "Sun, 30 Feb 2000 00:00:00 GMT", "Sun, 29 Feb 2000 24:00:00 GMT", "Sun, 00 Jan 2000 00:00:00 GMT", "Thu, 01 Jan 0000 00:00:00 GMT",
		"Fri, 31 Dec 9999 23:59:59 GMT", "Tuesday, 29-Feb-00 00:00:00 GMT", "Tuesday, 29-Feb-76 00:00:00 GMT", "Sun, 06 Nov 1994 08:49:37 UTC", "0", "", "Sun, 06 Nov 1994 08:49:37 GMT ",
		"Sun Nov 0  08:49:37 1994", "Sun Nov   08:49:37 1994", "Sun Nov 31 08:60:37 1994", "\u017fun, 06 Nov 1994 08:49:37 GM", "Sund, 06-Nov-94 08:49:37 GMT",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		before := time.Now()
		got, ok := parseDate(s)
		want, short, wanted := modelDate(s)
		switch {
		case ok != wanted:
			t.Errorf("%q: got %v %v, want %v %v", s, got, ok, want, wanted)
		case !ok:
		case !short && !got.Equal(want):
			t.Errorf("%q: got %v, want %v", s, got, want)
		case short && (got.Format("02 Jan 06 15:04:05") != want.Format("02 Jan 06 15:04:05") || got.After(before.AddDate(50, 0, 1)) || got.Before(before.AddDate(-101, 0, 0))):
			t.Errorf("%q: got %v", s, got)
		}
	})
}

// FuzzDateAgain: what formatDate writes, parseDate reads.
func FuzzDateAgain(f *testing.F) {
	for _, n := range []int64{0, 784111777, -62167219200, 253402300799, 951782400, 4102444800} {
		f.Add(n)
	}
	f.Fuzz(func(t *testing.T, n int64) {
		const first, last = -62167219200, 253402300799 // the years of four digits
		n = first + int64(uint64(n-first)%(last-first+1))
		when := time.Unix(n, 0).In(time.FixedZone("", int(n%80000)))
		text := formatDate(when)
		if got, ok := parseDate(text); !ok || got.Unix() != n {
			t.Errorf("%q: got %v %v", text, got, ok)
		}
		if text != when.UTC().Format(http.TimeFormat) {
			t.Errorf("%v is written %q", when, text)
		}
		for _, layout := range []string{time.RFC850, time.ANSIC} {
			text = strings.Replace(when.UTC().Format(layout), " UTC", " GMT", 1)
			got, ok := parseDate(text)
			if !ok || layout == time.ANSIC && got.Unix() != n {
				if _, _, is := modelDate(text); is { // of two digits, not each century has a leap day
					t.Errorf("%q: got %v %v", text, got, ok)
				}
			}
		}
	})
}

// FuzzAge: an Age is the first member of its first line, if that is a number.
func FuzzAge(f *testing.F) {
	for _, s := range []string{"", "0", "60", " 60 ", "60, 70", "60\n70", "x, 60", "-1", "1.5", "2147483649", "99999999999999999999999", "60;a=b", ",60", "\u0663", "6 0", "0060"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		lines := linesOf(s)
		got, ok := ageOf(lines)
		member, _, _ := strings.Cut(first(lines), ",")
		want, wanted := modelSeconds(strings.Trim(member, " \t"))
		if ok != wanted || got != time.Duration(want)*time.Second {
			t.Errorf("%q: got %v %v, want %d %v", s, got, ok, want, wanted)
		}
	})
}

// FuzzNormalized: what normalized returns is its own normal form, and the same for
// what means the same, and only for that.
func FuzzNormalized(f *testing.F) {
	for _, s := range []string{
		"", " ", "gzip", "gzip, br", "br\ngzip", "gzip;q=0.5, br;q=1.0, *;q=0", "en;q=0.50 ,de;q=0.05,fr;q=0.9,it", "en ; q=1.001", "en;q=nan", "en;q=1e-1", "en;Q=.5", "en;q=0.", ";q=x, a;", "\"a, b\" , c",
		"\"\n\"a , b\"", `"a\", b`, `a"b , c"d`, `"\`, ",,a,,", "a\n\nb", "\u212a;q=0.3", "EN, De",
	} {
		f.Add(s)
	}
	names := []string{"Accept-Encoding", "Accept-Language", "Accept", "X-Any", "Cookie", "Authorization", "User-Agent"}
	f.Fuzz(func(t *testing.T, s string) {
		lines := linesOf(s)
		for _, name := range names {
			got := normalized(name, lines)
			if again := normalized(name, got); !slices.Equal(again, got) || (again == nil) != (got == nil) || (lines == nil) != (got == nil) {
				t.Errorf("%s: %q is %q, and that %q", name, lines, got, again)
			}
		}
		if lines == nil {
			return
		}
		list := joined(lines)
		for _, name := range names[2:4] {
			if got, want := normalized(name, lines), strings.Join(modelMembers(list), ","); len(got) != 1 || got[0] != want {
				t.Errorf("%s: %q is %q, want %q", name, lines, got, want)
			}
		}
		got := normalized(names[0], lines)
		want, valid := modelPreferences(list)
		if back, same := modelPreferences(got[0]); same != valid || valid && !slices.Equal(back, want) || !valid && got[0] != strings.ToLower(list) {
			t.Errorf("%q is %q: %q instead of %q", lines, got, back, want)
		}
		if valid && !slices.EqualFunc(strings.Split(got[0], ","), want, func(part, of string) bool { return strings.HasPrefix(of, strings.Split(part, ";")[0]+";") }) && len(want) > 0 {
			t.Errorf("%q is %q, in another order than %q", lines, got, want)
		}
		if spaced := normalized(names[0], []string{strings.ReplaceAll(list, ",", "\t ,, ")}); !slices.Equal(spaced, got) && valid {
			t.Errorf("%q with spaces is %q instead of %q", lines, spaced, got)
		}
	})
}

// FuzzKeyOfURL: the URL of a request is purged under the key of that request.
func FuzzKeyOfURL(f *testing.F) {
	for _, c := range [][2]string{
		{"example.org", "/"}, {"EXAMPLE.org:80", "/a?b=c"}, {"example.org:443", "/"}, {"example.org:443", "/a%2Fb/%7e?x=%20&utm_a=1&y"}, {"[::1]:8080", "//a//b"}, {"h", "/a/../b/./c?"}, {"h:", "/?utm_x"},
		{"h", "/a;b=c?d;e"}, {"h", "/\"<>"}, {"h", "/%"}, {"h", "/a b"}, {"h", "/?utm_=1&&a&utm_b=?/x"}, {"h:080", "/%C3%A9\xc3\xa9"}, {"a@b", "/"}, {"h", "/a#b"}, {"h", "http://other/x?y"},
	} {
		f.Add(c[0], c[1], false)
		f.Add(c[0], c[1], true)
	}
	h := newCache(f, Config{IgnoreQuery: []string{"utm_*", "fbclid"}, MaxBytes: 2 << 20})
	f.Fuzz(func(t *testing.T, host, target string, secure bool) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n")))
		if err != nil || r.Host == "" || strings.ContainsAny(r.Host, "@%") || strings.Contains(r.RequestURI, "#") {
			return // nobody can name it in a URL
		}
		scheme := "http"
		if secure {
			scheme, r.TLS = "https", &tls.ConnectionState{}
		}
		absolute := scheme + "://" + r.Host + r.URL.RequestURI()
		if u, err := url.Parse(absolute); err != nil || u.Host != r.Host || u.User != nil || r.URL.Opaque != "" {
			return
		}
		want := h.keyOf(r)
		got, ok := h.keyOfURL(absolute, nil)
		if !ok || got != want {
			t.Errorf("%q:\n got %+v %v\nwant %+v", absolute, got, ok, want)
		}
		if secure && strings.HasSuffix(want.Host, ":443") || !secure && strings.HasSuffix(want.Host, ":80") || want.Host != lowerASCII(want.Host) {
			t.Errorf("%q has the host %q", absolute, want.Host)
		}
		if want.Method != http.MethodGet || want.Path == "" || want.Vary != "" || strings.Contains(want.Query, "utm_a=") && slices.ContainsFunc(strings.Split(want.Query, "&"), h.ignored) {
			t.Errorf("%q: %+v", absolute, want)
		}
		if own, ok := h.keyOfURL(absolute, &Key{Scheme: "http", Host: "base", Path: "/x/", Query: "q"}); ok && own.Host != want.Host {
			t.Errorf("%q became one of the base: %+v", absolute, own)
		}
	})
}

// FuzzResponse: whatever lies in L2, reading it neither panics nor takes more
// memory than some times its length; and what is read makes sense, and is written
// the same way again.
func FuzzResponse(f *testing.F) {
	c := codec{coarse.New()}
	for _, p := range responses() {
		data, err := c.Append(nil, p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add(data[:len(data)/2])
	}
	f.Add([]byte(nil))
	f.Add(bytes.Repeat([]byte{0xff}, 64))
	f.Add([]byte{codecVersion, byte(passes), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1})                             // a text that is not there
	f.Add(append([]byte{codecVersion, byte(passes), 0, 0, 0, 0, 0, 0, 0, 0, 0xa0, 0x1f}, make([]byte, 4100)...)) // 4000 fields taken away
	f.Fuzz(func(t *testing.T, data []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		p, err := c.Decode(data)
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 128*uint64(len(data))+1<<16 {
			t.Errorf("%d bytes took %d", len(data), took)
		}
		if err != nil {
			return
		}
		now := c.clock.Exact()
		if age := p.times.current(now); age < 0 || p.times.lifetime < 0 || p.times.fresh(now) > p.times.lifetime || p.times.fresh(now+math.MaxInt64/8) > p.times.lifetime {
			t.Errorf("%+v", p.times)
		}
		again, err := c.Append(nil, p)
		if err != nil {
			t.Fatal(err)
		}
		q, err := c.Decode(again)
		if err != nil {
			t.Fatalf("%q became %q: %v", data, again, err)
		}
		sameResponse(t, q, p)
	})
}

// FuzzResponseAgain: what one process writes, another reads, and it is older by the
// time between.
func FuzzResponseAgain(f *testing.F) {
	f.Add(uint16(200), "Etag: \"a\"\nDate: x\nX-A", []byte("body"), int64(60e9), int64(5e9), int64(-1), int64(0), uint8(0))
	f.Add(uint16(404), "", []byte(nil), int64(0), int64(1)<<60, int64(1)<<40, int64(-1), uint8(255))
	f.Fuzz(func(t *testing.T, status uint16, text string, body []byte, lifetime, age, revalidate, failed int64, bits uint8) {
		synctest.Test(t, func(t *testing.T) {
			here, there := codec{coarse.New()}, codec{coarse.New()}
			within := func(n int64) time.Duration { return time.Duration(uint64(n) % uint64(secs(mostSeconds))) }
			p := &Response{
				kind: kind(bits % 4), status: 200 + int(status%400), body: body, gen: text, gone: linesOf(text), tags: []string{text, "t"}, own: linesOf("o\n" + text), names: linesOf("n\n" + text),
				times: times{
					lifetime: within(lifetime).Truncate(time.Microsecond), age: within(age).Truncate(time.Microsecond),
					staleRevalidate: within(revalidate), staleError: absent, noCache: bits&4 != 0, strict: bits&8 != 0, explicit: bits&16 != 0,
				},
			}
			if bits&32 != 0 {
				p.times.staleRevalidate, p.times.staleError = absent, within(failed)
			}
			for i, line := range linesOf(text) {
				name, value, _ := strings.Cut(line, ": ")
				p.fields = append(p.fields, field{name, slices.Repeat([]string{value}, i%3), i%2 == 1})
			}
			p.derive()
			p.times.began = here.clock.Exact()
			data, err := here.Append(nil, p)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
			q, err := there.Decode(data)
			if err != nil {
				t.Fatalf("%+v: %v", p, err)
			}
			sameResponse(t, q, p)
			if got, want := q.times.current(there.clock.Exact()), min(p.times.age+time.Hour, secs(mostSeconds)); got != want {
				t.Errorf("it is %v old instead of %v", got, want)
			}
		})
	})
}

// sameResponse compares all but ages.
func sameResponse(t *testing.T, got, want *Response) {
	t.Helper()
	a, b := got.times, want.times
	a.began, a.age, b.began, b.age = 0, 0, 0, 0
	if a != b || got.kind != want.kind || got.status != want.status || !bytes.Equal(got.body, want.body) || got.gen != want.gen ||
		got.etag != want.etag || !got.date.Equal(want.date) || !slices.Equal(got.length, want.length) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for _, lists := range [][2][]string{{got.gone, want.gone}, {got.tags, want.tags}, {got.own, want.own}, {got.names, want.names}} {
		if !slices.Equal(lists[0], lists[1]) {
			t.Errorf("got %q, want %q", lists[0], lists[1])
		}
	}
	if !slices.EqualFunc(got.fields, want.fields, func(a, b field) bool { return a.name == b.name && a.adds == b.adds && slices.Equal(a.values, b.values) }) {
		t.Errorf("got %+v, want %+v", got.fields, want.fields)
	}
}

// responses are some of each kind.
func responses() []*Response {
	page := &Response{
		status: 200, body: []byte("hello"), tags: []string{"ta", "tb"}, gone: []string{"Server"},
		fields: []field{{name: "Content-Type", values: []string{"text/plain"}}, {name: "Date", values: []string{"Sun, 06 Nov 1994 08:49:37 GMT"}}, {name: "Etag", values: []string{`W/"x"`}}, {"X-Two", []string{"1", ""}, true}},
		times:  times{lifetime: time.Hour, age: time.Minute, staleRevalidate: absent, staleError: time.Second, strict: true, explicit: true},
	}
	far := &Response{status: 599, times: times{lifetime: secs(mostSeconds), age: secs(mostSeconds), staleRevalidate: secs(mostSeconds), staleError: absent, noCache: true}}
	marker := &Response{kind: varies, names: []string{"Accept", "Accept-Language"}, gen: "0123456789abcdef"}
	return []*Response{page, far, marker, {kind: passes}, {kind: wants}}
}
