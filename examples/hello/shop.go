package main

import (
	"context"
	"io"
	"net/http"
	"time"
)

// routes is the shop: an ordinary mux that knows nothing of seawall.
func routes(db *database) http.Handler {
	mux := http.NewServeMux()
	page := func(pattern, text string) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := db.query(r.Context()); err != nil {
				http.Error(w, "the database did not answer", http.StatusGatewayTimeout)
				return
			}
			io.WriteString(w, text+"\n")
		})
	}
	page("POST /login", "welcome")
	page("POST /payments", "paid")
	page("GET /feed", "a post")
	page("GET /recommendations", "something you may like")
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") })
	return mux
}

// database stands for whatever is finite in your service: so many connections,
// each busy for a while with a query.
type database struct {
	connections chan struct{}
	takes       time.Duration
}

func newDatabase(connections int, takes time.Duration) *database {
	return &database{make(chan struct{}, connections), takes}
}

func (db *database) query(ctx context.Context) error {
	select {
	case db.connections <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-db.connections }()
	select {
	case <-time.After(db.takes):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
