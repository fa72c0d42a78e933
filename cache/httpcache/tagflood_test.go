package httpcache

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/seawall-go/seawall/cache"
)

// TestTagsFlooded: strangers who make up paths, hosts and tags do not have a page
// forgotten that is asked for, and it can be purged as before.
func TestTagsFlooded(t *testing.T) {
	const hot = "/posts/new/1"
	n := 12_000
	if raceEnabled {
		n = 5000 // one goroutine alone
	}
	proxied := []string{"X-Forwarded-Proto", "https"}
	for name, c := range map[string]struct {
		flood   func(front http.Handler, i int)
		keyed   bool // the page that is asked for has a field of KeyHeaders
		forgets bool // there are more tags than MaxTags
	}{
		"deep paths": {flood: func(front http.Handler, i int) { ask(front, "GET", fmt.Sprintf("/%d/a/b/", i)) }},
		"deep hosts": {flood: func(front http.Handler, i int) { ask(front, "GET", fmt.Sprintf("http://%d.example/a/b/c/", i)) }},
		"POST":       {keyed: true, flood: func(front http.Handler, i int) { ask(front, "POST", fmt.Sprint("/like?n=", i)) }},
		"proxied": {keyed: true, forgets: true, flood: func(front http.Handler, i int) {
			ask(front, "GET", fmt.Sprint("/?n=", i), proxied...)
		}},
		"proxied, with POST": {keyed: true, forgets: true, flood: func(front http.Handler, i int) {
			ask(front, []string{"GET", "POST"}[i%2], fmt.Sprint("/?n=", i/2), proxied...)
		}},
		"tags": {forgets: true, flood: func(front http.Handler, i int) { ask(front, "GET", fmt.Sprint("/tag/", i)) }},
	} {
		t.Run(name, func(t *testing.T) {
			l1, err := cache.LRU[Key, *Response](5000)
			if err != nil {
				t.Fatal(err)
			}
			h := newCache(t, Config{L1: l1, MaxTags: 4*prefixNames + 1024})
			front := h.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost {
					return
				}
				w.Header().Set("Cache-Control", "max-age=31536000")
				switch {
				case r.URL.Path == hot:
					Tag(w.Header(), "post:1")
				case strings.HasPrefix(r.URL.Path, "/tag/"):
					Tag(w.Header(), r.URL.Path)
				default:
					w.WriteHeader(http.StatusNotFound)
				}
			}))
			var fields []string
			if c.keyed {
				fields = proxied
			}
			hit := func() bool { return ask(front, "GET", hot, fields...).Header.Get("Age") != "" }
			hit()
			misses := 0
			for i := range n {
				c.flood(front, i)
				if i%10 == 0 && !hit() {
					misses++
				}
			}
			s := h.Stats().Store
			if !c.forgets && (misses > 0 || s.TagsForgotten > 0) || misses > 1 {
				t.Errorf("missed %d times, tags were forgotten %d times", misses, s.TagsForgotten)
			}
			if c.forgets && s.TagsForgotten == 0 {
				t.Error("that was no flood")
			}
			for way, purge := range map[string]func() error{
				"URL":    func() error { return h.Purge(h.ctx, "http://example.com"+hot) },
				"tag":    func() error { return h.PurgeTags(h.ctx, "post:1") },
				"prefix": func() error { return h.PurgePrefix(h.ctx, "http://example.com/posts/") },
				"unsafe": func() error { ask(front, "POST", hot); return nil },
			} {
				if hit(); !hit() {
					t.Errorf("%s: it is not kept", way)
				}
				if err := purge(); err != nil || hit() {
					t.Errorf("%s: it is still there (%v)", way, err)
				}
			}
		})
	}
}

// TestPrefixesShareTags: prefixes fall together with few others of their depth, and
// never with one above or below them.
func TestPrefixesShareTags(t *testing.T) {
	tags := make(map[string]int)
	for i := range 100 * prefixNames {
		for depth, path := range []string{"/", "/%d/", "/shop/%d/", "/shop/%d/a/"} {
			if depth > 0 {
				path = fmt.Sprintf(path, i)
			}
			tags[prefixTag(depth+1, "http", fmt.Sprint(i, ".example"), path)]++
		}
	}
	if len(tags) != 4*prefixNames {
		t.Errorf("%d tags", len(tags))
	}
	for tag, n := range tags {
		if n < 50 || n > 150 {
			t.Errorf("%s is that of %d prefixes", tag, n)
		}
	}
	h := newCache(t, Config{PurgeDepth: mostPrefix})
	k := Key{Scheme: "http", Host: "example.com", Path: strings.Repeat("/a", 20)}
	seen := make(map[string]bool)
	for _, tag := range h.storeTags(&k, nil) {
		seen[tag[:2]] = true
	}
	if len(seen) != mostPrefix {
		t.Errorf("%d depths: %v", len(seen), seen)
	}
}

// TestTagsByDefault: there is room for tags of handlers beside those of prefixes.
func TestTagsByDefault(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want int
	}{
		{Config{}, 8192 + 1024 + 1024},
		{Config{MaxBytes: 2 << 20}, 256 + 1024 + 1024},
		{Config{MaxBytes: 1 << 40}, 100_000 + 1024 + 1024},
		{Config{PurgeDepth: 16}, 8192 + 4096 + 1024},
		{Config{PurgeDepth: -1}, 8192 + 1024},
		{Config{MaxTags: 5}, 5},
		{Config{L1: smallL1()}, 0}, // as cache has it
	} {
		cfg, err := c.cfg.resolve()
		if got := cfg.tags(); err != nil || got != c.want {
			t.Errorf("%+v: %d, want %d (%v)", c.cfg, got, c.want, err)
		}
	}
}
