package httpcache

import (
	"net/http"
	"strings"
	"time"
)

// times are those of one response (RFC 9111, 4.2). Ages count from began, the
// moment its request was made, by the clock of this Cache.
type times struct {
	began    int64         // nanoseconds
	age      time.Duration // at began
	lifetime time.Duration
	// What may be done with it when it is stale. Absent (-1) leaves that to Config.
	staleRevalidate, staleError time.Duration
	// noCache: not without asking; strict: not stale, but for what the two above say.
	noCache, strict bool
	explicit        bool // it says itself how long it is good for
}

func (t *times) current(now int64) time.Duration { return t.age + time.Duration(max(now-t.began, 0)) }

// fresh is for how much longer it is so; negative since when it is not.
func (t *times) fresh(now int64) time.Duration {
	if t.noCache {
		return min(0, t.lifetime-t.current(now))
	}
	return t.lifetime - t.current(now)
}

// control returns the directives that count for this cache: those of the first
// targeted field that it goes by (RFC 9213, 2.2), else Cache-Control.
func (h *Cache) control(header http.Header) (d directives, targeted bool) {
	if h.on(ruleTargeted) {
		for _, name := range h.cfg.Targets {
			if lines := header[name]; len(lines) > 0 {
				if d, ok := parseTargeted(lines); ok {
					return d, true
				}
			}
		}
	}
	return parseDirectives(header["Cache-Control"]), false
}

// timesOf computes the times of a response whose request was made at began, and
// which is there now.
func (h *Cache) timesOf(status int, header http.Header, d *directives, targeted bool, began, now int64) times {
	wall := time.Now()
	date, ok := parseDate(first(header["Date"]))
	if !ok {
		date = wall
	}
	t := times{began: began, noCache: d.noCache && h.on(ruleNoCache), staleRevalidate: absent, staleError: absent}
	if h.on(ruleDate) {
		// Of the apparent age, what passed since the request counts from began anyway.
		t.age = min(max(wall.Sub(date)-time.Duration(now-began), 0), secs(mostSeconds))
	}
	if h.on(ruleAge) {
		if age, ok := ageOf(header["Age"]); ok {
			t.age = max(t.age, age)
		}
	}
	if d.staleRevalidate != absent && h.on(ruleStaleRevalidate) {
		t.staleRevalidate = secs(d.staleRevalidate)
	}
	if d.staleError != absent && h.on(ruleStaleError) {
		t.staleError = secs(d.staleError)
	}
	never := d.mustRevalidate && h.on(ruleMustRevalidate) || d.proxyRevalidate && h.on(ruleProxyRevalidate)
	t.strict = never || d.sMaxage != absent && h.on(ruleSharedRevalidate)
	for _, window := range [...]*time.Duration{&t.staleRevalidate, &t.staleError} {
		if never || t.strict && *window == absent {
			*window = 0
		}
	}
	t.lifetime, t.explicit = h.lifetime(status, header, d, targeted, date)
	return t
}

func secs(n int64) time.Duration { return time.Duration(n) * time.Second }

// lifetime is for how long a response is fresh (RFC 9111, 4.2.1). If it says that
// more than once, and not the same, it is not believed.
func (h *Cache) lifetime(status int, header http.Header, d *directives, targeted bool, date time.Time) (lifetime time.Duration, explicit bool) {
	switch expires := header["Expires"]; {
	case d.conflict && h.on(ruleConflicts):
		return 0, true
	case d.sMaxage != absent && h.on(ruleSharedMaxAge):
		return secs(d.sMaxage), true
	case d.maxAge != absent && h.on(ruleMaxAge):
		return secs(d.maxAge), true
	case len(expires) > 0 && !targeted && h.on(ruleExpires):
		t, ok := parseDate(expires[0])
		if !ok || h.on(ruleConflicts) && differ(expires) { // "0" is the usual one
			return 0, true
		}
		return min(max(t.Sub(date), 0), secs(mostSeconds)), true
	}
	modified, ok := parseDate(first(header["Last-Modified"]))
	if h.cfg.Heuristic <= 0 || !h.on(ruleHeuristic) || !ok || !d.public && !heuristicStatus(status) {
		return 0, false
	}
	return min(max(time.Duration(float64(date.Sub(modified))*h.cfg.Heuristic), 0), mostHeuristic), false
}

func differ(values []string) bool {
	for _, v := range values {
		if v != values[0] {
			return true
		}
	}
	return false
}

// mostHeuristic bounds a guess.
const mostHeuristic = 24 * time.Hour

// heuristicStatus says for which a lifetime may be guessed (RFC 9110, 15.1).
func heuristicStatus(status int) bool {
	switch status {
	case 200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501:
		return true
	}
	return false
}

// ageOf reads an Age field (RFC 9111, 5.1): the first of several, and none if that
// is no number.
func ageOf(lines []string) (time.Duration, bool) {
	if len(lines) == 0 {
		return 0, false
	}
	text, _, _ := strings.Cut(lines[0], ",")
	n, ok := seconds(trimOWS(text))
	return secs(n), ok
}
