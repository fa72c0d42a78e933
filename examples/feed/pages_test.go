package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// sees sends a GET through the pages; fields are names and values. It returns the
// answer when this process's member of Cache-Status is as wanted.
func (a *app) sees(path string, status int, how string, fields ...string) *http.Response {
	a.t.Helper()
	r := httptest.NewRequestWithContext(a.t.Context(), "GET", path, nil)
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	w := httptest.NewRecorder()
	a.caches.pages.Middleware(a).ServeHTTP(w, r)
	got := w.Result()
	lines := got.Header.Values("Cache-Status")
	if got.StatusCode != status || len(lines) == 0 || lines[len(lines)-1] != "seawall; "+how {
		a.t.Errorf("%s: %d %q, want %d %q", path, got.StatusCode, lines, status, how)
	}
	return got
}

const kept = "fwd=uri-miss; fwd-status=200; stored"

func TestPages(t *testing.T) {
	for name, test := range map[string]func(a *app){
		"a crowd at a handler that knows of no cache": func(a *app) {
			var all sync.WaitGroup
			for range 1000 {
				all.Go(func() {
					a.caches.pages.Middleware(a).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/newest", nil))
				})
			}
			all.Wait()
			a.reads(1)
			a.sees("/newest", 200, "hit; ttl=10")
			a.sees("/newest?utm_source=friend&fbclid=1", 200, "hit; ttl=10")
			a.sees("/newest?page=2", 200, kept)
		},
		"a phone has it already": func(a *app) {
			etag := a.sees("/posts/7", 200, kept).Header.Get("Etag")
			got := a.sees("/posts/7", 304, "hit; ttl=10", "If-None-Match", etag)
			if cc := got.Header.Get("Cache-Control"); cc != "max-age=0, s-maxage=10, stale-while-revalidate=10, stale-if-error=3600" {
				a.t.Errorf("Cache-Control %q", cc)
			}
			if tags := got.Header.Get("Surrogate-Key"); tags != "" {
				a.t.Errorf("the world sees the tags: %q", tags)
			}
		},
		"a feed is one user's": func(a *app) {
			for range 2 {
				got := a.sees(ann, 200, "fwd=uri-miss; fwd-status=200")
				if cc := got.Header.Get("Cache-Control"); cc != "private, max-age=10" {
					a.t.Errorf("Cache-Control %q", cc)
				}
			}
		},
		"the database is away": func(a *app) {
			a.sees("/newest", 200, kept)
			a.store.broken.Store(true)
			time.Sleep(15 * time.Second)
			a.sees("/newest", 200, "hit; ttl=-5") // and renewed in the background, in vain
			time.Sleep(45 * time.Second)
			a.sees("/newest", 200, "fwd=stale; fwd-status=503; ttl=-50; detail=stale-if-error")
			a.sees("/newest", 200, "hit; ttl=-50") // for a second nobody waits to see it fail again
			time.Sleep(time.Hour)
			a.sees("/newest", 503, "fwd=uri-miss; fwd-status=503")
		},
		"what is written is seen at once": func(a *app) {
			a.sees("/newest", 200, kept)
			a.sees("/posts/9000", 404, "fwd=uri-miss; fwd-status=404; stored")
			a.want("/posts/9000", "author=ann&text=new", 200, "", "new") // under another host, or none
			a.sees("/posts/9000", 200, kept)
			a.sees("/newest", 200, kept)
		},
		"a purge by tag is of pages, too": func(a *app) {
			for _, path := range []string{"/posts/7", "/posts/8", "/newest"} { // the newest are 5000 to 4981
				a.sees(path, 200, kept)
			}
			for tag, gone := range map[string]string{"author:author-7": "/posts/7", "author:author-8": "/posts/8", "author:author-0": "/newest"} {
				if err := a.caches.purge(a.t.Context(), tag); err != nil {
					a.t.Error(err)
				}
				a.sees(gone, 200, kept)
				a.sees(gone, 200, "hit; ttl=10")
			}
			a.sees("/posts/7", 200, "hit; ttl=10")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(newApp(t)) })
		})
	}
}

// Each post is under its number and its author.
func TestTagsOfAPost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t)
		w := httptest.NewRecorder()
		a.ServeHTTP(w, httptest.NewRequest("GET", "/posts/7", nil))
		if tags := strings.Join(w.Header().Values("Surrogate-Key"), " "); tags != "post:7 author:author-7" {
			t.Errorf("tags %q", tags)
		}
	})
}
