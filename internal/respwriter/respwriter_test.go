package respwriter

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/seawall-go/seawall/seawalltest"
)

// through passes all on.
type through struct{ http.ResponseWriter }

func (t through) Unwrap() http.ResponseWriter { return t.ResponseWriter }
func (t through) FlushError() error           { return http.NewResponseController(t.ResponseWriter).Flush() }

func (t through) HijackConn() (net.Conn, *bufio.ReadWriter, error) {
	return t.ResponseWriter.(http.Hijacker).Hijack()
}

func (t through) WriteString(s string) (int, error)         { return io.WriteString(t.ResponseWriter, s) }
func (t through) ReadFrom(src io.Reader) (n int64, e error) { return io.Copy(t.ResponseWriter, src) }

// TestConformance: what net/http's writers can do is there, and nothing else, over
// sockets.
func TestConformance(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	seawalltest.Conformance{Except: []string{"maxbytes-close"}}.Run(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(Over(through{w}), r) })
	})
}

type bare struct{ http.ResponseWriter }

type flusher struct{ bare }

func (flusher) Flush() {}

type hijacker struct{ bare }

func (hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, nil }

type both struct {
	flusher
	hijacker
}

func (both) Header() http.Header         { return nil }
func (both) Write(b []byte) (int, error) { return len(b), nil }
func (both) WriteHeader(int)             {}

type closing struct{ flusher }

func (closing) CloseNotify() <-chan bool { return nil }

// TestForms: writers that are not net/http's, too.
func TestForms(t *testing.T) {
	for name, tt := range map[string]struct {
		w                        http.ResponseWriter
		flushes, hijacks, pushes bool
	}{
		"bare":     {bare{}, false, false, false},
		"flusher":  {flusher{}, true, false, false},
		"hijacker": {hijacker{}, false, true, false},
		"both":     {both{}, true, true, false},
		"closing":  {closing{}, true, false, false},
	} {
		w := Over(through{tt.w})
		_, flushes := w.(http.Flusher)
		_, hijacks := w.(http.Hijacker)
		_, pushes := w.(http.Pusher)
		if flushes != tt.flushes || hijacks != tt.hijacks || pushes != tt.pushes {
			t.Errorf("%s: flushes %v, hijacks %v, pushes %v", name, flushes, hijacks, pushes)
		}
	}
}

func TestAllocOver(t *testing.T) {
	w := through{bare{}}
	var sink http.ResponseWriter
	if n := testing.AllocsPerRun(100, func() { sink = Over(w) }); n > 2 { // w itself, as an interface
		t.Errorf("%v allocations", n)
	}
	_ = sink
}
