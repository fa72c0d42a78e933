package cachetest

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// proxy stands before a server, and is the network between.
type proxy struct {
	addr  string
	to    string
	delay atomic.Int64 // of answers
	done  chan struct{}
	work  sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]struct{} // nil when it is closed
}

// startProxy runs a proxy, which ends with t.
func startProxy(t *testing.T, to string) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{addr: l.Addr().String(), to: to, done: make(chan struct{}), conns: map[net.Conn]struct{}{}}
	p.work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.work.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		close(p.done)
		p.mu.Lock()
		for c := range p.conns {
			c.Close()
		}
		p.conns = nil
		p.mu.Unlock()
		p.work.Wait()
	})
	return p
}

// keep notes a connection, unless it is too late for that.
func (p *proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conns == nil {
		c.Close()
		return false
	}
	p.conns[c] = struct{}{}
	return true
}

func (p *proxy) drop(c net.Conn) {
	c.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

// cut ends all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}

func (p *proxy) serve(client net.Conn) {
	if !p.keep(client) {
		return
	}
	defer p.drop(client)
	server, err := net.DialTimeout("tcp", p.to, time.Second)
	if err != nil || !p.keep(server) {
		return
	}
	defer p.drop(server)
	p.work.Go(func() {
		p.copy(server, client, nil)
		server.Close()
	})
	p.copy(client, server, &p.delay)
}

func (p *proxy) copy(to, from net.Conn, delay *atomic.Int64) {
	b := make([]byte, 16<<10)
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		if delay != nil && delay.Load() > 0 {
			select {
			case <-time.After(time.Duration(delay.Load())):
			case <-p.done:
				return
			}
		}
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}
