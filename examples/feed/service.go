package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/seawall-go/seawall/cache"
	"github.com/seawall-go/seawall/cache/httpcache"
)

// service is the backend of the app.
type service struct {
	caches   *caches
	store    *store
	policies policies
	warm     atomic.Bool
}

func (s *service) routes() http.Handler {
	mux := http.NewServeMux()
	everybodys, ones := s.policies.everybodys.Middleware(), s.policies.ones.Middleware()
	mux.Handle("GET /newest", everybodys(http.HandlerFunc(s.newest)))
	mux.Handle("GET /posts/{id}", everybodys(http.HandlerFunc(s.post)))
	mux.Handle("GET /feed/{user}", ones(http.HandlerFunc(s.feed)))
	mux.HandleFunc("POST /posts/{id}", s.write)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !s.warm.Load() { // the load balancer waits: a cold process would send all it gets to the database
			http.Error(w, "warming up", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	return mux
}

// newest asks the database each time: only pages stands between the two.
func (s *service) newest(w http.ResponseWriter, r *http.Request) {
	posts, err := s.store.newest(r.Context(), 20)
	if err != nil {
		fail(w, r, err)
		return
	}
	httpcache.Tag(w.Header(), newestTag)
	for _, p := range posts {
		httpcache.Tag(w.Header(), byAuthor(p.Author)...)
	}
	answer(w, posts)
}

// Tags of pages, beside those of authors.
const newestTag = "newest"

func postTag(id int64) string { return "post:" + strconv.FormatInt(id, 10) }

// feed is two steps, so that a post that everybody has in their feed is kept once.
func (s *service) feed(w http.ResponseWriter, r *http.Request) {
	ids, err := s.caches.feeds.Get(r.Context(), r.PathValue("user"))
	if err != nil {
		fail(w, r, err)
		return
	}
	before := s.peek(ids)
	posts, err := s.caches.posts.GetMany(r.Context(), ids)
	if err != nil && len(posts) == 0 { // with some of them there is still a feed
		fail(w, r, err)
		return
	}
	count := make(map[string]int)
	for i, after := range s.peek(ids) {
		count[how(before[i], after)]++
	}
	w.Header().Set("Cache-Status", fmt.Sprintf("posts; detail=\"hit %d, stale %d, miss %d\"", count["hit"], count["hit; detail=stale"], count["fwd=miss"]))
	page := make([]Post, 0, len(ids))
	for _, id := range ids { // in this order; one that was deleted meanwhile is not there
		if p, ok := posts[id]; ok {
			page = append(page, p)
		}
	}
	answer(w, page)
}

func (s *service) post(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		http.Error(w, "a post has a number", http.StatusBadRequest)
		return
	}
	before := s.peek([]int64{id})
	p, err := s.caches.posts.Get(r.Context(), id)
	w.Header().Set("Cache-Status", "posts; "+how(before[0], s.peek([]int64{id})[0]))
	httpcache.Tag(w.Header(), postTag(id)) // one that does not exist, too: it may be written
	if err != nil {
		fail(w, r, err)
		return
	}
	httpcache.Tag(w.Header(), byAuthor(p.Author)...)
	answer(w, p)
}

// write changes the database first. A process that dies between the two leaves an
// old post in the cache until its TTL ends; the other way round, a reader who
// comes in between would put the old post back after it was taken out.
func (s *service) write(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	p := Post{ID: id, Author: r.PostFormValue("author"), Text: strings.TrimSpace(r.PostFormValue("text"))}
	// An author's name is part of tags, which end at a space or a comma.
	if err != nil || id < 1 || p.Text == "" || p.Author == "" || len(p.Author) > 100 || strings.ContainsAny(p.Author, ", \t") {
		http.Error(w, "a number, and a form with author and text, please", http.StatusBadRequest)
		return
	}
	if p, err = s.store.write(r.Context(), p); err != nil {
		fail(w, r, err)
		return
	}
	// Set, so that the author sees it at once. Two who write one post in the same
	// moment may do this in the other order than the database did; where that must
	// not be, Delete.
	tags := byAuthor(p.Author)
	err = errors.Join(
		s.caches.posts.SetWith(r.Context(), id, p, cache.Meta{Tags: tags}),
		s.caches.feeds.InvalidateTags(r.Context(), tags...), // those of all followers
		// The page that was posted to is forgotten anyway, but under this host only.
		s.caches.pages.PurgeTags(r.Context(), postTag(id), newestTag),
	)
	if err != nil { // it is written all the same
		slog.Warn("a post could not be cached", "id", id, "error", err)
	}
	answer(w, p)
}

func (s *service) peek(ids []int64) []cache.State {
	states := make([]cache.State, len(ids))
	for i, id := range ids {
		_, states[i], _ = s.caches.posts.Peek(id)
	}
	return states
}

// how says where an answer came from, to whoever tries this example, in the words of
// Cache-Status. It looks before and after, so others' requests may show in it: nothing
// may depend on it.
func how(before, after cache.State) string {
	switch {
	case before == cache.Fresh || before == cache.Negative:
		return "hit"
	case after == cache.Stale:
		return "hit; detail=stale"
	}
	return "fwd=miss"
}

func fail(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, cache.ErrNotFound):
		http.Error(w, "there is no such thing", http.StatusNotFound)
	case r.Context().Err() != nil: // the client has gone
	default:
		slog.Warn("not answered", "path", r.URL.Path, "error", err)
		w.Header().Set("Retry-After", "1")
		http.Error(w, "not now, please try again", http.StatusServiceUnavailable)
	}
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		slog.Debug("answering", "error", err)
	}
}
