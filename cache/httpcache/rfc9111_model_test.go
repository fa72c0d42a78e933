package httpcache

//house:sleep the walks sleep in the bubble that bubble makes

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
)

// known is what a shared cache may know of one URL, or of one variant of it, if it
// goes by RFC 9111: written anew, of simple words only.
type known struct {
	text     string
	etag     string
	status   int
	asked    time.Time // when it was made
	age      int       // what its Age said
	lifetime int
	noCache  bool
	strict   bool // must-revalidate, s-maxage
}

func (k *known) old(now time.Time) time.Duration { return now.Sub(k.asked) + inSeconds(k.age) }

func (k *known) left(now time.Time) time.Duration { return inSeconds(k.lifetime) - k.old(now) }

// says is what the origin says of an answer.
type says struct {
	status    int
	control   string
	lifetime  int // as a shared cache has to read that; -1 is none
	forbidden bool
	noCache   bool
	strict    bool
	leave     bool // for answers to authorized requests
	age       int
	etag      string
	cookie    bool
}

var controls = []func(n int) says{
	func(n int) says { return says{control: fmt.Sprintf("max-age=%d", n), lifetime: n} },
	func(n int) says { return says{control: fmt.Sprintf("MAX-AGE=%d, x", n), lifetime: n} },
	func(n int) says { return says{control: fmt.Sprintf("public, max-age=%d", n), lifetime: n, leave: true} },
	func(n int) says {
		return says{control: fmt.Sprintf("max-age=1, s-maxage=%d", n), lifetime: n, leave: true, strict: true}
	},
	func(n int) says {
		return says{control: fmt.Sprintf("max-age=%d,must-revalidate", n), lifetime: n, leave: true, strict: true}
	},
	func(n int) says {
		return says{control: fmt.Sprintf("max-age=%d, no-store", n), lifetime: n, forbidden: true}
	},
	func(n int) says {
		return says{control: fmt.Sprintf("private, max-age=%d", n), lifetime: n, forbidden: true}
	},
	func(n int) says {
		return says{control: fmt.Sprintf("max-age=%d, no-cache", n), lifetime: n, noCache: true}
	},
	func(int) says { return says{control: "max-age=0", lifetime: 0} },
	func(int) says { return says{control: "x=max-age=60", lifetime: -1} },
}

// walk is one walk through a site of three pages: the second varies by Foo, the
// third by Foo and Bar.
type walk struct {
	*bubbleT
	rng  *rand.Rand
	next says
	know map[string]*known

	onError time.Duration // StaleIfError

	hits, validated, asked int
}

func (w *walk) pick() says {
	s := controls[w.rng.IntN(len(controls))](10 + w.rng.IntN(100))
	s.status = []int{200, 200, 200, 200, 404, 500, 503}[w.rng.IntN(7)]
	if w.rng.IntN(3) == 0 {
		s.age = w.rng.IntN(60)
	}
	if w.rng.IntN(2) == 0 {
		s.etag = fmt.Sprintf(`"%d"`, w.rng.IntN(2))
	}
	s.cookie = w.rng.IntN(12) == 0
	return s
}

func (w *walk) origin(rw http.ResponseWriter, r *http.Request) {
	s, h := w.next, rw.Header()
	h.Set("Cache-Control", s.control)
	if s.age > 0 {
		h.Set("Age", strconv.Itoa(s.age))
	}
	if s.etag != "" {
		h.Set("Etag", s.etag)
	}
	if s.cookie {
		h.Set("Set-Cookie", "a=b")
	}
	switch r.URL.Path {
	case "/foo":
		h.Set("Vary", "Foo")
	case "/both":
		h.Set("Vary", "bar, foo")
	}
	if s.etag != "" && s.status == 200 && r.Header.Get("If-None-Match") == s.etag {
		rw.WriteHeader(http.StatusNotModified)
		return
	}
	rw.WriteHeader(s.status)
	fmt.Fprintf(rw, "body %d", w.count())
}

// step makes one request, and says what should come of it before.
func (w *walk) step() {
	path := []string{"/none", "/foo", "/both"}[w.rng.IntN(3)]
	foo, bar := strconv.Itoa(w.rng.IntN(2)), strconv.Itoa(w.rng.IntN(2))
	key := path + map[string]string{"/foo": foo, "/both": foo + bar}[path]
	w.next = w.pick()
	fields := []string{"Foo", foo, "Bar", bar}
	now := time.Now()
	if w.rng.IntN(20) == 0 {
		w.miss("POST", path, fields...)
		if w.next.status < 400 {
			w.forget(path)
		}
		return
	}
	authorized := w.rng.IntN(6) == 0
	if authorized {
		fields = append(fields, "Authorization", "Basic YTpi")
	}
	k := w.know[key]
	if k != nil && k.etag == "" && !w.mayStandIn(k, now) {
		k = nil // is not kept: nothing can be asked about it
	}
	usable := k != nil && k.left(now) > 0 && !k.noCache
	standIn := k != nil && w.mayStandIn(k, now)
	n := 1 + w.rng.IntN(60)
	noStore, only := false, false
	switch w.rng.IntN(16) {
	case 0:
		fields, usable = append(fields, "Cache-Control", "no-cache"), false
	case 1:
		fields = append(fields, "Cache-Control", fmt.Sprintf("max-age=%d", n))
		usable = usable && k.old(now) <= inSeconds(n)
	case 2:
		fields = append(fields, "Cache-Control", fmt.Sprintf("min-fresh=%d", n))
		usable = usable && k.left(now) >= inSeconds(n)
	case 3:
		fields = append(fields, "Cache-Control", fmt.Sprintf("max-stale=%d", n))
		usable = usable || k != nil && !k.noCache && !k.strict && -k.left(now) <= inSeconds(n)
	case 4:
		fields, only = append(fields, "Cache-Control", "only-if-cached"), true
	case 5:
		fields, noStore = append(fields, "Cache-Control", "no-store"), true
	}
	switch {
	case usable:
		w.hits++
		got := w.hit("GET", path, fields...)
		w.want(got, k.status, k.text, "Set-Cookie", "", "Etag", k.etag)
		age := int(k.old(now) / time.Second)
		if n, err := strconv.Atoi(got.Header.Get("Age")); err != nil || n != age && n != int((k.old(now)-20*time.Millisecond)/time.Second) {
			w.Errorf("Age is %q instead of %d", got.Header.Get("Age"), age)
		}
	case only:
		w.want(w.hit("GET", path, fields...), 504, body(ask(w.front, "GET", "/never", "Cache-Control", "only-if-cached")))
	case standIn && w.next.status >= 500: // also for a reload that fails
		w.want(w.miss("GET", path, fields...), k.status, k.text)
	default:
		w.asked++
		w.learn(key, k, w.miss("GET", path, fields...), now, authorized, noStore)
	}
}

