package httpcache

var _ = cases(
	rfcCase{name: "3 what says for how long is kept", rule: noRule, run: func(t *bubbleT) {
		t.serve("Cache-Control", "max-age=60")
		t.want(t.miss("GET", "/a"), 200, "body 1")
		t.want(t.hit("GET", "/a"), 200, "body 1")
	}},
	rfcCase{name: "3 no-store is not kept", rule: ruleNoStore, run: func(t *bubbleT) {
		t.serve("Cache-Control", "no-store, max-age=60")
		t.want(t.miss("GET", "/a"), 200, "body 1")
		t.want(t.miss("GET", "/a"), 200, "body 2")
	}},
)
