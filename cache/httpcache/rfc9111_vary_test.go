package httpcache

//house:sleep the cases sleep in the bubble that bubble makes

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// RFC 9111, section 4.1: for which requests an answer with Vary is good.

// varying is a case for an answer that varies by some fields: the first request's
// answer is good for those that mean the same, and not for the others.
func varying(name string, r rule, by string, asked []string, same, others [][]string) rfcCase {
	return rfcCase{name: name, rule: r, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=600", "Vary", by)
		t.want(t.miss("GET", "/a", asked...), 200, "body 1", "Vary", by)
		t.want(t.hit("GET", "/a", asked...), 200, "body 1", "Vary", by)
		for _, fields := range same {
			t.want(t.hit("GET", "/a", fields...), 200, "body 1")
		}
		for i, fields := range others {
			text := fmt.Sprintf("body %d", i+2)
			t.want(t.miss("GET", "/a", fields...), 200, text)
			t.want(t.hit("GET", "/a", fields...), 200, text)
		}
		t.want(t.hit("GET", "/a", asked...), 200, "body 1") // is still there
		t.want(t.hit("HEAD", "/a", asked...), 200, "")
	}}
}

var three = []string{"Foo", "1", "Bar", "2", "Baz", "3"}

var _ = cases(
	varying("4.1 a field that is the same, and that differs", ruleVary, "Foo", []string{"Foo", "1"}, nil, [][]string{
		{"Foo", "2"}, nil, {"Foo", ""}, {"Foo", "11"}, {"Foo", "1, 1"},
	}),
	varying("4.1 a field that is absent from both", ruleVary, "Foo", nil, [][]string{{"Bar", "1"}}, [][]string{{"Foo", "1"}, {"Foo", ""}}),
	varying("4.1 fields not named do not matter", noRule, "Foo", []string{"Foo", "1", "Other", "2"}, [][]string{
		{"Foo", "1"}, {"Foo", "1", "Other", "3"}, {"Other", "4", "Foo", "1"},
	}, nil),
	varying("4.1 two fields", ruleVary, "Foo, Bar", []string{"Foo", "1", "Bar", "a"}, [][]string{{"Bar", "a", "Foo", "1"}}, [][]string{
		{"Foo", "1", "Bar", "b"}, {"Foo", "2", "Bar", "a"}, {"Foo", "1"}, {"Bar", "a"}, {"Foo", "a", "Bar", "1"}, {"Foo", "1a"},
	}),
	varying("4.1 three fields", ruleVary, "Foo, Bar, Baz", three, [][]string{{"Baz", "3", "Foo", "1", "Bar", "2"}}, [][]string{
		{"Foo", "1", "Bar", "2"}, {"Foo", "1", "Bar", "2", "Baz", "4"}, {"Foo", "3", "Bar", "2", "Baz", "1"},
	}),
	varying("4.1 one of three fields is absent from both", ruleVary, "Foo, Bar, Baz", three[:4], [][]string{{"Bar", "2", "Foo", "1"}}, [][]string{three}),
	varying("4.1 names of fields in any case, spaces and empty members", ruleVary, " foo ,, BAR,", []string{"Foo", "1", "Bar", "2"}, nil, [][]string{{"Foo", "1"}}),
	varying("4.1 a client's Cookie as it is", ruleVary, "Cookie", []string{"Cookie", "a=b; c=d"}, nil, [][]string{
		{"Cookie", "a=b;c=d"}, {"Cookie", "A=b; c=d"}, {"Cookie", "a=b", "Cookie", "c=d"}, nil,
	}),

	varying("4.1 spaces between members mean nothing", noRule, "Foo", []string{"Foo", "1, 2"}, [][]string{{"Foo", "1,2"}, {"Foo", "1 ,\t2"}}, [][]string{
		{"Foo", ", 1,,2,"}, {"Foo", "1,,2"}, {"Foo", "1, 2,"}, {"Foo", "2, 1"}, {"Foo", "1 2"}, {"Foo", "12"}, {"Foo", `"1, 2"`}, {"Foo", `"1,2"`},
	}),
	varying("4.1 lines are combined", noRule, "Foo", []string{"Foo", "1, 2"}, [][]string{{"Foo", "1", "Foo", "2"}, {"Foo", "1 ", "Foo", "", "Foo", "2"}}, [][]string{
		{"Foo", "2", "Foo", "1"}, {"Foo", "1,", "Foo", "2"},
	}),
	varying("4.1 Accept-Language: case, spaces, order", noRule, "Accept-Language", []string{"Accept-Language", "en-GB, de;q=0.5, fr;q=0.5"}, [][]string{
		{"Accept-Language", "EN-gb,DE;Q=0.5,FR;q=0.500"}, {"Accept-Language", "de;q=0.5, en-gb;q=1.0 , fr ; q=0.5"},
	}, [][]string{
		{"Accept-Language", "en-gb, fr;q=0.5, de;q=0.5"}, // handlers go by the order of those wanted alike
		{"Accept-Language", "de, en-gb;q=0.5, fr;q=0.5"}, {"Accept-Language", "en-gb, de;q=0.5"}, {"Accept-Language", "en-gb, de;q=0, fr;q=0.5"}, nil, {"Accept-Language", ""},
	}),
	varying("4.1 Accept-Encoding: case, spaces, order", noRule, "Accept-Encoding", []string{"Accept-Encoding", "gzip, deflate, br"}, [][]string{
		{"Accept-Encoding", "br,GZIP,deflate"}, {"Accept-Encoding", "br", "Accept-Encoding", "gzip;q=1, deflate"},
	}, [][]string{
		{"Accept-Encoding", "gzip, br"}, {"Accept-Encoding", "gzip, deflate, br;q=0"}, {"Accept-Encoding", "identity"}, {"Accept-Encoding", ""}, nil, {"Accept-Encoding", "gzip;level=9, deflate, br"},
	}),

	rfcCase{name: "4.1 Vary with a star is good for no one else", rule: ruleVaryStar, run: func(t *bubbleT) {
		for i, by := range []string{"*", "*, *", "Foo, *", "*, Foo", ", *", "*,", "Foo,*", " * "} {
			t.serve("Cache-Control", "max-age=600", "Vary", by)
			url := "/" + strconv.Itoa(i)
			t.miss("GET", url, "Foo", "1")
			t.miss("GET", url, "Foo", "1")
		}
		for _, first := range []string{"Foo", "", "*"} {
			t.serve("Cache-Control", "max-age=600", "Vary", first, "Vary", "*")
			t.miss("GET", "/lines"+first)
			t.miss("GET", "/lines"+first)
		}
	}},
	rfcCase{name: "4.1 a star that comes with a 304", rule: ruleVaryStar, run: func(t *bubbleT) {
		t.serveTagged(`"a"`, "Cache-Control", "max-age=60")
		t.miss("GET", "/a")
		time.Sleep(61 * time.Second)
		t.serveTagged(`"a"`, "Cache-Control", "max-age=60", "Vary", "*")
		t.miss("GET", "/a")
		t.miss("GET", "/a")
	}},
	rfcCase{name: "4.1 Vary on several lines", rule: ruleVary, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=600", "Vary", "Foo", "Vary", "Bar")
		t.miss("GET", "/a", "Foo", "1", "Bar", "2")
		t.hit("GET", "/a", "Foo", "1", "Bar", "2")
		t.miss("GET", "/a", "Foo", "1", "Bar", "3")
		t.miss("GET", "/a", "Foo", "2", "Bar", "2")
	}},
	rfcCase{name: "4.1 an empty Vary is none", rule: noRule, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=600", "Vary", "")
		t.miss("GET", "/a", "Foo", "1")
		t.hit("GET", "/a", "Foo", "2")
	}},
	rfcCase{name: "4.1 a Vary that grows", rule: ruleVary, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=600", "Vary", "Foo")
		t.miss("GET", "/a", "Foo", "1", "Bar", "1")
		t.serve("Cache-Control", "max-age=600", "Vary", "Bar")
		t.miss("GET", "/a", "Foo", "2", "Bar", "1")
		t.want(t.hit("GET", "/a", "Foo", "2", "Bar", "1"), 200, "body 2")
		t.miss("GET", "/a", "Foo", "2", "Bar", "2")
		t.want(t.hit("GET", "/a", "Foo", "2", "Bar", "2"), 200, "body 3")
	}},
	rfcCase{name: "4.1 a Vary that grows by a 304", rule: ruleVary, run: func(t *bubbleT) {
		t.serveTagged(`"a"`, "Cache-Control", "max-age=60")
		t.miss("GET", "/a", "Foo", "1")
		t.hit("GET", "/a", "Foo", "2")
		time.Sleep(61 * time.Second)
		t.serveTagged(`"a"`, "Cache-Control", "max-age=60", "Vary", "Foo")
		t.miss("GET", "/a", "Foo", "1")
		t.hit("GET", "/a", "Foo", "1")
		t.miss("GET", "/a", "Foo", "2")
	}},
	rfcCase{name: "4.1 who asks at once for another variant gets that", rule: ruleVary, run: func(t *bubbleT) {
		t.handle(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "max-age=600")
			w.Header().Set("Vary", "Accept-Language")
			time.Sleep(time.Second)
			fmt.Fprint(w, r.Header.Get("Accept-Language"))
		})
		var all sync.WaitGroup
		for i := range 12 {
			all.Go(func() {
				language := []string{"de", "en", "fr"}[i%3]
				t.want(t.ask("GET", "/a", "Accept-Language", language), 200, language)
			})
		}
		all.Wait()
		if n := t.count(); n != 3 {
			t.Errorf("the origin was asked %d times for 3 variants", n)
		}
	}},
	rfcCase{name: "4.1 a variant is validated by what is kept of it", rule: ruleValidate, run: func(t *bubbleT) {
		t.handle(func(w http.ResponseWriter, r *http.Request) {
			tag := strconv.Quote(r.Header.Get("Foo"))
			w.Header().Set("Cache-Control", "max-age=60")
			w.Header().Set("Vary", "Foo")
			w.Header().Set("Etag", tag)
			if r.Header.Get("If-None-Match") == tag {
				w.WriteHeader(304)
				return
			}
			fmt.Fprintf(w, "%s %d", tag, t.count())
		})
		t.miss("GET", "/a", "Foo", "1")
		t.miss("GET", "/a", "Foo", "2")
		time.Sleep(61 * time.Second)
		t.want(t.miss("GET", "/a", "Foo", "1"), 200, `"1" 1`)
		t.want(t.miss("GET", "/a", "Foo", "2"), 200, `"2" 2`)
		t.want(t.hit("GET", "/a", "Foo", "1"), 200, `"1" 1`)
	}},

	rfcCase{name: "4.1 fields from which applications build answers without a word are part of the key", rule: ruleKeyHeaders, run: func(t *bubbleT) {
		for _, name := range defaultKeyHeaders {
			t.serve("Cache-Control", "max-age=600")
			t.miss("GET", "/"+name, name, "evil.example")
			t.miss("GET", "/"+name)
			t.hit("GET", "/"+name)
			t.miss("GET", "/"+name, name, "")
			t.hit("GET", "/"+name, name, "evil.example")
		}
	}},
	rfcCase{name: "4.1 fields of KeyHeaders", rule: ruleKeyHeaders, cfg: Config{KeyHeaders: []string{"x-market", "Cdn-Loop"}}, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=600", "Vary", "Foo")
		t.miss("GET", "/a", "X-Market", "ab", "Cdn-Loop", "c")
		t.miss("GET", "/a", "X-Market", "a", "Cdn-Loop", "bc")
		t.miss("GET", "/a", "X-Market", "ab", "Cdn-Loop", "c", "Foo", "1")
		t.hit("GET", "/a", "X-Market", "ab", "Cdn-Loop", "c", "X-Host", "evil.example")
	}},
)
