package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/spike"
)

// Each contender serves, counts what it serves, and is gone after close.
func TestSites(t *testing.T) {
	sc := scene(t, "10x")
	sc.Backend = spike.BackendConfig{Slots: 4, Service: spike.Constant(1e6)}
	for _, c := range contenders {
		s, err := openSite(t.Context(), c, sc)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		for _, path := range []string{"/critical", "/critical", "/normal", "/sheddable", "/background"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.AddCookie(&http.Cookie{Name: "session", Value: "u7"})
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || resp.StatusCode != http.StatusOK || string(body) != "ok\n" {
				t.Errorf("%s: %d %q %v", c.name, resp.StatusCode, body, err)
			}
		}
		if got := s.backend.Stats().Served; got != 5 {
			t.Errorf("%s: the backend has served %d, want 5", c.name, got)
		}
		if s.guard.look != nil {
			if l := s.guard.look(); l.Limit < 1 || l.InFlight != 0 || l.Waiting != 0 {
				t.Errorf("%s: %+v", c.name, l)
			}
		} else if c.name != bareName {
			t.Errorf("%s tells nothing", c.name)
		}
		http.DefaultClient.CloseIdleConnections()
		s.close(t.Context())
		// A handler counts after it has answered: only now have all of them.
		if got := s.meter.read(); got.ended != [4]uint64{2, 1, 1, 1} || got.served != got.ended {
			t.Errorf("%s: counted %+v", c.name, got)
		}
		if conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://")); err == nil {
			conn.Close()
			t.Errorf("%s: still listens after close", c.name)
		}
		if text := s.says.complaint(); text != "" {
			t.Errorf("%s: %s", c.name, text)
		}
	}
}

// The one configuration for all scenarios maps paths to priorities.
func TestSeawallKnowsThePriorities(t *testing.T) {
	g, err := newSeawall(scene(t, "10x"))
	if err != nil {
		t.Fatal(err)
	}
	other, err := newSeawall(spike.Scenario{}) // nothing of the scenario goes in
	if err != nil || other.look().Limit != g.look().Limit {
		t.Errorf("told nothing it begins at %d, else at %d (%v)", other.look().Limit, g.look().Limit, err)
	}
}

func TestMeterCountsLostWork(t *testing.T) {
	var m meter
	refuse := func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	}
	work := m.inner(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	m.outer(refuse(work)).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/normal", nil))
	m.outer(work).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/normal", nil))
	got := m.read()
	if i := seawall.Critical - seawall.Normal; got.ended[i] != 2 || got.served[i] != 1 {
		t.Errorf("counted %+v, want one of two served", got)
	}
}

func TestServerLogIsBounded(t *testing.T) {
	var l serverLog
	if l.complaint() != "" {
		t.Error("complains about nothing")
	}
	for i := range 1000 {
		fmt.Fprintf(&l, "http: Accept error %d\n", i)
	}
	want := "the server logged 1000 lines, first: http: Accept error 0 | http: Accept error 1 | http: Accept error 2"
	if got := l.complaint(); got != want {
		t.Errorf("got %q", got)
	}
}

func TestSiteErrors(t *testing.T) {
	sc := scene(t, "10x")
	sc.Backend.Slots = -1
	if _, err := openSite(t.Context(), contenders[0], sc); err == nil {
		t.Error("a backend without slots: no error")
	}
	if _, err := newOracle(sc); err == nil {
		t.Error("an oracle of -1 slots: no error")
	}
}
