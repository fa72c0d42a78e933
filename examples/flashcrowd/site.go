package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/spike"
)

// site is a contender's server on the loopback interface.
type site struct {
	url     string
	backend *spike.Backend
	guard   *guard
	meter   meter

	server *http.Server
	served chan struct{} // closed when Serve has returned
	says   serverLog
}

// closeTimeout bounds the wait for handlers whose clients have all gone: the
// backend ends the work it has begun, some tenths of a second.
const closeTimeout = 10 * time.Second

func openSite(ctx context.Context, c contender, sc spike.Scenario) (*site, error) {
	backend, err := spike.NewBackend(sc.Backend)
	if err != nil {
		return nil, err
	}
	g, err := c.build(sc)
	if err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("flashcrowd: %w", err)
	}
	s := &site{url: "http://" + listener.Addr().String(), backend: backend, guard: g, served: make(chan struct{})}
	s.server = &http.Server{
		Handler:           s.meter.outer(g.middleware(s.meter.inner(backend.Handler()))),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          log.New(&s.says, "", 0),
	}
	go func() {
		defer close(s.served)
		_ = s.server.Serve(listener) // ErrServerClosed, or the log has it
	}()
	return s, nil
}

// close ends the server and waits until nothing of it is left, so that the next
// contender has the machine for itself.
func (s *site) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	if s.server.Shutdown(ctx) != nil {
		s.server.Close()
	}
	<-s.served
}

// meter counts by priority what the server itself sees, for the live display:
// two additions a request. The table is made from what the clients saw.
type meter struct {
	ended  [seawall.NumPriorities]atomic.Uint64
	served [seawall.NumPriorities]atomic.Uint64
}

// seen is a reading of a meter, highest priority first.
type seen struct {
	ended, served [seawall.NumPriorities]uint64
}

// outer counts every request at its end, whatever became of it.
func (m *meter) outer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r)
		m.ended[index(r)].Add(1)
	})
}

// inner counts those whose work was done while the client still wanted it.
func (m *meter) inner(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r)
		if r.Context().Err() == nil {
			m.served[index(r)].Add(1)
		}
	})
}

func (m *meter) read() seen {
	var s seen
	for i := range s.ended {
		s.served[i] = m.served[i].Load()
		s.ended[i] = m.ended[i].Load()
	}
	return s
}

func index(r *http.Request) int { return int(seawall.Critical - spike.PriorityFromPath(r)) }

// serverLog keeps the first lines that net/http logs, such as "too many open
// files", and counts the others.
type serverLog struct {
	mu    sync.Mutex
	first []string
	lines int
}

const keptLines = 3

func (l *serverLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines++
	if len(l.first) < keptLines {
		l.first = append(l.first, strings.TrimSpace(string(p)))
	}
	return len(p), nil
}

// complaint is what was logged, or "".
func (l *serverLog) complaint() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lines == 0 {
		return ""
	}
	return fmt.Sprintf("the server logged %d lines, first: %s", l.lines, strings.Join(l.first, " | "))
}
