package main

import (
	"fmt"
	"io"
	"net/http"

	"github.com/seawall-go/seawall/ratelimit"
)

// routes is the backend of an app. Only login knows of a limit.
func routes(accounts *ratelimit.Limits) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /login", readForm(accounts.Middleware(http.HandlerFunc(login))))
	mux.HandleFunc("GET /feed", say("a post\n"))
	mux.HandleFunc("POST /payments", say("paid\n"))
	mux.HandleFunc("GET /partner/report", report)
	mux.HandleFunc("GET /healthz", say("ok\n"))
	return mux
}

func say(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) }
}

// readForm reads the body for the limit by account. Whoever gets here is within
// the limit of its address.
func readForm(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
		if err := r.ParseForm(); err != nil || len(account(nil, r)) == 0 {
			http.Error(w, "a form with account and password, please", http.StatusBadRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func login(w http.ResponseWriter, r *http.Request) {
	if r.PostForm.Get("password") != "open sesame" {
		http.Error(w, "wrong password", http.StatusUnauthorized)
		return
	}
	fmt.Fprintln(w, "welcome")
}

func report(w http.ResponseWriter, r *http.Request) {
	p, ok := partnerOf(r)
	if !ok {
		http.Error(w, "no such key", http.StatusUnauthorized)
		return
	}
	fmt.Fprintln(w, "report for", p.name)
}
