package httpcache

//house:sleep clients and handlers sleep in the bubble that private makes

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const (
	people = 5
	pages  = 30
	// secretMark stands before the digit that says whose secret it is.
	secretMark = "secret-of-"
)

func secretOf(user int) string { return fmt.Sprintf("%s%d;", secretMark, user) }

// whose finds a secret that is not the user's.
func whose(user int, text string) bool {
	own := byte('0' + user)
	for {
		_, after, found := strings.Cut(text, secretMark)
		if !found {
			return false
		}
		if after[0] != own {
			return true
		}
		text = after
	}
}

// privateSite has pages that are for everybody most of the time, and otherwise for one
// user in one of many ways, which it tells as handlers do. It is always honest.
type privateSite struct {
	mu  sync.Mutex
	rng *rand.Rand
	way [pages]int // an index of privateWays; -1 for everybody
	n   [pages]int // edition
}

func (s *privateSite) draw(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rng.IntN(n)
}

func (s *privateSite) nap() {
	if s.draw(4) == 0 {
		time.Sleep(time.Duration(s.draw(40)) * time.Millisecond)
	}
}

// turn says how a page is today.
func (s *privateSite) turn(page int) (way, edition int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.rng.IntN(60) {
	case 0, 1, 2, 3, 4, 5, 6, 7, 8, 9:
		s.way[page] = s.rng.IntN(len(privateWays))
	case 10, 11, 12:
		s.way[page] = -1
	case 13:
		s.n[page]++
	}
	return s.way[page], s.n[page]
}

// userOf is who asks, -1 if nobody knows.
func userOf(r *http.Request) int {
	for _, name := range [...]string{"Authorization", "Cookie"} {
		if v := r.Header.Get(name); strings.HasPrefix(v, "user=") {
			return int(v[5] - '0')
		}
	}
	return -1
}

var publicControls = []string{
	"max-age=5", "max-age=60", "s-maxage=10", "max-age=1, stale-while-revalidate=5", "max-age=2, stale-if-error=30", "public, max-age=20",
	"max-age=3, must-revalidate", "public, no-cache", "s-maxage=5, stale-while-revalidate=2",
}

func (s *privateSite) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var page int
	fmt.Sscanf(r.URL.Path, "/p/%d", &page)
	way, edition := s.turn(page)
	s.nap()
	user := userOf(r)
	a := &personalAnswer{w: w, r: r, s: s, user: user, etag: fmt.Sprintf(`"v%d"`, edition)}
	a.body = fmt.Sprintf("page %d of edition %d;", page, edition)
	switch page { // the longest are sent as they are written, or not kept
	case pages - 1:
		a.body = strings.Repeat(a.body, 3000)
	case pages - 2:
		a.body = strings.Repeat(a.body, 6000)
	}
	a.header("Surrogate-Key", fmt.Sprintf("page%d all", page))
	a.header("Cache-Control", publicControls[s.draw(len(publicControls))])
	if s.draw(4) == 0 {
		a.header("Vary", "Accept-Language")
	}
	if s.draw(2) == 0 {
		w.Header().Add("Server-Timing", "db")
	}
	if user >= 0 && way >= 0 && (r.Header["Authorization"] == nil || privateWays[way].authorized) {
		a.secret = secretOf(user)
		privateWays[way].f(a)
	}
	a.send()
}

// personalAnswer is one in the making.
type personalAnswer struct {
	w       http.ResponseWriter
	r       *http.Request
	s       *privateSite
	user    int
	secret  string
	etag    string
	body    string
	status  int
	declare bool   // a length that is too large
	end     func() // after the body
}

func (a *personalAnswer) header(name, value string) { a.w.Header().Set(name, value) }

// mine makes body, entity tag and a field those of one user.
func (a *personalAnswer) mine() {
	a.body += a.secret
	a.etag = fmt.Sprintf(`"u%d-%s`, a.user, a.etag[1:])
	a.field()
}

// never is mine for what is never complete, so that no 304 is about it.
func (a *personalAnswer) never(end func()) {
	a.mine()
	a.etag, a.end = "", end
}

func (a *personalAnswer) field() { a.header("X-Secret", a.secret) }

