package httpcache

//house:sleep the cases sleep in the bubble that bubble makes

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// reuse is a case in which an answer with these fields is shown a second time, and
// noReuse one in which it is not. ":status" is no field, and "@-1h" as the value of
// one is the date an hour ago.
func reuse(name string, r rule, fields ...string) rfcCase { return twice(name, r, true, fields) }

func noReuse(name string, r rule, fields ...string) rfcCase { return twice(name, r, false, fields) }

func twice(name string, r rule, again bool, fields []string) rfcCase {
	return rfcCase{name: name, rule: r, run: func(t *bubbleT) {
		t.origin200(fields...)
		t.miss("GET", "/a")
		if again {
			t.hit("GET", "/a")
		} else {
			t.miss("GET", "/a")
		}
	}}
}

// with is a case with a Config.
func with(cfg Config, c rfcCase) rfcCase {
	c.cfg = cfg
	return c
}

// origin200 is serve with ":status" and "@".
func (t *bubbleT) origin200(fields ...string) {
	status, set := http.StatusOK, []string(nil)
	for i := 0; i+1 < len(fields); i += 2 {
		name, value := fields[i], fields[i+1]
		if name == ":status" {
			status, _ = strconv.Atoi(value)
			continue
		}
		if offset, ok := strings.CutPrefix(value, "@"); ok {
			value = formatDate(time.Now().Add(must(time.ParseDuration(offset))))
		}
		set = append(set, name, value)
	}
	t.serveStatus(status, set...)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

const hour = "max-age=3600"

// 4.2.1: for how long something is fresh.
var _ = cases(
	rfcCase{name: "4.2 fresh without asking, stale not", rule: ruleMaxAge, run: func(t *bubbleT) {
		t.serve("Cache-Control", hour)
		t.miss("GET", "/a")
		time.Sleep(time.Hour - time.Second)
		t.hit("GET", "/a")
		time.Sleep(time.Second)
		t.miss("GET", "/a")
	}},
	reuse("4.2.1 s-maxage before max-age", ruleSharedMaxAge, "Cache-Control", "max-age=0, s-maxage=3600"),
	noReuse("4.2.1 s-maxage before max-age, shorter", ruleSharedMaxAge, "Cache-Control", "s-maxage=10, max-age=3600", "Age", "100"),
	reuse("4.2.1 max-age before Expires", ruleMaxAge, "Cache-Control", hour, "Expires", "@-1h"),
	noReuse("4.2.1 max-age before Expires, 0", ruleMaxAge, "Cache-Control", "max-age=0", "Expires", "@1h"),
	reuse("4.2.1 max-age before Expires that is none", ruleMaxAge, "Cache-Control", hour, "Expires", "0"),
	noReuse("4.2.1 s-maxage before Expires", ruleSharedMaxAge, "Cache-Control", "s-maxage=0", "Expires", "@1h"),
	noReuse("4.2.1 Expires counts from Date", ruleAge, "Date", "@1h", "Expires", "@2h", "Age", "3601"),
	reuse("4.2.1 Expires counts from Date, also where that is long ago", noRule, "Date", "@-1h", "Expires", "@1s"),
	noReuse("4.2.1 two max-age, the first longer", ruleConflicts, "Cache-Control", "max-age=3600, max-age=1", "Age", "100"),
	noReuse("4.2.1 two max-age, the first shorter", noRule, "Cache-Control", "max-age=1, max-age=3600", "Age", "100"),
	noReuse("4.2.1 two max-age on two lines, the first longer", ruleConflicts, "Cache-Control", hour, "Cache-Control", "max-age=1", "Age", "100"),
	noReuse("4.2.1 two max-age on two lines, the first shorter", noRule, "Cache-Control", "max-age=1", "Cache-Control", hour, "Age", "100"),
	noReuse("4.2.1 two s-maxage", ruleConflicts, "Cache-Control", "s-maxage=3600, s-maxage=1", "Age", "100"),
	reuse("4.2.1 the same max-age twice", noRule, "Cache-Control", hour, "Cache-Control", hour),
	noReuse("4.2.1 two Expires", ruleConflicts, "Expires", "@1h", "Expires", "@2h"),
	reuse("4.2.1 the same Expires twice", noRule, "Expires", "@1h", "Expires", "@1h"),
	rfcCase{name: "4.2.1 what is no number is stale", rule: ruleMaxAge, run: func(t *bubbleT) {
		for i, arg := range []string{
			"", "=", "=a3600", "=3600a", "=3600.0", "=3600.5", "=-3600", "=+3600", "='3600'", "=0x10", "=1e3", "=36 00", `="3600`, `=3600"`, `="3600"a`, `=""`,
			"=3600;x=y", "=\u0663", "=infinity",
		} {
			t.origin200("Cache-Control", "max-age"+arg, "Expires", "@1h")
			url := "/" + strconv.Itoa(i)
			t.miss("GET", url)
			t.miss("GET", url)
		}
	}},
	rfcCase{name: "4.2.1 numbers and their forms", rule: ruleMaxAge, run: func(t *bubbleT) {
		for i, arg := range []string{
			"max-age=3600", "MaX-aGe=3600", `max-age="3600"`, `max-age="36\00"`, "max-age=03600", "max-age=0000000000000000000003600", " \t max-age=3600 \t", "max-age=3600,", ",,max-age=3600",
			"max-age = 3600", "max-age=2147483647", "max-age=2147483648", "max-age=2147483649", "max-age=99999999999999999999999999",
		} {
			t.origin200("Cache-Control", arg)
			url := "/" + strconv.Itoa(i)
			t.miss("GET", url)
			time.Sleep(time.Hour - time.Second)
			t.hit("GET", url)
		}
	}},
	rfcCase{name: "1.2.2 more than can be counted is 2147483648", rule: ruleAge, run: func(t *bubbleT) {
		t.origin200("Cache-Control", "max-age=99999999999999", "Age", "99999999999999")
		t.miss("GET", "/a")
		t.miss("GET", "/a")
		t.origin200("Cache-Control", "max-age=99999999999999", "Age", "2147483600")
		t.miss("GET", "/b")
		t.want(t.hit("GET", "/b"), 200, "body 3", "Age", "2147483600")
	}},
)

// 4.2.2: a lifetime that is guessed.
var guess = Config{Heuristic: 0.1, Statuses: []int{
	200, 201, 202, 203, 204, 299, 300, 301, 302, 307, 308, 400, 403, 404, 405, 410, 414, 500, 501, 502, 503, 504, 599,
}}

var _ = cases(
	with(guess, reuse("4.2.2 a tenth of the time since Last-Modified", ruleHeuristic, "Last-Modified", "@-10h")),
	rfcCase{name: "4.2.2 and no longer", rule: noRule, cfg: guess, run: func(t *bubbleT) {
		t.origin200("Last-Modified", "@-10h")
		t.miss("GET", "/a")
		time.Sleep(time.Hour - time.Second)
		t.hit("GET", "/a")
		time.Sleep(2 * time.Second)
		t.miss("GET", "/a")
	}},
	rfcCase{name: "4.2.2 at most a day", rule: noRule, cfg: guess, run: func(t *bubbleT) {
		t.origin200("Last-Modified", "@-87600h")
		t.miss("GET", "/a")
		time.Sleep(24*time.Hour - time.Second)
		t.hit("GET", "/a")
		time.Sleep(2 * time.Second)
		t.miss("GET", "/a")
	}},
	noReuse("4.2.2 by default not at all", noRule, "Last-Modified", "@-10h"),
	with(guess, noReuse("4.2.2 not where max-age says it", ruleMaxAge, "Cache-Control", "max-age=0", "Last-Modified", "@-10h")),
	with(guess, noReuse("4.2.2 not where max-age says nothing that is one", ruleMaxAge, "Cache-Control", "max-age=x", "Last-Modified", "@-10h")),
	with(guess, noReuse("4.2.2 not where s-maxage says it", ruleSharedMaxAge, "Cache-Control", "s-maxage=0", "Last-Modified", "@-10h")),
	with(guess, noReuse("4.2.2 not where Expires says it", ruleExpires, "Expires", "@-1s", "Last-Modified", "@-10h")),
	with(guess, noReuse("4.2.2 not without Last-Modified", noRule, "X-None", "1")),
	with(guess, noReuse("4.2.2 not by a Last-Modified that is none", noRule, "Last-Modified", "yesterday")),
	with(guess, noReuse("4.2.2 not by one in the future", noRule, "Last-Modified", "@1h")),
	rfcCase{name: "4.2.2 statuses that may be guessed for", rule: ruleHeuristic, cfg: guess, run: func(t *bubbleT) {
		for _, status := range []string{"200", "203", "204", "300", "301", "308", "404", "405", "410", "414", "501"} {
			t.origin200(":status", status, "Last-Modified", "@-10h")
			t.miss("GET", "/"+status)
			t.hit("GET", "/"+status)
		}
	}},
	rfcCase{name: "4.2.2 statuses that may not", rule: noRule, cfg: guess, run: func(t *bubbleT) {
		for _, status := range []string{"201", "202", "299", "302", "303", "307", "400", "403", "500", "502", "503", "504", "599"} {
			t.origin200(":status", status, "Last-Modified", "@-10h")
			t.miss("GET", "/"+status)
			t.miss("GET", "/"+status)
		}
	}},
	rfcCase{name: "4.2.2 but with public they may", rule: ruleHeuristic, cfg: guess, run: func(t *bubbleT) {
		for _, status := range []string{"201", "202", "299", "302", "307", "400", "403", "500", "502", "503", "504", "599"} {
			t.origin200(":status", status, "Last-Modified", "@-10h", "Cache-Control", "public")
			t.miss("GET", "/"+status)
			t.hit("GET", "/"+status)
		}
	}},
)

// 4.2.3: how old something is.
var _ = cases(
	noReuse("4.2.3 the Age it came with counts", ruleAge, "Cache-Control", hour, "Age", "7200"),
	noReuse("4.2.3 the time since Date counts", ruleDate, "Cache-Control", hour, "Date", "@-2h"),
	noReuse("4.2.3 the larger of both, Age", ruleAge, "Cache-Control", hour, "Date", "@-30m", "Age", "7200"),
	noReuse("4.2.3 the larger of both, Date", ruleDate, "Cache-Control", hour, "Date", "@-2h", "Age", "10"),
	reuse("4.2.3 a Date in the future is no age", noRule, "Cache-Control", hour, "Date", "@2h"),
	noReuse("4.2.3 a clock that is fast does not make Age less", ruleAge, "Date", "@10s", "Expires", "@20s", "Age", "25"),
	noReuse("4.2.3 nor does one that is slow", ruleAge, "Date", "@-10s", "Expires", "@10s", "Age", "25"),
	rfcCase{name: "4.2.3 without Date it is of now", rule: noRule, run: func(t *bubbleT) {
		t.origin200("Expires", "@1h")
		t.miss("GET", "/a")
		time.Sleep(time.Hour - time.Second)
		t.hit("GET", "/a")
		time.Sleep(time.Second)
		t.miss("GET", "/a")
	}},
	rfcCase{name: "4.2.3 and is shown with the Date of its receipt (RFC 9110, 6.6.1)", rule: noRule, run: func(t *bubbleT) {
		t.serve("Cache-Control", hour)
		date := formatDate(time.Now())
		t.miss("GET", "/a")
		time.Sleep(time.Minute)
		t.want(t.hit("GET", "/a"), 200, "body 1", "Date", date)
		t.serve("Cache-Control", hour, "Date", "Fri, 31 Dec 1999 23:30:00 GMT")
		t.miss("GET", "/b")
		t.want(t.hit("GET", "/b"), 200, "body 2", "Date", "Fri, 31 Dec 1999 23:30:00 GMT", "Age", "1860")
	}},
	rfcCase{name: "4.2.3 the time that the answer took counts", rule: noRule, run: func(t *bubbleT) {
		t.handle(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(5 * time.Second)
			add(w.Header(), []string{"Cache-Control", "max-age=10", "Age", "1"})
			time.Sleep(3 * time.Second)
		})
		t.miss("GET", "/a")
		t.want(t.hit("GET", "/a"), 200, "", "Age", "9")
		time.Sleep(time.Second)
		t.miss("GET", "/a")
	}},
	rfcCase{name: "4.2.3 the time since Date and that which the answer took are not added", rule: noRule, run: func(t *bubbleT) {
		t.handle(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", formatDate(time.Now()))
			time.Sleep(5 * time.Second)
			w.Header().Set("Cache-Control", hour)
		})
		t.miss("GET", "/a")
		t.want(t.hit("GET", "/a"), 200, "", "Age", "5")
	}},
	rfcCase{name: "4.2.3 the time in the cache counts", rule: ruleAgeField, run: func(t *bubbleT) {
		t.serve("Cache-Control", hour, "Age", "100")
		t.miss("GET", "/a")
		time.Sleep(50 * time.Second)
		t.want(t.hit("GET", "/a"), 200, "body 1", "Age", "150")
	}},
)

