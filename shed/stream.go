package shed

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/seawall-go/seawall/internal/respwriter"
)

const eventStream = "text/event-stream"

// mayStream reports whether the client asks for what, if the handler agrees,
// lasts: an upgraded connection, one over HTTP/2 (RFC 8441), or Server-Sent
// Events. It is asked for every request.
func mayStream(r *http.Request) bool {
	if r.Header["Upgrade"] != nil || r.Method == http.MethodConnect && r.Header[":protocol"] != nil {
		return true
	}
	for _, accepted := range r.Header["Accept"] {
		if strings.Contains(accepted, eventStream) {
			return true
		}
	}
	return false
}

// stream is the ResponseWriter of a request that may become a stream. It sees
// it begin, and gives the seats back then. Only what the handler does counts:
// if what the client says did, a header would be enough to get in beside the
// limit.
type stream struct {
	http.ResponseWriter
	permit  *Permit
	tunnel  bool // an accepted CONNECT is a stream, whatever its content
	http1   bool
	decided bool
}

// begun is called with the status of the response before it is sent.
func (s *stream) begun(status int) {
	if s.decided || status < 200 && status != http.StatusSwitchingProtocols {
		return // more will come after 103 Early Hints
	}
	s.decided = true
	if status == http.StatusRequestEntityTooLarge && s.http1 {
		// http.MaxBytesReader tells net/http's own writer to close, which it does
		// not find here. Otherwise the rest of the body would have to be read.
		s.Header().Set("Connection", "close")
	}
	if status == http.StatusSwitchingProtocols || status < 300 && (s.tunnel || isEventStream(s.Header())) {
		s.permit.Detach()
	}
}

func isEventStream(h http.Header) bool {
	v := h["Content-Type"]
	if len(v) == 0 {
		return false
	}
	kind, _, _ := strings.Cut(v[0], ";")
	return strings.EqualFold(strings.TrimSpace(kind), eventStream)
}

func (s *stream) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func (s *stream) WriteHeader(status int) {
	s.begun(status)
	s.ResponseWriter.WriteHeader(status)
}

func (s *stream) Write(p []byte) (int, error) {
	s.begun(http.StatusOK)
	return s.ResponseWriter.Write(p)
}

func (s *stream) WriteString(text string) (int, error) {
	s.begun(http.StatusOK)
	return io.WriteString(s.ResponseWriter, text)
}

// ReadFrom leaves the copying to what is below, which may have sendfile.
func (s *stream) ReadFrom(src io.Reader) (int64, error) {
	s.begun(http.StatusOK)
	return io.Copy(s.ResponseWriter, src)
}

// Below are the forms of a stream: a handler must find by type assertion what
// the writers below can do, and nothing else. All are one pointer wide, so that
// making an http.ResponseWriter of them costs nothing (respwriter.Over allocates).
type (
	flushing      struct{ *stream }
	hijacking     struct{ *stream }
	flushClosing  struct{ flushing }
	flushHijack   struct{ flushing }
	hijackClosing struct{ flushHijack }  // HTTP/1 in net/http
	pushing       struct{ flushClosing } // HTTP/2
)

// over returns s as a writer on top of w.
func (s *stream) over(w http.ResponseWriter, p *Permit, r *http.Request) http.ResponseWriter {
	s.ResponseWriter, s.permit = w, p
	s.tunnel, s.http1 = r.Method == http.MethodConnect, r.ProtoMajor == 1
	flushes, hijacks := respwriter.Can(w)
	_, pushes := w.(http.Pusher)
	//lint:ignore SA1019 frameworks that are not so young ask for it, and panic without
	_, closes := w.(http.CloseNotifier) //nolint:staticcheck // as said
	switch f := (flushing{s}); {
	case flushes && hijacks && closes:
		return hijackClosing{flushHijack{f}}
	case flushes && closes && pushes:
		return pushing{flushClosing{f}}
	case flushes && hijacks:
		return flushHijack{f}
	case flushes && closes:
		return flushClosing{f}
	case flushes:
		return f
	case hijacks:
		return hijacking{s}
	default:
		return s
	}
}

func (s flushing) Flush() { _ = s.FlushError() }

func (s flushing) FlushError() error {
	s.begun(http.StatusOK)
	return http.NewResponseController(s.ResponseWriter).Flush()
}

func (s *stream) hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(s.ResponseWriter).Hijack()
	if err == nil {
		s.permit.Detach()
	}
	return conn, rw, err
}

func (s hijacking) Hijack() (net.Conn, *bufio.ReadWriter, error)   { return s.hijack() }
func (s flushHijack) Hijack() (net.Conn, *bufio.ReadWriter, error) { return s.hijack() }

func (s *stream) closeNotify() <-chan bool {
	//lint:ignore SA1019 as above
	return s.ResponseWriter.(http.CloseNotifier).CloseNotify() //nolint:staticcheck,forcetypeassert // as above
}

func (s flushClosing) CloseNotify() <-chan bool  { return s.closeNotify() }
func (s hijackClosing) CloseNotify() <-chan bool { return s.closeNotify() }

func (s pushing) Push(target string, opts *http.PushOptions) error {
	return s.ResponseWriter.(http.Pusher).Push(target, opts) //nolint:forcetypeassert // as above
}
