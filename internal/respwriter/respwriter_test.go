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
	return http.NewResponseController(t.ResponseWriter).Hijack()
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

type errorFlusher struct{ bare }

func (errorFlusher) FlushError() error { return nil }

type unwraps struct{ http.ResponseWriter }

func (u unwraps) Unwrap() http.ResponseWriter { return u.ResponseWriter }

// counting notes what passes through it.
type counting struct {
	through

	flushed, hijacked int
}

func (c *counting) FlushError() error {
	c.flushed++
	return c.through.FlushError()
}

func (c *counting) HijackConn() (net.Conn, *bufio.ReadWriter, error) {
	c.hijacked++
	return c.through.HijackConn()
}

// TestControlled: what http.ResponseController finds passes through, however far below
// it is; where there is nothing, it finds nothing.
func TestControlled(t *testing.T) {
	for name, tt := range map[string]struct {
		w                http.ResponseWriter
		flushes, hijacks int
	}{
		"both":           {both{}, 1, 1},
		"below":          {unwraps{both{}}, 1, 1},
		"further":        {unwraps{unwraps{both{}}}, 1, 1},
		"another within": {through{unwraps{both{}}}, 1, 1},
		"of two":         {unwraps{flusher{bare{unwraps{hijacker{}}}}}, 1, 0},
		"bare":           {unwraps{bare{}}, 0, 0},
	} {
		w := &counting{through: through{tt.w}}
		over := http.NewResponseController(Over(w))
		flush := over.Flush()
		_, _, hijack := over.Hijack()
		if w.flushed != tt.flushes || w.hijacked != tt.hijacks || (flush == nil) != (tt.flushes > 0) || (hijack == nil) != (tt.hijacks > 0) {
			t.Errorf("%s: %d flushed (%v), %d hijacked (%v)", name, w.flushed, flush, w.hijacked, hijack)
		}
	}
}

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

		"errors":        {errorFlusher{}, true, false, false},
		"bare, below":   {unwraps{bare{}}, false, false, false},
		"flusher below": {unwraps{flusher{}}, true, false, false},
		"both below":    {unwraps{unwraps{both{}}}, true, true, false},
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
