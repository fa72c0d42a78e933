package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/seawall-go/seawall/spike"
)

// site is a contender's server on the loopback interface.
type site struct {
	url     string
	backend *spike.Backend
	guard   *guard

	server *http.Server
	served chan struct{} // closed when Serve has returned
	says   firstLine
}

// closeTimeout bounds the wait for handlers whose clients have all gone: the
// backend ends the work it has begun, some tenths of a second.
const closeTimeout = 10 * time.Second

func openSite(ctx context.Context, c contender, sc spike.Scenario) (*site, error) {
	backend, err := spike.NewBackend(sc.Backend)
	if err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	g, err := c.build(sc)
	if err != nil {
		listener.Close()
		return nil, err
	}
	s := &site{url: "http://" + listener.Addr().String(), backend: backend, guard: g, served: make(chan struct{})}
	s.server = &http.Server{
		Handler:           g.middleware(backend.Handler()),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          log.New(&s.says, "", 0),
	}
	s.server.SetKeepAlivesEnabled(!g.oneRequest)
	if g.listener != nil {
		listener = g.listener(listener)
	}
	go func() {
		defer close(s.served)
		_ = s.server.Serve(listener) // ErrServerClosed, or the log has it
	}()
	return s, nil
}

// close ends the server and the contender and waits until nothing of them is
// left, so that the next one has the machine for itself.
func (s *site) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	if s.server.Shutdown(ctx) != nil {
		s.server.Close()
	}
	<-s.served
	if s.guard.close != nil {
		s.guard.close()
	}
}

// firstLine keeps the first line that net/http logs, such as "too many open
// files", and counts the others.
type firstLine struct {
	mu    sync.Mutex
	first string
	lines int
}

func (l *firstLine) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lines++; l.lines == 1 {
		l.first = strings.TrimSpace(string(p))
	}
	return len(p), nil
}

// complaint is what was logged, or "".
func (l *firstLine) complaint() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lines == 0 {
		return ""
	}
	return fmt.Sprintf("the server logged %d lines, first: %s", l.lines, l.first)
}
