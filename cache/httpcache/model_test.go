package httpcache

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache"
)

//house:sleep everything here runs in bubbles

// truth is a site whose pages have versions. What the handler reads it reads some
// time after it was asked, and writes some time later.
type truth struct {
	rng func(n int) int
	h   *Cache

	mu      sync.Mutex
	version map[string]int // of what is true
	floor   map[string]int // what nobody may fall below, since a purge has returned
	trace   []string
}

const modelHost = "http://site.example"

var modelPaths = []string{"/a/1", "/a/2", "/b/1"}

func (s *truth) notef(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trace = append(s.trace, fmt.Sprintf(format, args...))
}

// moments lets some time pass, mostly the same for many, so that they meet.
func (s *truth) moments() {
	switch s.rng(4) {
	case 0:
	case 1:
		runtime.Gosched()
	default:
		time.Sleep(time.Duration(s.rng(6)) * time.Millisecond)
	}
}

func (s *truth) read(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version[path]
}

// ServeHTTP answers in all ways that make a difference to what is kept.
func (s *truth) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.moments()
	if r.Method == http.MethodPost {
		s.mu.Lock()
		s.version[r.URL.Path]++
		s.mu.Unlock()
		s.moments()
		w.WriteHeader(http.StatusNoContent)
		return
	}
	version := s.read(r.URL.Path)
	s.moments()
	header, text := w.Header(), strconv.Itoa(version)
	if s.rng(3) == 0 {
		header.Set("Vary", "X-Part")
		text += r.Header.Get("X-Part")
	}
	tag := `"` + text + `"`
	header.Set("Surrogate-Key", "site page"+strings.ReplaceAll(r.URL.Path, "/", "-"))
	header.Set("Cache-Control", [...]string{
		"max-age=600", "max-age=600", "max-age=600", "max-age=0, stale-while-revalidate=60", "max-age=0", "no-cache", "private", "no-store",
	}[s.rng(8)])
	if s.rng(4) > 0 {
		header.Set("Etag", tag)
	}
	switch {
	case s.rng(10) == 0:
		header.Del("Etag")
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case slices.Contains(r.Header["If-None-Match"], tag):
		header.Set("Etag", tag)
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if s.rng(4) == 0 {
		w.(http.Flusher).Flush()
		s.moments()
	}
	io.WriteString(w, text)
	s.moments()
}

