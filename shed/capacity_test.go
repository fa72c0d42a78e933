package shed_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/shed"
)

const (
	badEndings  = 100_000 // of each kind
	endingLimit = 8
	endingTasks = 4 // goroutines: fewer than there are seats, so that all are let in
)

// stubWriter is a ResponseWriter that costs nothing, and can be hijacked.
type stubWriter struct{ header http.Header }

func (w *stubWriter) Header() http.Header       { return w.header }
func (*stubWriter) Write(b []byte) (int, error) { return len(b), nil }
func (*stubWriter) WriteHeader(int)             {}
func (*stubWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return nil, nil, nil // nobody uses it
}

// TestCapacitySurvivesEveryEnding: however a request ends, and however often, its
// seat is given back, once.
func TestCapacitySurvivesEveryEnding(t *testing.T) {
	request := func() (*http.Request, context.CancelFunc) {
		ctx, cancel := context.WithCancel(context.Background())
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", nil)
		return r, cancel
	}
	shared, _ := request()
	swallow := func(h http.Handler, r *http.Request) {
		defer func() { _ = recover() }()
		h.ServeHTTP(&stubWriter{}, r)
	}
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		send    func(h http.Handler)
	}{
		{"panic", func(http.ResponseWriter, *http.Request) { panic("planted") }, func(h http.Handler) { swallow(h, shared) }},
		{"abort", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, func(h http.Handler) { swallow(h, shared) }},
		{"goexit", func(http.ResponseWriter, *http.Request) { runtime.Goexit() }, func(h http.Handler) {
			done := make(chan struct{})
			go func() {
				defer close(done)
				h.ServeHTTP(&stubWriter{}, shared)
			}()
			<-done
		}},
		{"disconnect", func(_ http.ResponseWriter, r *http.Request) {
			r.Context().Value(cancelKey{}).(context.CancelFunc)()
			<-r.Context().Done()
		}, func(h http.Handler) {
			ctx, cancel := context.WithCancel(context.Background())
			h.ServeHTTP(&stubWriter{}, shared.WithContext(context.WithValue(ctx, cancelKey{}, cancel)))
		}},
		{"hijack", func(w http.ResponseWriter, _ *http.Request) {
			if _, _, err := http.NewResponseController(w).Hijack(); err != nil {
				t.Error(err)
			}
		}, func(h http.Handler) { h.ServeHTTP(&stubWriter{}, shared) }},
	} {
		for _, class := range endingClasses {
			t.Run(c.name+class.Route, func(t *testing.T) {
				var entered atomic.Int64
				s := pinned(t, endingLimit, shed.Config{Classify: func(*http.Request) seawall.Class { return class }})
				h := s.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					entered.Add(1)
					if class.Track {
						shed.AddCost(r.Context(), -1)
					}
					c.handler(w, r)
				}))
				n := badEndings
				if class.Route != "" {
					n /= 10
				}
				endings(n, func() { c.send(h) })
				if got := entered.Load(); got != int64(n) {
					t.Errorf("%d of %d requests came to the handler", got, n)
				}
				exact(t, s)
			})
		}
	}
}

var endingClasses = []seawall.Class{
	{Priority: seawall.Critical},
	{Priority: seawall.Critical, Cost: 2, Route: ", two seats"}, // the most of eight
	{Priority: seawall.Critical, Cost: 2, Track: true, Route: ", tracked"},
}

type cancelKey struct{}

// endings calls f n times, from some goroutines.
func endings(n int, f func()) {
	var tasks sync.WaitGroup
	for range endingTasks {
		tasks.Go(func() {
			for range n / endingTasks {
				f()
			}
		})
	}
	tasks.Wait()
}

// exact checks that the capacity is what it was: nobody inside, and exactly as
// many fit as before.
func exact(t *testing.T, s *shed.Shedder) {
	t.Helper()
	empty(t, s)
	var permits []*shed.Permit
	for range endingLimit {
		permits = append(permits, enter(t, s, of(seawall.Critical)))
	}
	_, err := s.TryAcquire(context.Background(), of(seawall.Critical))
	refusal(t, err, seawall.Overloaded)
	for _, p := range permits {
		p.Release()
	}
	shut(t, s)
}

