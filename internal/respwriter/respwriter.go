// Package respwriter puts a ResponseWriter in front of another one without hiding
// what that one can do.
package respwriter

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

// Writer is one that stands in front of another, which Unwrap returns.
type Writer interface {
	http.ResponseWriter
	io.StringWriter
	io.ReaderFrom
	Unwrap() http.ResponseWriter
	// FlushError and Hijack are called only if the other can do it.
	FlushError() error
	HijackConn() (net.Conn, *bufio.ReadWriter, error)
}

// base has no more than every one of net/http's writers has.
type base interface {
	http.ResponseWriter
	io.StringWriter
	io.ReaderFrom
	Unwrap() http.ResponseWriter
}

// The forms: a handler must find by type assertion what the writers below can do,
// and nothing else. To flush and to hijack is found wherever http.ResponseController
// would: it asks the first that offers it, and that has to be this one.
type (
	plain    struct{ base }
	flushing struct {
		base

		w Writer
	}
	hijacking struct {
		base

		w Writer
	}
	flushClosing  struct{ flushing }
	flushHijack   struct{ flushing }
	hijackClosing struct{ flushHijack }  // HTTP/1 in net/http
	pushing       struct{ flushClosing } // HTTP/2
)

// Over returns w in the form that what it unwraps to has, there or further below. It
// allocates once.
func Over(w Writer) http.ResponseWriter {
	below := w.Unwrap()
	flushes, hijacks := Can(below)
	_, pushes := below.(http.Pusher)
	_, closes := below.(http.CloseNotifier) //nolint:staticcheck // frameworks that are not so young ask for it, and panic without
	f := flushing{w, w}
	switch {
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
		return hijacking{w, w}
	default:
		return plain{w}
	}
}

// Can says what a writer and those below it can do, as http.ResponseController sees it.
func Can(w http.ResponseWriter) (flush, hijack bool) {
	for {
		switch w.(type) {
		case http.Flusher, interface{ FlushError() error }:
			flush = true
		}
		if _, ok := w.(http.Hijacker); ok {
			hijack = true
		}
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok || flush && hijack {
			return flush, hijack
		}
		w = u.Unwrap()
	}
}

func (f flushing) Flush()            { _ = f.w.FlushError() }
func (f flushing) FlushError() error { return f.w.FlushError() }

func (f hijacking) Hijack() (net.Conn, *bufio.ReadWriter, error)   { return f.w.HijackConn() }
func (f flushHijack) Hijack() (net.Conn, *bufio.ReadWriter, error) { return f.w.HijackConn() }

func closeNotify(w Writer) <-chan bool {
	return w.Unwrap().(http.CloseNotifier).CloseNotify() //nolint:staticcheck,forcetypeassert // Over has looked
}

func (f flushClosing) CloseNotify() <-chan bool  { return closeNotify(f.w) }
func (f hijackClosing) CloseNotify() <-chan bool { return closeNotify(f.w) }

func (p pushing) Push(target string, o *http.PushOptions) error {
	return p.w.Unwrap().(http.Pusher).Push(target, o) //nolint:forcetypeassert,wrapcheck // Over has looked
}
