package httpcache

//house:sleep the cases sleep in the bubble that bubble makes

import (
	"time"
)

// RFC 9213: fields for one kind of cache, in place of Cache-Control.

const cdn = "CDN-Cache-Control"

// aimed is a case for an answer with a targeted field and others: for how many
// seconds it is fresh; not stored at all if that is 0.
func aimed(name string, r rule, lasts int, fields ...string) rfcCase {
	return aimedAt(name, r, Config{}, lasts, fields...)
}

func aimedAt(name string, r rule, cfg Config, lasts int, fields ...string) rfcCase {
	return rfcCase{name: name, rule: r, cfg: cfg, run: func(t *bubbleT) {
		t.serve(fields...)
		t.miss("GET", "/a")
		if lasts > 0 {
			time.Sleep(time.Duration(lasts-1) * time.Second)
			t.want(t.hit("GET", "/a"), 200, "body 1")
			time.Sleep(2 * time.Second)
		}
		t.want(t.miss("GET", "/a"), 200, "body 2")
	}}
}

var _ = cases(
	aimed("9213 2.2 max-age", ruleTargeted, 60, cdn, "max-age=60"),
	aimed("9213 2.2 max-age instead of a shorter one", ruleTargeted, 60, cdn, "max-age=60", "Cache-Control", "max-age=1"),
	aimed("9213 2.2 max-age instead of a longer one", ruleTargeted, 60, cdn, "max-age=60", "Cache-Control", "max-age=600, s-maxage=600"),
	aimed("9213 2.2 max-age instead of none", ruleTargeted, 60, cdn, "max-age=60", "Cache-Control", "max-age=0"),
	aimed("9213 2.2 max-age instead of no-store", ruleTargeted, 60, cdn, "max-age=60", "Cache-Control", "no-store"),
	aimed("9213 2.2 max-age instead of private", ruleTargeted, 60, cdn, "max-age=60", "Cache-Control", "private"),
	aimed("9213 2.2 max-age instead of no-cache", ruleTargeted, 60, cdn, "max-age=60", "Cache-Control", "no-cache"),
	aimed("9213 2.2 max-age instead of Expires", ruleTargeted, 60, cdn, "max-age=60", "Expires", monday),
	aimed("9213 2.2 max-age=0", ruleTargeted, 0, cdn, "max-age=0", "Cache-Control", "max-age=60"),
	aimed("9213 2.2 no-store", ruleTargeted, 0, cdn, "no-store", "Cache-Control", "max-age=60"),
	aimed("9213 2.2 private", ruleTargeted, 0, cdn, "private, max-age=60", "Cache-Control", "max-age=60"),
	aimed("9213 2.2 no-cache", ruleTargeted, 0, cdn, "no-cache", "Cache-Control", "max-age=60"),
	aimed("9213 2.2 no lifetime is not one from Expires", ruleTargeted, 0, cdn, "public", "Expires", "Mon, 01 Jan 2001 00:00:00 GMT"),
	aimed("9213 2.2 Age counts", ruleAge, 20, cdn, "max-age=60", "Age", "40"),
	aimed("9213 2.2 Age is more than that", ruleAge, 0, cdn, "max-age=60", "Age", "61", "Cache-Control", "max-age=600"),
	aimed("9213 2.2 directives that are not known", ruleTargeted, 60, cdn, "foo, max-age=60, bar=baz", "Cache-Control", "no-store"),
	aimed("9213 2.2 parameters are ignored", ruleTargeted, 60, cdn, "max-age=60;max-age=1;no-store", "Cache-Control", "no-store"),
	aimed("9213 2.2 on two lines", ruleTargeted, 60, cdn, "foo", cdn, "max-age=60", "Cache-Control", "no-store"),
	aimed("9213 2.2 the last of two counts", ruleTargeted, 60, cdn, "max-age=1, max-age=60", "Cache-Control", "no-store"),
	aimed("9213 2.2 s-maxage is for shared caches", ruleTargeted, 60, cdn, "s-maxage=60, max-age=1"),

	aimed("9213 2.1 an empty field is none", noRule, 60, cdn, "", "Cache-Control", "max-age=60"),
	aimed("9213 2.1 names in capitals are no structured field", noRule, 60, cdn, "Max-Age=6", "Cache-Control", "max-age=60"),
	aimed("9213 2.1 what cannot be parsed is ignored as a whole", noRule, 60, cdn, "max-age=6, no-store, &", "Cache-Control", "max-age=60"),
	aimed("9213 2.1 what cannot be parsed does not keep anything", noRule, 0, cdn, "max-age=60, &", "Cache-Control", "no-store"),
	aimed("9213 2.1 a value without its end", noRule, 0, cdn, `max-age="60`, "Cache-Control", "no-store"),
	aimed("9213 2.1 spaces around =", noRule, 60, cdn, "max-age = 6", "Cache-Control", "max-age=60"),
	aimed("9213 2.1 a value of another type does not make it fresh", noRule, 0, cdn, `max-age="60"`, "Cache-Control", "no-store"),
	aimed("9213 2.1 where a directive has a value of another type the field is ignored", noRule, 60, cdn, `max-age="6"`, "Cache-Control", "max-age=60"),
	aimed("9213 2.1 a decimal", noRule, 60, cdn, `max-age=6.5`, "Cache-Control", "max-age=60"),
	aimed("9213 2.1 a negative number is stale", ruleTargeted, 0, cdn, "max-age=-1", "Cache-Control", "max-age=60"),

	aimed("9213 2.2 the first of the list of targets counts", ruleTargeted, 60, "Seawall-Cache-Control", "max-age=60", cdn, "max-age=600", "Cache-Control", "no-store"),
	aimed("9213 2.2 the first that is valid", ruleTargeted, 60, "Seawall-Cache-Control", "max-age=", cdn, "max-age=60", "Cache-Control", "no-store"),
	aimedAt("9213 2.2 Targets of one's own", ruleTargeted, Config{Targets: []string{"Edge-Cache-Control"}}, 60, "Edge-Cache-Control", "max-age=60", cdn, "no-store", "Cache-Control", "no-store"),
	aimedAt("9213 2.2 no Targets", noRule, Config{Targets: []string{}}, 0, cdn, "max-age=60", "Cache-Control", "no-store"),
	rfcCase{name: "9213 3.1 CDN-Cache-Control goes on, Seawall-Cache-Control does not", rule: noRule, run: func(t *bubbleT) {
		t.serve(cdn, "max-age=600", ownTarget, "max-age=60", "Cache-Control", "max-age=6")
		for range 2 {
			t.want(t.ask("GET", "/a"), 200, "body 1", cdn, "max-age=600", ownTarget, "", "Cache-Control", "max-age=6")
		}
		t.serve(cdn, "no-store", ownTarget, "no-store", "Cache-Control", "max-age=6")
		t.want(t.ask("GET", "/b"), 200, "body 2", cdn, "no-store", ownTarget, "", "Cache-Control", "max-age=6")
		t.want(t.ask("POST", "/b"), 200, "body 3", cdn, "no-store", ownTarget, "", "Cache-Control", "max-age=6")
	}},
	rfcCase{name: "9213 2.2 stale rules are those of the targeted field", rule: ruleTargeted, run: func(t *bubbleT) {
		t.serve(cdn, "max-age=60, must-revalidate", "Cache-Control", "max-age=60, stale-if-error=600")
		t.miss("GET", "/a")
		t.serve(cdn, "max-age=60, stale-if-error=600", "Cache-Control", "max-age=60, must-revalidate")
		t.miss("GET", "/b")
		time.Sleep(61 * time.Second)
		t.serveStatus(503)
		t.want(t.ask("GET", "/a"), 503, "body 3")
		t.want(t.ask("GET", "/b"), 200, "body 2")
	}},
	rfcCase{name: "9213 2.2 Authorization: leave in the targeted field", rule: ruleTargeted, run: func(t *bubbleT) {
		t.serve(cdn, "max-age=60, public", "Cache-Control", "max-age=60")
		t.miss("GET", "/a", authorized...)
		t.hit("GET", "/a")
		t.serve(cdn, "max-age=60", "Cache-Control", "max-age=60, public")
		t.miss("GET", "/b", authorized...)
		t.miss("GET", "/b")
	}},
)
