package seawalltest

import (
	"bufio"
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/seawall-go/seawall"
)

// Middlewares that break something. They are what the suite is tested with.

// naiveRecorder is what half of the world's access logs do.
type naiveRecorder struct {
	http.ResponseWriter
	status int
}

func (n *naiveRecorder) WriteHeader(status int) {
	n.status = status
	n.ResponseWriter.WriteHeader(status)
}

type unwrappingRecorder struct{ naiveRecorder }

func (u *unwrappingRecorder) Unwrap() http.ResponseWriter { return u.ResponseWriter }

// wrapping puts a writer around that of the handler.
func wrapping(wrap func(http.ResponseWriter) http.ResponseWriter) seawall.Middleware {
	return around(func(next http.Handler, w http.ResponseWriter, r *http.Request) { next.ServeHTTP(wrap(w), r) })
}

// around is a middleware written as one function.
func around(f func(next http.Handler, w http.ResponseWriter, r *http.Request)) seawall.Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f(next, w, r) })
	}
}

func timeoutHandler(next http.Handler) http.Handler {
	return http.TimeoutHandler(next, time.Minute, "late")
}
func maxBytesHandler(next http.Handler) http.Handler { return http.MaxBytesHandler(next, 1<<30) }

var (
	naive     = wrapping(func(w http.ResponseWriter) http.ResponseWriter { return &naiveRecorder{w, 0} })
	unwrapped = wrapping(func(w http.ResponseWriter) http.ResponseWriter {
		return &unwrappingRecorder{naiveRecorder{w, 0}}
	})
)

// boaster promises what it cannot do.
type boaster struct{ http.ResponseWriter }

func (boaster) Flush() {}
func (boaster) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return nil, nil, http.ErrNotSupported
}

// earlyHeader sends the header as it is at the first WriteHeader or Write, and
// drops what is set later: the trailers.
type earlyHeader struct {
	http.ResponseWriter
	own  http.Header
	sent bool
}

func (e *earlyHeader) Header() http.Header { return e.own }

func (e *earlyHeader) WriteHeader(status int) {
	e.sent = true
	maps.Copy(e.ResponseWriter.Header(), e.own)
	e.ResponseWriter.WriteHeader(status)
}

func (e *earlyHeader) Write(p []byte) (int, error) {
	if !e.sent {
		e.WriteHeader(http.StatusOK)
	}
	return e.ResponseWriter.Write(p)
}

// lazyStatus sends the last status it was told.
type lazyStatus struct {
	http.ResponseWriter
	status int
}

func (l *lazyStatus) WriteHeader(status int) { l.status = status }

func (l *lazyStatus) Write(p []byte) (int, error) {
	if l.status >= 200 {
		l.ResponseWriter.WriteHeader(l.status)
		l.status = 0
	}
	return l.ResponseWriter.Write(p)
}

// deafWriter never tells of an error.
type deafWriter struct{ http.ResponseWriter }

func (d deafWriter) Write(p []byte) (int, error) {
	d.ResponseWriter.Write(p)
	return len(p), nil
}

func (d deafWriter) Unwrap() http.ResponseWriter { return d.ResponseWriter }

// deafFlush has a Flush that does nothing.
type deafFlush struct{ http.ResponseWriter }

func (deafFlush) Flush() {}

func doubleStatus(next http.Handler, w http.ResponseWriter, r *http.Request) {
	next.ServeHTTP(w, r)
	w.WriteHeader(http.StatusOK)
}

func shortBody(next http.Handler, w http.ResponseWriter, r *http.Request) {
	r.Body = io.NopCloser(io.LimitReader(r.Body, 50_000))
	next.ServeHTTP(w, r)
}

func readAhead(next http.Handler, w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, io.LimitReader(r.Body, 1))
	next.ServeHTTP(w, r)
}

func unconditional(next http.Handler, w http.ResponseWriter, r *http.Request) {
	r.Header.Del("If-None-Match")
	r.Header.Del("Range")
	r.Header.Del("X-Multi")
	next.ServeHTTP(w, r)
}

func noHead(next http.Handler, w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodHead {
		r.Method = http.MethodGet
	}
	next.ServeHTTP(w, r)
}

func addsField(next http.Handler, w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	next.ServeHTTP(w, r)
}

func fixedType(next http.Handler, w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain")
	next.ServeHTTP(w, r)
}