// 5.3: Expires.
var _ = cases(
	reuse("5.3 Expires in the future", ruleExpires, "Expires", "@1h"),
	noReuse("5.3 Expires in the past", noRule, "Expires", "@-1h"),
	noReuse("5.3 Expires now", noRule, "Expires", "@0s", "Date", "@0s"),
	reuse("5.3 max-age before Expires", ruleMaxAge, "Expires", "@-1h", "Cache-Control", hour),
	reuse("5.3 s-maxage before Expires", ruleSharedMaxAge, "Expires", "@-1h", "Cache-Control", "s-maxage=3600"),
	reuse("5.3 other directives leave it", ruleExpires, "Expires", "@1h", "Cache-Control", "public, ext=1"),
	with(guess, noReuse("5.3 what is no date is in the past", ruleExpires, "Expires", "0", "Last-Modified", "@-10h")),
	with(guess, noReuse("5.3 so is an empty one", ruleExpires, "Expires", "", "Last-Modified", "@-10h")),
	rfcCase{name: "5.3 dates that are none are in the past", rule: noRule, run: func(t *bubbleT) {
		for i, date := range []string{
			"0", "-1", "3600", "never", "Thu, 18 Aug 2050 2:01:18 GMT", "Thu, 8 Aug 2050 02:01:18 GMT", "Thu, 18 Aug 50 02:01:18 GMT", "Thu, 18 Aug 2050 02:01:18 AEST",
			"Thu, 18 Aug 2050 02:01:18 UTC", "Thu, 18-Aug-2050 02:01:18 GMT", "Thu, 18  Aug  2050  02:01:18  GMT", "Thu 18 Aug 2050 02:01:18 GMT", "Thu, 18 Aug 2050 02.01.18 GMT",
			"Thu, 18 Agu 2050 02:01:18 GMT", "Thu, 18 Aug 2050 02:01:18 +0000", "2050-08-18T02:01:18Z",
		} {
			t.serve("Expires", date)
			url := "/" + strconv.Itoa(i)
			t.miss("GET", url)
			t.miss("GET", url)
		}
	}},
	rfcCase{name: "4.2 the three forms, in any case", rule: ruleExpires, run: func(t *bubbleT) {
		for i, date := range []string{
			"Thu, 18 Aug 2050 02:01:18 GMT", "THU, 18 Aug 2050 02:01:18 GMT", "Thu, 18 AUG 2050 02:01:18 GMT", "Thu, 18 Aug 2050 02:01:18 gMT",
			"Sunday, 18-Aug-49 02:01:18 GMT", "Thu Aug  8 02:01:18 2050", "Tue, 19 Jan 2038 14:14:08 GMT", "Sun, 21 Nov 2286 04:46:39 GMT", "Fri, 31 Dec 9999 23:59:59 GMT",
		} {
			t.serve("Expires", date)
			url := "/" + strconv.Itoa(i)
			t.miss("GET", url)
			time.Sleep(time.Hour)
			t.hit("GET", url)
		}
	}},
)