// learn takes in what a request has brought that went to the origin.
func (w *walk) learn(key string, k *known, got *http.Response, now time.Time, authorized, noStore bool) {
	s := w.next
	cookie := ""
	if s.cookie {
		cookie = "a=b"
	}
	unchanged := false
	if k != nil && k.etag != "" {
		if inm := w.request().Header.Get("If-None-Match"); inm != k.etag {
			w.Errorf("%s was asked about by %q, not by %q", key, inm, k.etag)
		}
		unchanged = s.status == 200 && s.etag == k.etag
	}
	text := fmt.Sprintf("body %d", w.count())
	if unchanged {
		w.validated++
		w.want(got, k.status, k.text, "Set-Cookie", cookie)
		text, s.status = k.text, k.status
	} else {
		w.want(got, s.status, text, "Set-Cookie", cookie)
	}
	kept := s.status < 500 && s.lifetime >= 0 && (s.etag != "" || !s.noCache && s.lifetime > s.age)
	nobodys := s.forbidden || !s.cookie && (!authorized || s.leave)
	switch {
	case unchanged && s.forbidden:
		w.forget(key[:4])
	case k != nil && (k.noCache || k.left(now) <= 0) && nobodys && !unchanged && (s.forbidden || !kept) && !authorized && !noStore && s.status < 500:
		delete(w.know, key) // it will not be true again
	case s.forbidden, s.cookie, noStore, authorized && !s.leave:
	case kept, unchanged:
		w.know[key] = &known{text: text, etag: s.etag, status: s.status, asked: now, age: s.age, lifetime: max(s.lifetime, 0), noCache: s.noCache, strict: s.strict}
	}
}

// mayStandIn says whether what is known may be shown when the origin fails.
func (w *walk) mayStandIn(k *known, now time.Time) bool {
	return !k.noCache && (k.left(now) > 0 || !k.strict && -k.left(now) < w.onError)
}

// forget forgets a page in all its variants.
func (w *walk) forget(page string) {
	maps.DeleteFunc(w.know, func(key string, _ *known) bool { return strings.HasPrefix(key, page) })
}

// TestRFCModel walks at random, and compares each answer with what RFC 9111 says.
func TestRFCModel(t *testing.T) {
	seeds := 40
	if testing.Short() {
		seeds = 8
	}
	var hits, validated, asked int
	for seed := range seeds {
		cfg := Config{StaleIfError: seawall.Off, ErrorPause: time.Millisecond, MinReload: seawall.Off, Keep: 24 * time.Hour}
		onError := time.Duration(seed%2) * 30 * time.Second
		if onError > 0 {
			cfg.StaleIfError = onError
		}
		wrong := bubble(t, rfcCase{cfg: cfg, run: func(t *bubbleT) {
			w := &walk{bubbleT: t, rng: rand.New(rand.NewPCG(uint64(seed), 1)), know: map[string]*known{}, onError: onError}
			t.handle(w.origin)
			for range 400 {
				// Never at the end of a lifetime, which is told by a coarse clock.
				time.Sleep(time.Duration(w.rng.IntN(8))*time.Second + time.Duration(1+w.rng.IntN(3))*100*time.Millisecond)
				if w.atAnEnd() {
					time.Sleep(50 * time.Millisecond)
				}
				if w.step(); len(t.wrong) > 0 {
					break
				}
			}
			hits, validated, asked = hits+w.hits, validated+w.validated, asked+w.asked
		}})
		for _, m := range wrong {
			t.Errorf("seed %d: %s", seed, m)
		}
	}
	if hits < asked/4 || validated < hits/20 {
		t.Errorf("%d hits, %d validated, %d went to the origin: that tests little", hits, validated, asked)
	}
	t.Logf("%d hits, %d validated, %d went to the origin", hits, validated, asked)
}

func (w *walk) atAnEnd() bool {
	for _, k := range w.know {
		left := k.left(time.Now())
		if left.Abs() < 20*time.Millisecond || (left+w.onError).Abs() < 20*time.Millisecond {
			return true
		}
	}
	return false
}

func inSeconds(n int) time.Duration { return time.Duration(n) * time.Second }