// purge makes a page change, and forgets it in one of all the ways there are.
func (s *truth) purge(path string, way int, front http.Handler) {
	changed := []string{path}
	switch way {
	case 0, 1, 2:
	case 3:
		changed = []string{"/a/1", "/a/2"}
	default:
		changed = modelPaths
	}
	floor := make(map[string]int)
	if way > 0 {
		s.mu.Lock()
		for _, p := range changed {
			s.version[p]++
			floor[p] = s.version[p]
		}
		s.mu.Unlock()
		s.moments()
	} else {
		floor[path] = s.read(path) + 1
	}
	var err error
	switch way {
	case 0:
		r := httptest.NewRequest(http.MethodPost, modelHost+path, http.NoBody)
		front.ServeHTTP(httptest.NewRecorder(), r)
	case 1:
		err = s.h.Purge(context.Background(), modelHost+path)
	case 2:
		err = s.h.PurgeTags(context.Background(), "page"+strings.ReplaceAll(path, "/", "-"))
	case 3:
		err = s.h.PurgePrefix(context.Background(), modelHost+"/a/")
	case 4:
		err = s.h.PurgeTags(context.Background(), "site")
	default:
		err = s.h.Clear(context.Background())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for p, v := range floor {
		s.floor[p] = max(s.floor[p], v)
	}
	s.trace = append(s.trace, fmt.Sprintf("%d way of %s: %v at least, %v", way, path, floor, err))
}

// get asks for a page, and returns what is wrong with the answer.
func (s *truth) get(path string, front http.Handler) string {
	r := httptest.NewRequest(http.MethodGet, modelHost+path, http.NoBody)
	if s.rng(2) == 0 {
		r.Header.Set("X-Part", "p")
	}
	switch s.rng(8) {
	case 0:
		r.Header.Set("If-None-Match", fmt.Sprintf(`"%d%s"`, s.read(path), r.Header.Get("X-Part")))
	case 1:
		r.Method = http.MethodHead
	case 2:
		r.Header.Set("X-Forwarded-Host", "other.example")
	case 3:
		r.Header.Set("Cache-Control", "no-cache")
	}
	s.mu.Lock()
	floor := s.floor[path]
	s.mu.Unlock()
	w := httptest.NewRecorder()
	front.ServeHTTP(w, r)
	got, b := w.Result(), w.Body.String()
	s.notef("%s %s %v: %d %q %q %q", r.Method, path, r.Header, got.StatusCode, b, got.Header.Get("Etag"), got.Header.Get("Cache-Status"))
	if got.Header.Get(seawall.ReasonHeader) != "" {
		b = "" // after three failures
	}
	for _, text := range []string{b, strings.Trim(got.Header.Get("Etag"), `"`)} {
		if text == "" {
			continue
		}
		number, part := strings.CutSuffix(text, "p")
		if version, err := strconv.Atoi(number); err != nil || version < floor || part && r.Header["X-Part"] == nil {
			return fmt.Sprintf("%s %s %v: got %q, want at least %d (%v)", r.Method, path, r.Header, text, floor, got.Header)
		}
	}
	return ""
}

// uneasy is an L1 that lets others go on in the middle of things.
type uneasy struct {
	cache.L1[Key, *Response]

	rng func(n int) int
}

func (u uneasy) yield() {
	for range u.rng(3) {
		runtime.Gosched()
	}
}

func (u uneasy) Get(k Key) (*cache.Entry[*Response], bool) {
	u.yield()
	defer u.yield()
	return u.L1.Get(k)
}

func (u uneasy) Set(k Key, e *cache.Entry[*Response], cost int64) {
	u.yield()
	u.L1.Set(k, e, cost)
	u.yield()
}

// modelRun plays one schedule, and returns what went wrong, with all that happened.
func modelRun(t *testing.T, seed uint64) (wrong string, trace []string) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		random := rand.New(rand.NewPCG(seed, 6))
		rng := func(n int) int {
			mu.Lock()
			defer mu.Unlock()
			return random.IntN(n)
		}
		l1, err := cache.LRU[Key, *Response](100)
		if err != nil {
			t.Fatal(err)
		}
		h, err := New(Config{L1: uneasy{l1, rng}, Wait: 20 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		s := &truth{rng: rng, h: h, version: make(map[string]int), floor: make(map[string]int)}
		front := h.Middleware(s)
		var all sync.WaitGroup
		for i := range 40 {
			path, way := modelPaths[rng(len(modelPaths))], rng(7)
			start := time.Duration(rng(30)) * time.Millisecond
			all.Go(func() {
				time.Sleep(start)
				if i%5 == 0 {
					s.purge(path, way, front)
					return
				}
				if bad := s.get(path, front); bad != "" {
					s.mu.Lock()
					wrong = bad
					s.mu.Unlock()
				}
			})
		}
		all.Wait()
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
		for s := range h.flights {
			for f := range maps.Values(h.flights[s].byKey) {
				t.Errorf("a flight for %v has not ended", f.key)
			}
		}
		trace = s.trace
	})
	return wrong, trace
}

// TestModelPurge: nothing that the handler read before a purge has returned is
// served afterwards, in whatever order things happen. SEAWALL_SEED=7 plays one
// schedule as often as needed, SEAWALL_LONG=1 plays 100,000.
func TestModelPurge(t *testing.T) {
	runs, seed, step := 2000, rand.Uint64(), uint64(1)
	if raceEnabled || testing.Short() {
		runs = 300
	}
	if long() {
		runs = 100_000
	}
	if text := os.Getenv("SEAWALL_SEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed, step = n, 0
	}
	for range runs {
		if wrong, trace := modelRun(t, seed); wrong != "" {
			t.Fatalf("seed %d: %s\n%s", seed, wrong, strings.Join(trace, "\n"))
		}
		seed += step
	}
}
