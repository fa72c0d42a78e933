package main

import (
	"crypto/subtle"
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
)

// admin is for those on call: how the caches are, and with the token, purges. Its
// listener is not for the internet.
func (s *service) admin(token string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /stats", s.stats)
	mux.Handle("POST /purge", guarded(token, s.purge))
	mux.Handle("POST /store", guarded(token, s.breakStore))
	return mux
}

// guarded asks for the token: without one, any page in a browser on this machine
// could send a form here.
func guarded(token string, next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || token == "" || subtle.ConstantTimeCompare([]byte(got), []byte(token)) != 1 {
			http.Error(w, "not with this token", http.StatusForbidden)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
		next(w, r)
	})
}

func (s *service) stats(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	err := enc.Encode(map[string]any{
		"ready": s.warm.Load(),
		"store": map[string]any{"reads": s.store.reads.Load(), "broken": s.store.broken.Load()},
		"posts": s.caches.posts.Stats(), "feeds": s.caches.feeds.Stats(), "pages": s.caches.pages.Stats(),
	})
	if err != nil {
		slog.Warn("writing the stats", "error", err)
	}
}

// purge is for what is wrong in the database's copies and not in the database: a
// post that had to be taken down, a bug that wrote nonsense. A url is that page
// alone, a tag is all that has it.
func (s *service) purge(w http.ResponseWriter, r *http.Request) {
	tag, url := r.PostFormValue("tag"), r.PostFormValue("url")
	var err error
	if url != "" {
		err = s.caches.pages.Purge(r.Context(), url)
	} else {
		err = s.caches.purge(r.Context(), tag)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	slog.Warn("purged", "tag", tag, "url", url)
	w.WriteHeader(http.StatusNoContent)
}

// breakStore makes the database fail, for whoever tries this example.
func (s *service) breakStore(w http.ResponseWriter, r *http.Request) {
	broken, err := strconv.ParseBool(r.PostFormValue("broken"))
	if err != nil {
		http.Error(w, "broken: true or false", http.StatusBadRequest)
		return
	}
	s.store.broken.Store(broken)
	w.WriteHeader(http.StatusNoContent)
}
