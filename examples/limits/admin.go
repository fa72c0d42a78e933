package main

import (
	"crypto/subtle"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/seawall-go/seawall"
)

// admin is for those on call: how the limits are, and with the token, changes
// that end by themselves. Its listener is not for the internet.
func admin(token string, limits ...seawall.Controllable) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /seawall", func(w http.ResponseWriter, _ *http.Request) {
		var all []seawall.Snapshot
		for _, l := range limits {
			all = append(all, l.Snapshot())
		}
		writeJSON(w, all)
	})
	mux.HandleFunc("GET /seawall/controls", func(w http.ResponseWriter, _ *http.Request) {
		var all []seawall.Control
		for _, l := range limits {
			all = append(all, l.Controls()...)
		}
		writeJSON(w, all)
	})
	mux.HandleFunc("POST /seawall/override", func(w http.ResponseWriter, r *http.Request) {
		if token == "" || !bearer(r, token) {
			http.Error(w, "not with this token", http.StatusForbidden)
			return
		}
		override(w, r, limits)
	})
	return mux
}

func bearer(r *http.Request, token string) bool {
	got, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return ok && subtle.ConstantTimeCompare([]byte(got), []byte(token)) == 1
}

// override sets a control wherever there is one of that name: "mode" is that of
// all policies of both limits.
func override(w http.ResponseWriter, r *http.Request, limits []seawall.Controllable) {
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	lasts, err := time.ParseDuration(r.PostFormValue("for"))
	if err != nil || lasts <= 0 {
		http.Error(w, `for: how long, as in "30m"; what is forgotten has to end by itself`, http.StatusBadRequest)
		return
	}
	o := seawall.Override{
		Control: r.PostFormValue("control"), Value: r.PostFormValue("value"), For: lasts,
		By: r.PostFormValue("by"), Why: r.PostFormValue("why"),
	}
	found := false
	for _, l := range limits {
		if !slices.ContainsFunc(l.Controls(), func(c seawall.Control) bool { return c.Name == o.Control }) {
			continue
		}
		found = true
		if err := l.Override(r.Context(), o); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	if !found {
		http.Error(w, "no such control, see /seawall/controls", http.StatusNotFound)
		return
	}
	slog.Warn("override", "control", o.Control, "value", o.Value, "for", o.For, "by", o.By, "why", o.Why)
	w.WriteHeader(http.StatusNoContent)
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		slog.Warn("writing the state", "error", err)
	}
}
