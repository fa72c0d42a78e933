package httpcachetest

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache/httpcache"
	"github.com/seawall-go/seawall/shed"
)

//house:sleep everything that sleeps here runs in a bubble

func ask(h http.Handler, url string) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, url, nil))
	return w.Result()
}

// TestStaleWhenShedding: with a Shedder inside that has no seat left, a page that was
// asked for before goes on being served, marked as stale, until StaleIfError ends;
// what is not there is refused. Then the refusal comes through, and when there are
// seats again, the page.
func TestStaleWhenShedding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pages := seawall.Must(httpcache.New(httpcache.Config{StaleIfError: 5 * time.Minute}))
		defer pages.Close(t.Context())
		shedder := seawall.Must(shed.New(shed.Config{
			MinLimit: 1, RunQueue: seawall.Off, CriticalWait: seawall.Off, NormalWait: seawall.Off, SheddableWait: seawall.Off,
		}))
		defer shedder.Close(t.Context())
		busy := make(chan struct{})
		front := pages.Middleware(shedder.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/long" {
				<-busy
				return
			}
			w.Header().Set("Cache-Control", "max-age=60")
			io.WriteString(w, "hello")
		})))
		ask(front, "/a")
		if err := shedder.Override(t.Context(), seawall.Override{Control: "limit", Value: "1"}); err != nil {
			t.Fatal(err)
		}
		var long sync.WaitGroup
		long.Go(func() { ask(front, "/long") })
		free := sync.OnceFunc(func() { close(busy) })
		defer free()
		synctest.Wait()
		for at := range 8 {
			for range 100 {
				got := ask(front, "/a")
				b, _ := io.ReadAll(got.Body)
				status := got.Header.Get("Cache-Status")
				switch {
				case at < 6 && (string(b) != "hello" || got.Header.Get("Warning") != "" || got.Header.Get("Seawall-Reason") != ""):
					t.Fatalf("after %d min: %v %q", at, got, b)
				case at > 0 && at < 6 && !strings.Contains(status, "ttl=-") && !strings.Contains(status, "ttl=0"):
					t.Fatalf("after %d min it is not marked: %q", at, status)
				case at > 6 && (got.StatusCode != http.StatusServiceUnavailable || got.Header.Get("Seawall-Reason") != "overloaded"):
					t.Fatalf("after %d min: %v", at, got)
				}
			}
			if got := ask(front, "/new"); got.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("after %d min: %v", at, got)
			}
			time.Sleep(time.Minute)
		}
		free()
		long.Wait()
		if got := ask(front, "/a"); got.StatusCode != http.StatusOK || got.Header.Get("Age") != "" {
			t.Errorf("then %v", got)
		}
	})
}

// TestCrowdOverSockets: 2000 clients at once, or with SEAWALL_LONG=1 10,000, one call.
func TestCrowdOverSockets(t *testing.T) {
	n := 2000
	switch {
	case os.Getenv("SEAWALL_LONG") != "":
		n = 10_000
	case testing.Short():
		n = 200
	}
	pages := seawall.Must(httpcache.New(httpcache.Config{Wait: time.Minute}))
	defer pages.Close(t.Context())
	var calls, there atomic.Int64
	all := make(chan struct{})
	cached := pages.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		select {
		case <-all:
		case <-r.Context().Done():
		}
		w.Header().Set("Cache-Control", "max-age=60")
		io.WriteString(w, "hello")
	}))
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{
		Protocols: &protocols, ReadHeaderTimeout: time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if there.Add(1) == int64(n) {
				close(all)
			}
			cached.ServeHTTP(w, r)
		}),
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	transport := &http.Transport{Protocols: &protocols}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var clients sync.WaitGroup
	for range n {
		clients.Go(func() {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+listener.Addr().String()+"/a", http.NoBody)
			if err != nil {
				t.Error(err)
				return
			}
			got, err := transport.RoundTrip(r)
			if err != nil {
				t.Error(err)
				return
			}
			defer got.Body.Close()
			if b, err := io.ReadAll(got.Body); string(b) != "hello" || err != nil {
				t.Errorf("%d %q, %v", got.StatusCode, b, err)
			}
		})
	}
	clients.Wait()
	transport.CloseIdleConnections()
	if err := server.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	<-served
	if calls := calls.Load(); calls != 1 {
		t.Errorf("asked %d times by %d", calls, n)
	}
}
