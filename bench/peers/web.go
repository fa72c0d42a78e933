package peers

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
)

// many users and addresses, so that nobody profits from always being asked
// about the same one. A power of two.
const many = 1024

var addresses = func() (a [many]string) {
	for i := range a {
		a[i] = fmt.Sprintf("198.51.%d.%d:40000", 100+i>>8, i&255)
	}
	return a
}()

// nothing writes no body: its status alone tells that it ran.
var nothing = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusNoContent)
})

// nullWriter is a ResponseWriter without a connection. It keeps its header
// map, as net/http would make a new one whatever the middleware does.
type nullWriter struct {
	header   http.Header
	admitted int
	refused  int
}

func (w *nullWriter) Header() http.Header         { return w.header }
func (w *nullWriter) Write(p []byte) (int, error) { return len(p), nil }

func (w *nullWriter) WriteHeader(status int) {
	switch status {
	case http.StatusNoContent:
		w.admitted++
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		w.refused++
	}
}

// serving makes the loop that sends requests through a handler.
func serving(h http.Handler, header http.Header) func(int) int {
	return func(n int) int {
		w := &nullWriter{header: make(http.Header)}
		r, cancel := newRequest(header)
		defer cancel()
		at := rand.IntN(many) // goroutines do not go from one to the next together
		for i := range n {
			r.RemoteAddr = addresses[(at+i)%many]
			h.ServeHTTP(w, r)
		}
		if w.admitted+w.refused != n {
			return -1 // an answer that nobody expects
		}
		return w.admitted
	}
}

// newRequest makes a request with the context that net/http gives it: two
// values and two cancellations. What merges or wraps contexts pays for them.
func newRequest(header http.Header) (*http.Request, context.CancelFunc) {
	ctx := context.WithValue(context.Background(), http.ServerContextKey, &http.Server{}) //nolint:gosec // it serves nobody
	ctx = context.WithValue(ctx, http.LocalAddrContextKey, net.Addr(&net.TCPAddr{Port: 80}))
	ctx, closeConn := context.WithCancel(ctx)
	ctx, cancel := context.WithCancel(ctx)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://shop.example/feed", http.NoBody)
	if err != nil {
		panic(err) // the address above is a constant
	}
	r.RequestURI = "/feed"
	maps.Copy(r.Header, header)
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	return r, func() { cancel(); closeConn() }
}
