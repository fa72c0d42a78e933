package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall/cache"
)

// app is the service in a bubble, where time stands still between requests. Unless a
// test says otherwise it asks the handlers, without the pages in front of them.
type app struct {
	http.Handler
	*service
	t *testing.T
}

func newApp(t *testing.T) *app {
	t.Helper()
	s := newStore(5000, 80*time.Millisecond, 20)
	cfg := config{ttl: time.Minute, fresh: 10 * time.Second, timeout: 2 * time.Second}
	caches, err := cfg.caches(s, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := caches.close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	sv := &service{caches: caches, store: s, policies: cfg.policies()}
	return &app{sv.routes(), sv, t}
}

// want sends a request and says what should come of it; a form makes it a POST.
func (a *app) want(path, form string, status int, how, body string) {
	a.t.Helper()
	method := "GET"
	if form != "" {
		method = "POST"
	}
	r := httptest.NewRequestWithContext(a.t.Context(), method, path, strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	if got := w.Result(); got.StatusCode != status || said(got.Header) != how || !strings.Contains(w.Body.String(), body) {
		a.t.Errorf("%s: %d %q %.100s, want %d %q with %q", path, got.StatusCode, said(got.Header), w.Body, status, how, body)
	}
}

// said is what a handler told of its cache.
func said(header http.Header) string {
	how := strings.TrimPrefix(header.Get("Cache-Status"), "posts; ")
	return strings.TrimSuffix(strings.TrimPrefix(how, `detail="`), `"`)
}

func (a *app) reads(want int64) {
	a.t.Helper()
	if n := a.store.reads.Load(); n != want {
		a.t.Errorf("%d queries, want %d", n, want)
	}
}

const ann, annsNewest = "/feed/ann", 4994

func TestService(t *testing.T) {
	for name, test := range map[string]func(a *app){
		"ten thousand ask for one post": func(a *app) {
			var all sync.WaitGroup
			for range 10_000 {
				all.Go(func() { a.want("/posts/7", "", 200, "fwd=miss", `"post 7"`) })
			}
			all.Wait()
			a.reads(1)
			a.want("/posts/7", "", 200, "hit", `"post 7"`)
		},
		"a feed is two queries": func(a *app) {
			a.want(ann, "", 200, "hit 0, stale 0, miss 20", fmt.Sprintf("[{\"id\":%d,", annsNewest))
			a.reads(2)
			a.want(ann, "", 200, "hit 20, stale 0, miss 0", "")
			a.reads(2)
		},
		"what is not there": func(a *app) {
			a.want("/posts/9000", "", 404, "fwd=miss", "")
			a.want("/posts/9000", "", 404, "hit", "")
			a.reads(1)
			a.want("/posts/seven", "", 400, "", "")
			time.Sleep(5 * time.Second)
			a.want("/posts/9000", "", 404, "fwd=miss", "")
		},
		"what is written is seen at once": func(a *app) {
			a.want("/posts/9000", "", 404, "fwd=miss", "")
			a.want(ann, "", 200, "hit 0, stale 0, miss 20", "")
			reads := a.store.reads.Load()
			a.want("/posts/9000", "author=author-94&text=new", 200, "", `"new"`)
			a.want("/posts/9000", "", 200, "hit", `"new"`)
			a.reads(reads)
			a.want(ann, "", 200, "hit 20, stale 0, miss 0", `[{"id":9000,`) // the newest of whom she follows
			a.reads(reads + 1)
			a.want("/posts/9000", "author=mallory&text=mine", 200, "", `"author-94"`)
			for _, bad := range []string{"author=a", "text=b", "author=&text=b", "author=a&text=+", "author=a+b&text=c", "author=a,b&text=c", "author=" + strings.Repeat("a", 101) + "&text=b"} {
				a.want("/posts/9001", bad, 400, "", "")
			}
			a.want("/posts/0", "author=a&text=b", 400, "", "")
		},
		"a little old, and renewed meanwhile": func(a *app) {
			a.want("/posts/7", "", 200, "fwd=miss", "")
			time.Sleep(61 * time.Second)
			began := time.Now()
			a.want("/posts/7", "", 200, "hit; detail=stale", "")
			if time.Since(began) != 0 {
				a.t.Error("it waited")
			}
			time.Sleep(80 * time.Millisecond)
			synctest.Wait()
			a.want("/posts/7", "", 200, "hit", "")
			a.reads(2)
		},
		"a purge by tag": func(a *app) {
			a.want("/posts/94", "", 200, "fwd=miss", `"post 94"`)
			a.want(ann, "", 200, "hit 0, stale 0, miss 20", "")
			a.store.posts[94] = Post{94, "author-94", "by hand"}
			a.store.posts[9000], a.store.last = Post{9000, "author-94", "by hand, too"}, 9000
			a.want("/posts/94", "", 200, "hit", `"post 94"`)
			if err := a.caches.purge(a.t.Context(), "author:author-94"); err != nil {
				a.t.Error(err)
			}
			a.want("/posts/94", "", 200, "fwd=miss", "by hand")
			a.want(ann, "", 200, "hit 15, stale 0, miss 5", "by hand, too")
		},
		"a part of a feed": func(a *app) {
			a.want(ann, "", 200, "hit 0, stale 0, miss 20", "")
			a.caches.posts.Delete(a.t.Context(), annsNewest)
			a.store.broken.Store(true)
			a.want(ann, "", 200, "hit 19, stale 0, miss 1", `[{"id":4977,`)
		},
		"the database is away for half an hour": func(a *app) {
			a.want("/posts/7", "", 200, "fwd=miss", "")
			a.want(ann, "", 200, "hit 0, stale 0, miss 20", "")
			a.store.broken.Store(true)
			reads := a.store.reads.Load()
			for range 30 {
				time.Sleep(time.Minute)
				a.want(ann, "", 200, "hit 0, stale 20, miss 0", fmt.Sprint(annsNewest))
				for range 100 {
					a.want("/posts/7", "", 200, "hit; detail=stale", `"post 7"`)
				}
			}
			if n := a.store.reads.Load() - reads; n > 30*10 {
				a.t.Errorf("%d queries to a database that is away", n)
			}
			a.want("/posts/8", "", 503, "fwd=miss", "try again")
			a.want("/feed/bob", "", 503, "", "try again")
			a.want("/posts/8", "author=a&text=b", 503, "", "")
			a.store.broken.Store(false)
			time.Sleep(2 * time.Second)
			a.want("/posts/7", "", 200, "fwd=miss", "")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(newApp(t)) })
		})
	}
}