func TestCapacitySurvivesDoubleRelease(t *testing.T) {
	for name, end := range map[string]func(p *shed.Permit){
		"one after the other": func(p *shed.Permit) { p.Release(); p.Release(); p.Drop() },
		"drop first":          func(p *shed.Permit) { p.Drop(); p.Release(); new(shed.Permit).Release() },
		"at once":             func(p *shed.Permit) { both(p.Release, p.Release) },
		"drop at once":        func(p *shed.Permit) { both(p.Drop, p.Release) },
	} {
		t.Run(name, func(t *testing.T) {
			s := pinned(t, endingLimit, shed.Config{})
			stay := enter(t, s, of(seawall.Critical)) // whose seat must not be given away by others
			endings(badEndings, func() {
				p, err := s.Acquire(context.Background(), of(seawall.Critical))
				if err != nil {
					t.Error(err)
				}
				end(&p)
			})
			if n := s.Stats().InFlight; n != 1 {
				t.Errorf("%d inside, want the one who stays", n)
			}
			stay.Release()
			exact(t, s)
		})
	}
}

// both runs f and g as nearly at the same moment as two cores can.
func both(f, g func()) {
	var there atomic.Int32
	done := make(chan struct{})
	go func() {
		defer close(done)
		there.Add(1)
		for spins := 0; there.Load() < 2; spins++ {
			if spins > 100 { // more goroutines than cores
				runtime.Gosched()
			}
		}
		f()
	}()
	for there.Load() < 1 {
		runtime.Gosched()
	}
	there.Add(1)
	for range rand.IntN(100) { // at another moment each time
		_ = there.Load()
	}
	g()
	<-done
}

// TestLimitIsExact: under any contention never more than the limit are inside,
// and the limit is used.
func TestLimitIsExact(t *testing.T) {
	for _, limit := range []int64{1, 3, 8} {
		s := pinned(t, int(limit), shed.Config{CriticalWait: time.Second, NormalWait: time.Millisecond, SheddableWait: seawall.Off})
		var inside, most, served atomic.Int64
		var tasks sync.WaitGroup
		for i := range 64 {
			tasks.Go(func() {
				for k := range 500 {
					p, err := s.Acquire(context.Background(), of(seawall.Priorities()[(i+k)%3]))
					if err != nil {
						continue
					}
					n := inside.Add(1)
					for old := most.Load(); n > old; old = most.Load() {
						if most.CompareAndSwap(old, n) {
							break
						}
					}
					for range k % 4 {
						runtime.Gosched()
					}
					inside.Add(-1)
					served.Add(1)
					p.Release()
				}
			})
		}
		tasks.Wait()
		if m := most.Load(); m != limit {
			t.Errorf("%d were inside at once, want %d", m, limit)
		}
		if n := served.Load(); n < 1000 {
			t.Errorf("%d were served: the test is too tame", n)
		}
		shut(t, s)
	}
}

// Some hundreds of each over real sockets, where net/http has its say.
func TestCapacityOverSockets(t *testing.T) {
	const clients, each = 8, 40
	s := pinned(t, clients, shed.Config{CriticalWait: 5 * time.Second, Classify: func(*http.Request) seawall.Class { return of(seawall.Critical) }})
	var entered [clients]chan struct{} // a client leaves when its own request is there
	for i := range entered {
		entered[i] = make(chan struct{}, 1)
	}
	inner := s.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch i := r.URL.Path[1] - '0'; {
		case int(i) < clients:
			entered[i] <- struct{}{}
			<-r.Context().Done()
		default:
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			_ = conn.Close()
		}
	}))
	var outside sync.WaitGroup // requests in the server, around the middleware
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		outside.Add(1)
		defer outside.Done()
		inner.ServeHTTP(w, r)
	}))
	defer srv.Close()
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			for range each {
				ctx, leave := context.WithCancel(t.Context())
				left := make(chan struct{})
				go func() {
					defer close(left)
					r, _ := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprintf("%s/%d", srv.URL, i), nil)
					if resp, err := srv.Client().Do(r); err == nil {
						_ = resp.Body.Close()
						t.Errorf("answered %d", resp.StatusCode)
					}
				}()
				<-entered[i]
				leave()
				<-left
			}
		})
	}
	all.Wait()
	outside.Wait()
	empty(t, s)
	for range clients {
		all.Go(func() {
			for range each {
				r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+"/hijack", nil)
				resp, err := srv.Client().Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				_ = resp.Body.Close()
			}
		})
	}
	all.Wait()
	outside.Wait()
	shut(t, s)
}