// 5.1: Age.
var _ = cases(
	rfcCase{name: "5.1 what is reused says how old it is", rule: ruleAgeField, run: func(t *bubbleT) {
		t.serve("Cache-Control", hour)
		t.want(t.miss("GET", "/a"), 200, "body 1", "Age", "")
		t.want(t.hit("GET", "/a"), 200, "body 1", "Age", "0")
		time.Sleep(90*time.Second + 900*time.Millisecond)
		t.want(t.hit("GET", "/a"), 200, "body 1", "Age", "90")
		t.want(t.hit("HEAD", "/a"), 200, "", "Age", "90")
	}},
	rfcCase{name: "5.1 one Age, whatever came", rule: ruleAgeField, run: func(t *bubbleT) {
		t.serve("Cache-Control", hour, "Age", "10", "Age", "20")
		t.miss("GET", "/a")
		if got := t.hit("GET", "/a"); len(got.Header["Age"]) != 1 || got.Header["Age"][0] != "10" {
			t.Errorf("Age is %q", got.Header["Age"])
		}
	}},
	rfcCase{name: "5.1 an Age that is none is ignored", rule: noRule, run: func(t *bubbleT) {
		for i, age := range []string{"abc", "", "-7200", "+7200", "7200.0", "7200.5", "7200;foo=bar", "7200;foo=111", "7200 x", "7200s", "foo, 7200", "0x2000", `"7200"`, "0, 7200"} {
			t.serve("Cache-Control", hour, "Age", age)
			url := "/" + strconv.Itoa(i)
			t.miss("GET", url)
			t.hit("GET", url)
		}
	}},
	rfcCase{name: "5.1 the first of several counts", rule: ruleAge, run: func(t *bubbleT) {
		for i, ages := range [][]string{
			{"7200", ""}, {"2147483647", ""}, {"2147483648", ""}, {"2147483649", ""}, {"99999999999999999999", ""}, {"7200, 0", ""}, {"7200, foo", ""}, {"7200", "0"}, {"7200", "foo"},
			{"7200, 7200", ""}, {" 7200\t", ""}, {"007200", ""},
		} {
			fields := []string{"Cache-Control", hour, "Age", ages[0]}
			if ages[1] != "" {
				fields = append(fields, "Age", ages[1])
			}
			t.serve(fields...)
			url := "/" + strconv.Itoa(i)
			t.miss("GET", url)
			t.miss("GET", url)
		}
	}},
	rfcCase{name: "5.1 the first of several counts, on two lines", rule: noRule, run: func(t *bubbleT) {
		for i, ages := range [][]string{{"0", "7200"}, {"foo", "7200"}, {"", "7200"}} {
			t.serve("Cache-Control", hour, "Age", ages[0], "Age", ages[1])
			url := "/" + strconv.Itoa(i)
			t.miss("GET", url)
			t.hit("GET", url)
		}
	}},
)
