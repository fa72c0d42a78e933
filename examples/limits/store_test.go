package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"regexp"
	"sync/atomic"
	"testing"

	"github.com/seawall-go/seawall/ratelimit"
)

// generous gives what is asked for, and counts what comes back.
type generous struct{ back atomic.Int64 }

func (g *generous) TakeUpTo(_ context.Context, t ratelimit.RemoteTake) (ratelimit.RemoteTaken, error) {
	g.back.Add(t.Back)
	return ratelimit.RemoteTaken{Got: t.Want, Left: t.Rate.Burst}, nil
}

var holds = regexp.MustCompile(`"held": [1-9]`)

// A process that ends leaves to the others what it has leased.
func TestGivesBack(t *testing.T) {
	store := new(generous)
	app, admin, stop := start(t, config{store: store, nodes: 1})
	for range 1000 {
		call(t, "GET", app+"/feed", "alice", "")
		call(t, "GET", app+"/feed", "alice", "")
		if _, state := call(t, "GET", admin+"/seawall", "", ""); holds.MatchString(state) {
			break
		}
	}
	before := store.back.Load()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if store.back.Load() == before {
		t.Error("nothing was given back")
	}
}

func TestNoTokenIsNoPassword(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/seawall/override?control=mode&value=off&for=1m", nil)
	r.Header.Set("Authorization", "Bearer ")
	w := httptest.NewRecorder()
	admin("").ServeHTTP(w, r)
	if w.Code != http.StatusForbidden {
		t.Errorf("status %d", w.Code)
	}
}
