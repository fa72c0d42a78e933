package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/failsafe-go/failsafe-go/adaptivelimiter"
	"github.com/failsafe-go/failsafe-go/priority"

	"github.com/seawall-go/seawall"
)

// get asks for a path and returns the status.
func get(ctx context.Context, h http.Handler, path string) int {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil))
	return w.Code
}

func ok(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }

// Every contender lets a single request through, and can be made twice.
func TestContendersAdmit(t *testing.T) {
	sc := parsed(t).scenarios[0]
	for _, c := range contenders {
		for range 2 {
			g, err := c.build(sc)
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			h := g.middleware(http.HandlerFunc(ok))
			for _, p := range seawall.Priorities() {
				if got := get(t.Context(), h, "/"+p.String()); got != http.StatusNoContent {
					t.Errorf("%s: %v got status %d", c.name, p, got)
				}
			}
			if g.close != nil {
				g.close()
			}
			if (g.oracle != nil) != (c.name == oracleName) {
				t.Errorf("%s: who is told of lost slots?", c.name)
			}
		}
	}
}

// Of those who are ranked nobody is told the capacity.
func TestWhoKnows(t *testing.T) {
	var told []string
	for _, c := range contenders {
		if c.knows {
			told = append(told, c.name)
		}
	}
	if !slices.Equal(told, []string{"rate", "conns", oracleName}) {
		t.Errorf("told are %q", told)
	}
}

func TestTellFailsafe(t *testing.T) {
	for path, want := range map[string]string{
		"/critical": "4", "/normal": "2", "/sheddable": "1", "/background": "0", "/": "2",
	} {
		var got string
		h := tellFailsafe(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Get("X-Failsafe-Priority") }))
		get(t.Context(), h, path)
		if got != want {
			t.Errorf("%s: told %q, want %q", path, got, want)
		}
	}
}

// What failsafe's limiter decides by reaches it: the level, and the end of the
// client's patience. (Its own NewHandler drops both.)
func TestFailsafeSeesTheRequest(t *testing.T) {
	g := prioritized(adaptivelimiter.NewBuilder[*http.Response]().WithLimits(1, 1, 1), time.Hour)
	defer g.close()
	inside, leave := make(chan int, 2), make(chan struct{})
	h := g.middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		inside <- priority.LevelFromContext(r.Context())
		<-leave
	}))
	done := make(chan struct{})
	go func() {
		defer close(done)
		get(t.Context(), h, "/critical")
	}()
	if level := <-inside; level < priority.VeryHigh.MinLevel() {
		t.Errorf("the level of a Critical request is %d", level)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	left := make(chan int, 1)
	go func() { left <- get(ctx, h, "/critical") }()
	select {
	case got := <-left:
		if got == http.StatusOK {
			t.Error("who waited and left was served")
		}
	case <-time.After(10 * time.Second):
		t.Error("who has left still waits")
	}
	close(leave)
	<-done
}

// A rate limit has a burst of a full house and then refuses with 429.
func TestRate(t *testing.T) {
	g, err := newRate(parsed(t, "-backend", "3xconstant:1h").scenarios[0])
	if err != nil {
		t.Fatal(err)
	}
	h := g.middleware(http.HandlerFunc(ok))
	var got []int
	for range 5 {
		got = append(got, get(t.Context(), h, "/normal"))
	}
	if want := []int{204, 204, 204, 429, 429}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// No more connections than slots are accepted at once.
func TestConns(t *testing.T) {
	g, err := newConns(parsed(t, "-backend", "2x80ms").scenarios[0])
	if err != nil {
		t.Fatal(err)
	}
	if !g.oneRequest {
		t.Error("connections are kept")
	}
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := g.listener(inner)
	defer l.Close()
	accepted := make(chan net.Conn, 3)
	go func() {
		defer close(accepted)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	for range 3 {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	first, second := <-accepted, <-accepted
	defer second.Close()
	select {
	case <-accepted:
		t.Error("a third connection was accepted")
	case <-time.After(20 * time.Millisecond):
	}
	first.Close()
	third := <-accepted
	third.Close()
}

// kratosHandler and go-zero's handler are in their calm state here: what they
// refuse with, and when, is tested one folder up.
func TestQuietHandlersPass(t *testing.T) {
	for _, build := range []string{"gozero", "kratos"} {
		i := slices.IndexFunc(contenders, func(c contender) bool { return c.name == build })
		g, err := contenders[i].build(parsed(t).scenarios[0])
		if err != nil {
			t.Fatal(err)
		}
		h := g.middleware(http.HandlerFunc(ok))
		for range 100 {
			if got := get(t.Context(), h, "/normal"); got != http.StatusNoContent {
				t.Fatalf("%s: status %d", build, got)
			}
		}
	}
}
