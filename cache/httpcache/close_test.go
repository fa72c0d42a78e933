package httpcache

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

//house:sleep everything here runs in bubbles

// TestClose: what is under way in the background ends, and Close waits for it; who
// waits for an answer still gets it; afterwards all pass through. Close can be called
// again.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := New(Config{})
		if err != nil {
			t.Fatal(err)
		}
		ended := false
		o := &origin{f: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60, stale-while-revalidate=600")
			if r.Header.Get("X-Warm") == "" {
				select {
				case <-time.After(time.Minute):
				case <-r.Context().Done():
					time.Sleep(time.Second)
					ended = true
					return
				}
			}
			write(w, "hello")
		}}
		front := h.Middleware(o)
		ask(front, "GET", "/old", "X-Warm", "1")
		time.Sleep(2 * time.Minute)
		first := comes(t.Context(), front, "/a")
		synctest.Wait()
		second := comes(t.Context(), front, "/a")
		ask(front, "GET", "/old")
		synctest.Wait()
		if st := h.Stats(); st.Refreshing != 1 {
			t.Errorf("%+v", st)
		}
		start := time.Now()
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took != time.Second || !ended {
			t.Errorf("closed after %v, the renewal has ended: %v", took, ended)
		}
		for _, got := range []chan *http.Response{first, second} {
			if b := body(<-got); b != "hello" {
				t.Errorf("%q", b)
			}
		}
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
		before := o.calls.Load()
		for range 3 {
			if got := ask(front, "GET", "/old", "X-Warm", "1"); body(got) != "hello" || got.Header.Get("Cache-Status") != "" {
				t.Errorf("%v", got.Header)
			}
		}
		if n := o.calls.Load() - before; n != 3 {
			t.Errorf("asked %d times by 3", n)
		}
		if st := h.Snapshot().State; st != "bypassed" {
			t.Error(st)
		}
		noFlights(t, h)
	})
}

// TestCloseGivesUp: Close returns with ctx's cause where a handler does not end.
func TestCloseGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := New(Config{})
		if err != nil {
			t.Fatal(err)
		}
		deaf := false
		o := &origin{f: func(w http.ResponseWriter, r *http.Request) {
			if deaf {
				time.Sleep(time.Hour)
			}
			write(w, "hello", "Cache-Control", "max-age=60, stale-while-revalidate=600")
		}}
		front := h.Middleware(o)
		ask(front, "GET", "/a")
		time.Sleep(2 * time.Minute)
		deaf = true
		ask(front, "GET", "/a")
		synctest.Wait()
		why := errors.New("the patience has ended")
		ctx, cancel := context.WithTimeoutCause(context.Background(), 5*time.Second, why)
		defer cancel()
		start := time.Now()
		if err := h.Close(ctx); !errors.Is(err, why) || !strings.HasPrefix(err.Error(), "seawall/httpcache: ") || time.Since(start) != 5*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		time.Sleep(time.Hour) // it ends by itself
	})
}

// TestCloseAmongRequests: Close at any moment of a crowd: everybody gets an answer.
func TestCloseAmongRequests(t *testing.T) {
	for at := range 40 {
		synctest.Test(t, func(t *testing.T) {
			h, err := New(Config{MaxBytes: 4 << 20, Wait: 20 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			o := &origin{f: func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(7 * time.Millisecond)
				write(w, "hello", "Cache-Control", "max-age=0, stale-while-revalidate=1", "Etag", `"a"`)
			}}
			front := h.Middleware(o)
			go func() {
				time.Sleep(time.Duration(at) * time.Millisecond)
				if err := h.Close(context.Background()); err != nil {
					t.Error(err)
				}
			}()
			for i, got := range rush(front, 60, "/a", func(i int, _ *http.Request) { time.Sleep(time.Duration(i) * time.Millisecond) }) {
				if body(got.Response) != "hello" {
					t.Errorf("%d: %v", i, got.Response)
				}
			}
			synctest.Wait()
			noFlights(t, h)
		})
	}
}