func deafContext(next http.Handler, w http.ResponseWriter, r *http.Request) {
	next.ServeHTTP(w, r.WithContext(context.WithoutCancel(r.Context())))
}

func newRequest(next http.Handler, w http.ResponseWriter, r *http.Request) {
	r2, _ := http.NewRequestWithContext(r.Context(), r.Method, r.URL.String(), r.Body)
	next.ServeHTTP(w, r2)
}

func recoverer(next http.Handler, w http.ResponseWriter, r *http.Request) {
	defer func() {
		if recover() != nil {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}()
	next.ServeHTTP(w, r)
}

// repanicker lets the value out, but not from where it came.
func repanicker(next http.Handler, w http.ResponseWriter, r *http.Request) {
	var p any
	func() {
		defer func() { p = recover() }()
		next.ServeHTTP(w, r)
	}()
	if p != nil {
		panic(p)
	}
}

func closer(next http.Handler, w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "close")
	next.ServeHTTP(w, r)
}

func noHTTP10(next http.Handler, w http.ResponseWriter, r *http.Request) {
	if !r.ProtoAtLeast(1, 1) {
		w.WriteHeader(http.StatusHTTPVersionNotSupported)
		return
	}
	next.ServeHTTP(w, r)
}

// detacher answers at once and lets the handler work for nobody.
func detacher(next http.Handler, w http.ResponseWriter, r *http.Request) {
	go func() {
		defer func() { recover() }()
		next.ServeHTTP(httptest.NewRecorder(), r)
	}()
	w.WriteHeader(http.StatusAccepted)
}

// oneByOne serves one request at a time.
func oneByOne(next http.Handler) http.Handler {
	var mu sync.Mutex
	return around(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		next.ServeHTTP(w, r)
	})(next)
}

// spawner starts goroutines that live until stop is closed: one when it is put
// around a handler, and one for each request.
func spawner(stop <-chan struct{}, atStart, perRequest bool) seawall.Middleware {
	return func(next http.Handler) http.Handler {
		if atStart {
			go plantedLeak(stop)
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if perRequest {
				go plantedLeak(stop)
			}
			next.ServeHTTP(w, r)
		})
	}
}

// limiter has a number of seats; how one is given back is up to give.
type limiter struct {
	wait  bool // others wait; if not, they get a 503
	seats chan struct{}
	give  func(l *limiter, next http.Handler, w http.ResponseWriter, r *http.Request)
}

func newLimiter(n int, give func(*limiter, http.Handler, http.ResponseWriter, *http.Request)) *limiter {
	return &limiter{seats: make(chan struct{}, n), give: give}
}

func (l *limiter) InFlight() int { return len(l.seats) }

func (l *limiter) free() { <-l.seats }

func (l *limiter) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if l.wait {
			select {
			case l.seats <- struct{}{}:
			case <-r.Context().Done():
				return
			}
		} else {
			select {
			case l.seats <- struct{}{}:
			default:
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
		}
		l.give(l, next, w, r)
	})
}

func giveAlways(l *limiter, next http.Handler, w http.ResponseWriter, r *http.Request) {
	defer l.free()
	next.ServeHTTP(w, r)
}

// givePlainly forgets what a panic and a Goexit do.
func givePlainly(l *limiter, next http.Handler, w http.ResponseWriter, r *http.Request) {
	next.ServeHTTP(w, r)
	l.free()
}

// giveOnRecover forgets Goexit, which leaves nothing to recover.
func giveOnRecover(l *limiter, next http.Handler, w http.ResponseWriter, r *http.Request) {
	defer func() {
		if p := recover(); p != nil {
			l.free()
			panic(p)
		}
	}()
	next.ServeHTTP(w, r)
	l.free()
}

func giveIfConnected(l *limiter, next http.Handler, w http.ResponseWriter, r *http.Request) {
	defer func() {
		if r.Context().Err() == nil {
			l.free()
		}
	}()
	next.ServeHTTP(w, r)
}

type hijackNoter struct {
	http.ResponseWriter
	hijacked bool
}

func (h *hijackNoter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	h.hijacked = true
	return http.NewResponseController(h.ResponseWriter).Hijack()
}

func giveUnlessHijacked(l *limiter, next http.Handler, w http.ResponseWriter, r *http.Request) {
	noter := &hijackNoter{ResponseWriter: w}
	defer func() {
		if !noter.hijacked {
			l.free()
		}
	}()
	next.ServeHTTP(noter, r)
}
