package seawalltest

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// lifecycle knows what a http.Server has at work, so that closing one can wait
// for all of it. http.Server.Close waits for nothing, and Shutdown polls.
type lifecycle struct {
	srv  *http.Server
	idle chan struct{} // closed when nothing is left after close
	done chan struct{} // closed when close has returned

	mu      sync.Mutex
	closed  bool
	serving bool                  // Serve has not returned
	conns   map[net.Conn]struct{} // whose goroutines net/http runs
	running int                   // handlers: with HTTP/2 they outlive the connection
}

// startServer serves ln. It takes the place of srv's Handler and ConnState, and
// calls those that were there.
func startServer(srv *http.Server, ln net.Listener) *lifecycle {
	l := &lifecycle{
		srv:     srv,
		idle:    make(chan struct{}),
		done:    make(chan struct{}),
		serving: true,
		conns:   make(map[net.Conn]struct{}),
	}
	srv.Handler = l.counted(srv.Handler)
	srv.ConnState = l.tracked(srv.ConnState)
	go func() {
		srv.Serve(ln)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.serving = false
		l.closeIfIdle()
	}()
	return l
}

// tracked counts connections: their goroutines may sleep for half a second
// before they end if a request's body was not read.
func (l *lifecycle) tracked(hook func(net.Conn, http.ConnState)) func(net.Conn, http.ConnState) {
	return func(c net.Conn, state http.ConnState) {
		if hook != nil {
			hook(c, state)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		switch state {
		case http.StateNew:
			l.conns[c] = struct{}{}
		case http.StateClosed, http.StateHijacked:
			delete(l.conns, c)
			l.closeIfIdle()
		default: // at work or not, it has its goroutine
		}
	}
}

// counted counts handlers. It touches neither the writer nor the request. A
// request that was read but not yet served when close began is dropped, so that
// no handler runs after it.
func (l *lifecycle) counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		if l.closed {
			l.mu.Unlock()
			panic(http.ErrAbortHandler)
		}
		l.running++
		l.mu.Unlock()
		defer func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.running--
			l.closeIfIdle()
		}()
		h.ServeHTTP(w, r)
	})
}

// closeIfIdle tells close that nothing runs any more. Call it under mu.
func (l *lifecycle) closeIfIdle() {
	if !l.closed || l.serving || l.running > 0 || len(l.conns) > 0 {
		return
	}
	select {
	case <-l.idle:
	default:
		close(l.idle)
	}
}

// close cuts the connections, calls cut, which may cut what net/http does not
// know of, and waits until nothing runs any more. It returns false if something
// still does after the grace period. Every call waits.
func (l *lifecycle) close(grace time.Duration, cut func()) bool {
	l.mu.Lock()
	first := !l.closed
	l.closed = true
	l.closeIfIdle()
	l.mu.Unlock()
	if !first {
		<-l.done
		return true
	}
	defer close(l.done)
	l.srv.Close()
	cut()
	late := time.NewTimer(grace)
	defer late.Stop()
	select {
	case <-l.idle:
		return true
	case <-late.C:
		return false
	}
}