func (a *personalAnswer) send() {
	w, header := a.w, a.w.Header()
	if a.etag != "" && a.s.draw(3) > 0 {
		header.Set("Etag", a.etag)
		if a.status == 0 && matchesAny(a.r.Header["If-None-Match"], a.etag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	if a.declare {
		header.Set("Content-Length", fmt.Sprint(len(a.body)+3))
	}
	if a.status == 0 && a.s.draw(2) == 0 && a.end == nil {
		http.ServeContent(w, a.r, "a.txt", time.Time{}, strings.NewReader(a.body))
		return
	}
	if a.status != 0 {
		w.WriteHeader(a.status)
	}
	if a.r.Method != http.MethodHead {
		half := len(a.body) / 2
		io.WriteString(w, a.body[:half])
		switch a.s.draw(4) {
		case 0:
			http.NewResponseController(w).Flush()
			a.s.nap()
		case 1:
			a.s.nap()
		}
		io.WriteString(w, a.body[half:])
	}
	if a.end != nil {
		a.end()
	}
}

// privateWays are the ways in which an answer is for one user. With authorized they
// are also where the request has an Authorization field, which alone has some leave.
var privateWays = []struct {
	name       string
	authorized bool
	f          func(a *personalAnswer)
}{
	{"private", true, func(a *personalAnswer) { a.mine(); a.header("Cache-Control", "private, max-age=60") }},
	{"private among others", true, func(a *personalAnswer) {
		a.mine()
		a.w.Header()["Cache-Control"] = []string{"public, max-age=60", "x=\"a,b\" , PRIVATE"}
	}},
	{"no-store", true, func(a *personalAnswer) { a.mine(); a.header("Cache-Control", "max-age=60, no-store=1") }},
	{"Set-Cookie", true, func(a *personalAnswer) { a.mine(); a.header("Set-Cookie", "s="+a.secret) }},
	{"Set-Cookie with a page for all", true, func(a *personalAnswer) { a.header("Set-Cookie", "s="+a.secret) }},
	{"Vary: Cookie", false, func(a *personalAnswer) { a.mine(); a.header("Vary", "cookie") }},
	{"Vary: Cookie among others", false, func(a *personalAnswer) {
		a.mine()
		a.w.Header()["Vary"] = []string{"Accept-Language", "Accept-Encoding , Cookie"}
	}},
	{"Vary: Authorization", true, func(a *personalAnswer) {
		if a.r.Header["Authorization"] != nil {
			a.mine()
			a.header("Vary", "Authorization")
			a.header("Cache-Control", "public, max-age=10")
		}
	}},
	{"authorized", true, func(a *personalAnswer) {
		if a.r.Header["Authorization"] != nil {
			a.mine()
			a.header("Cache-Control", "max-age=60")
		}
	}},
	{"Vary: *", true, func(a *personalAnswer) { a.mine(); a.header("Vary", "Accept, *") }},
	{"no lifetime", true, func(a *personalAnswer) { a.mine(); a.w.Header().Del("Cache-Control") }},
	{"an own field, no-cache", true, func(a *personalAnswer) {
		a.field()
		a.header("Cache-Control", `public, max-age=60, no-cache="Set-Cookie, x-secret"`)
	}},
	{"an own field, private", true, func(a *personalAnswer) { a.field(); a.header("Cache-Control", `public, max-age=60, private=x-secret`) }},
	{"a field of the connection", true, func(a *personalAnswer) { a.field(); a.header("Connection", "close, X-Secret") }},
	{"private for caches like this", true, func(a *personalAnswer) { a.mine(); a.header("CDN-Cache-Control", "private") }},
	{"no-store for this one", true, func(a *personalAnswer) { a.mine(); a.header("Seawall-Cache-Control", "no-store") }},
	{"private, with a page for all", true, func(a *personalAnswer) { a.field(); a.header("Cache-Control", "private, max-age=60") }},
	{"a failure", true, func(a *personalAnswer) { a.mine(); a.status = 500 + a.s.draw(5) }},
	{"refused", true, func(a *personalAnswer) { a.mine(); a.status = 429; a.header("Seawall-Reason", "rate_limited") }},
	{"not authorized", true, func(a *personalAnswer) { a.mine(); a.status = 401 }},
	{"a part", true, func(a *personalAnswer) { a.mine(); a.status = 206; a.header("Content-Range", "bytes 0-9/1000") }},
	{"events", true, func(a *personalAnswer) {
		a.never(func() {})
		a.header("Content-Type", "text/event-stream")
	}},
	{"a trailer", true, func(a *personalAnswer) {
		a.end = func() { a.header(http.TrailerPrefix+"X-Secret", a.secret) }
	}},
	{"too short", true, func(a *personalAnswer) { a.never(func() {}); a.declare = true }},
	{"aborted", true, func(a *personalAnswer) { a.never(func() { panic(http.ErrAbortHandler) }) }},
	{"left alone", true, func(a *personalAnswer) {
		a.never(func() {
			select {
			case <-a.r.Context().Done():
			case <-time.After(100 * time.Millisecond):
				panic(http.ErrAbortHandler)
			}
		})
	}},
	{"the request changed", true, func(a *personalAnswer) {
		a.mine()
		a.r.Header.Set("X-User", a.secret)
		a.header("Vary", "X-User")
	}},
	{"only after asking", true, func(a *personalAnswer) { a.mine(); a.header("Cache-Control", "public, no-cache") }},
	{"only after asking, too", true, func(a *personalAnswer) { a.mine(); a.header("Cache-Control", "max-age=0, must-revalidate") }},
}

var (
	askedControls = []string{"no-cache", "max-age=0", "max-stale", "max-stale=10", "min-fresh=3", "only-if-cached", "no-store", "only-if-cached, max-stale"}
	askedRanges   = []string{"bytes=0-5", "bytes=5-", "bytes=-8", "bytes=0-1,4-5", "bytes=900000-", "lines=1-2"}
	askedTags     = []string{`"v0"`, `"v1"`, `"u1-v0"`, `"u2-v1"`, "*", `W/"v0"`}
)

// privateRequest is one that a user makes.
func privateRequest(rng *rand.Rand, user int) *http.Request {
	one := func(of []string) string { return of[rng.IntN(len(of))] }
	method := http.MethodGet
	switch n := rng.IntN(100); {
	case n < 8:
		method = http.MethodHead
	case n < 11:
		method = one([]string{"POST", "PUT", "DELETE", "OPTIONS"})
	}
	// Some pages are asked for far more often than others.
	page := min(rng.IntN(pages), rng.IntN(pages), rng.IntN(pages))
	r := httptest.NewRequest(method, fmt.Sprintf("http://site.example/p/%d", page), nil)
	who := fmt.Sprintf("user=%d", user)
	sometimes := func(percent int, name, value string) {
		if rng.IntN(100) < percent {
			r.Header.Set(name, value)
		}
	}
	sometimes(95, "Cookie", who)
	sometimes(10, "Authorization", who)
	sometimes(70, "Accept-Language", one([]string{"de", "en", "de, en;q=0.5"}))
	sometimes(5, "Cache-Control", one(askedControls))
	sometimes(8, "Range", one(askedRanges))
	sometimes(3, "If-Range", one(askedTags))
	sometimes(8, "If-None-Match", one(askedTags))
	sometimes(2, "If-Modified-Since", "Sat, 01 Jan 2000 00:00:00 GMT")
	sometimes(1, "X-Forwarded-Host", who)
	return r
}

// exchangeOf makes a request, and returns all that the client gets of the answer.
func exchangeOf(front http.Handler, r *http.Request) (answer *http.Response, seen string) {
	w := httptest.NewRecorder()
	defer func() {
		if v := recover(); v != nil && v != http.ErrAbortHandler {
			panic(v)
		}
		answer = w.Result()
		seen = fmt.Sprint(answer.Header, answer.Trailer, w.Header()) + w.Body.String()
	}()
	front.ServeHTTP(w, r)
	return answer, seen
}

// TestPrivacy: whatever users ask at the same time, and in whatever way handlers say
// that an answer is for one of them, nothing of it is seen by another, and what is for
// all comes out of the cache. (SEAWALL_LONG: a million exchanges.)
func TestPrivacy(t *testing.T) {
	n := 20_000
	switch {
	case long():
		n = 1_000_000
	case raceEnabled:
		n = 4000
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for name, processes := range map[string]int{"local": 1, "shared": 2} {
		t.Run(name, func(t *testing.T) {
			// Not all in one bubble: it would be one cache, as it came to be by chance.
			for part := 0; part < n/2; part += 10_000 {
				seed++
				p := private(t, seed, min(n/2, 10_000), processes)
				for _, leak := range p.leaks {
					t.Error(leak)
				}
				hits, own := float64(p.hits)/float64(p.asked), float64(p.own)/float64(p.asked)
				t.Logf("seed %d: %d exchanges, %.1f %% hits, %.1f %% of answers are for one alone", seed, p.asked, 100*hits, 100*own)
				if len(p.leaks) == 0 && (hits < 0.3 || own < 0.1) {
					t.Errorf("%.1f %% of all exchanges are hits, and %.1f %% show something that is for one alone", 100*hits, 100*own)
				}
			}
		})
	}
}

// TestPrivacyBites: without a rule that keeps something private, that is seen.
func TestPrivacyBites(t *testing.T) {
	if raceEnabled {
		t.Skip("it is about rules, and runs without the detector")
	}
	seed := rand.Uint64()
	for name, r := range map[string]rule{
		"NoStore": ruleNoStore, "Private": rulePrivate, "Authorization": ruleAuthorization, "SetCookie": ruleSetCookie, "Status": ruleStatus,
		"Complete": ruleComplete, "HopByHop": ruleHopByHop, "Qualified": ruleQualified, "Vary": ruleVary, "VaryStar": ruleVaryStar,
		"NoCache": ruleNoCache, "Targeted": ruleTargeted, "OuterFields": ruleOuterFields,
	} {
		t.Run(name, func(t *testing.T) {
			for range 5 {
				seed++
				if len(private(t, seed, 10_000, 1, r).leaks) > 0 {
					return
				}
			}
			t.Error("nothing private is seen without this rule")
		})
	}
}

// privately is what has come of some exchanges.
type privately struct {
	mu               sync.Mutex
	asked, hits, own int
	leaks            []string
}

// note looks at an answer, and says whether to go on.
func (p *privately) note(user int, r *http.Request, answer *http.Response, seen string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	if status := answer.Header.Get("Cache-Status"); strings.Contains(status, "; hit") || strings.HasSuffix(status, "; collapsed") {
		p.hits++
	}
	if strings.Contains(seen, "X-Secret") || strings.Contains(seen, ";"+secretMark) {
		p.own++
	}
	if whose(user, seen) {
		p.leaks = append(p.leaks, fmt.Sprintf("user %d asked %s %s %v\nand saw %.3000s", user, r.Method, r.URL, r.Header, seen))
	}
	return len(p.leaks) == 0
}

// private lets users loose, until something is seen that should not be.
func private(t *testing.T, seed uint64, exchanges, processes int, off ...rule) *privately {
	t.Helper()
	p := &privately{}
	synctest.Test(t, func(t *testing.T) {
		site := &privateSite{rng: rand.New(rand.NewPCG(seed, 0))}
		for i := range site.way {
			site.way[i] = -1
		}
		d := newDepot()
		var caches []*Cache
		var fronts []http.Handler
		for range processes {
			cfg := Config{MaxBytes: 4 << 20, MaxBody: 100 << 10}
			if processes > 1 {
				cfg.Name, cfg.Shared = "pages", shared{L2: d, Bus: d}
			}
			h := newCache(t, cfg)
			for _, r := range off {
				h.off |= 1 << r
			}
			caches = append(caches, h)
			inner := h.Middleware(site)
			fronts = append(fronts, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if user := userOf(r); user >= 0 { // who stands in front knows them, too
					w.Header().Set("X-Outer", secretOf(user))
					w.Header().Set("Server-Timing", secretOf(user))
				}
				inner.ServeHTTP(w, r)
			}))
		}
		time.Sleep(2 * time.Second)
		var all sync.WaitGroup
		const clients = 20
		for c := range clients {
			rng := rand.New(rand.NewPCG(seed, uint64(c)+1))
			user := c % people
			all.Go(func() {
				for range exchanges / clients {
					at := rng.IntN(processes)
					r := privateRequest(rng, user)
					cancel := func() {}
					if rng.IntN(20) == 0 { // goes away
						var ctx context.Context
						ctx, cancel = context.WithTimeout(r.Context(), time.Duration(rng.IntN(50))*time.Millisecond)
						r = r.WithContext(ctx)
					}
					answer, seen := exchangeOf(fronts[at], r)
					cancel()
					if !p.note(user, r, answer, seen) {
						return
					}
					purgeAtTimes(t.Context(), rng, caches[at])
					time.Sleep(time.Duration(rng.IntN(100)) * time.Millisecond)
				}
			})
		}
		all.Wait()
	})
	return p
}

func purgeAtTimes(ctx context.Context, rng *rand.Rand, h *Cache) {
	page := rng.IntN(pages)
	switch rng.IntN(1000) {
	case 0, 1, 2:
		_ = h.Purge(ctx, fmt.Sprintf("http://site.example/p/%d", page))
	case 3, 4:
		_ = h.PurgeTags(ctx, fmt.Sprint("page", page))
	case 5:
		_ = h.PurgePrefix(ctx, "http://site.example/p/")
	case 6:
		_ = h.Clear(ctx)
	}
}