// Somebody who has no answer yet goes away.
func TestImpatient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		r := httptest.NewRequestWithContext(ctx, "GET", "/posts/7", nil)
		a.ServeHTTP(httptest.NewRecorder(), r)
		a.want("/posts/7", "", 200, "fwd=miss", `"post 7"`)
	})
}

func TestNoTokenIsNoPassword(t *testing.T) {
	r := httptest.NewRequest("POST", "/purge?tag=author:author-7", nil)
	r.Header.Set("Authorization", "Bearer ")
	w := httptest.NewRecorder()
	new(service).admin("").ServeHTTP(w, r)
	if w.Code != 403 {
		t.Errorf("status %d", w.Code)
	}
}

// A database that fails does not keep a process from being ready.
func TestWarmUpGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t)
		a.store.takes = time.Hour
		began := time.Now()
		a.warmUp(t.Context(), 5000, io.Discard) // each of its queries ends after LoadTimeout
		if took := time.Since(began); took != mostWarming || !a.warm.Load() {
			t.Errorf("ready %v after %v", a.warm.Load(), took)
		}
	})
}

func TestBarIsFull(t *testing.T) {
	for _, c := range []struct {
		p    cache.WarmProgress
		want string
	}{
		{cache.WarmProgress{}, "\rwarm-up ──────────────────────────────   0 %  0 of 0 posts, 0 failed, 0.0 s\n"},
		{
			cache.WarmProgress{Done: 250, Total: 500, Failed: 3, Took: time.Second},
			"\rwarm-up ━━━━━━━━━━━━━━━───────────────  50 %  250 of 500 posts, 3 failed, 1.0 s",
		},
		{cache.WarmProgress{Done: 500, Total: 500}, "\rwarm-up ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━ 100 %  500 of 500 posts, 0 failed, 0.0 s\n"},
	} {
		if got := bar(c.p); got != c.want {
			t.Errorf("%+v: %q, want %q", c.p, got, c.want)
		}
	}
}
