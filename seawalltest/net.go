package seawalltest

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
)

// The addresses are from the blocks that RFC 5737 keeps for documentation.
var (
	serverAddr = netip.MustParseAddrPort("192.0.2.1:80")
	clientIP   = netip.MustParseAddr("198.51.100.1")
)

const (
	firstPort = 10000
	lastPort  = 65535
)

// Listener is a network of one server in memory: what Dial connects, Accept
// returns. There are no sockets, so it works in a testing/synctest bubble, if it
// was made inside of it. Each direction of a connection holds 64 KiB before
// writes block.
type Listener struct {
	incoming chan net.Conn
	done     chan struct{}

	mu     sync.Mutex
	closed bool
	port   int
	open   map[net.Conn]struct{} // the server's ends
}

// Listen returns a new Listener. Its address is 192.0.2.1:80.
func Listen() *Listener {
	return &Listener{
		incoming: make(chan net.Conn),
		done:     make(chan struct{}),
		port:     firstPort,
		open:     make(map[net.Conn]struct{}),
	}
}

// Accept waits for the next Dial. After Close it returns net.ErrClosed.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.incoming:
		return c, nil
	case <-l.done:
		return nil, fmt.Errorf("seawalltest: accept: %w", net.ErrClosed)
	}
}

// Close ends Accept and Dial. Connections that are open stay open, as with TCP.
func (l *Listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.closed = true
		close(l.done)
	}
	return nil
}

// Addr returns the server's address, 192.0.2.1:80.
func (l *Listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(serverAddr) }

// Dial connects to the server from 198.51.100.1, with a port of its own for each
// connection. The arguments but ctx are ignored: it has the shape that
// http.Transport.DialContext wants. It waits for an Accept.
func (l *Listener) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return l.DialFrom(ctx, clientIP)
}

// DialFrom is Dial from the given address, for tests of what depends on the
// client's address.
func (l *Listener) DialFrom(ctx context.Context, ip netip.Addr) (net.Conn, error) {
	from := net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, l.nextPort()))
	var atServer *conn
	atClient, atServer := newPair(from, l.Addr(), func() {})
	atServer.onClose = func() { l.forget(atServer) }
	if !l.remember(atServer) {
		return nil, &net.OpError{Op: "dial", Net: "pipe", Addr: l.Addr(), Err: net.ErrClosed}
	}
	var err error
	select {
	case l.incoming <- atServer:
		return atClient, nil
	case <-l.done:
		err = net.ErrClosed
	case <-ctx.Done():
		err = ctx.Err()
	}
	atServer.Close()
	atClient.Close()
	return nil, &net.OpError{Op: "dial", Net: "pipe", Addr: l.Addr(), Err: err}
}

func (l *Listener) nextPort() uint16 {
	l.mu.Lock()
	defer l.mu.Unlock()
	port := l.port
	if l.port++; l.port > lastPort {
		l.port = firstPort
	}
	return uint16(port)
}

// remember and forget keep the connections that closeAll must find.
func (l *Listener) remember(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.open[c] = struct{}{}
	return true
}

func (l *Listener) forget(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, c)
}

// closeAll closes the server's end of every connection, the hijacked ones that
// no http.Server knows included.
func (l *Listener) closeAll() {
	l.mu.Lock()
	all := make([]net.Conn, 0, len(l.open))
	for c := range l.open {
		all = append(all, c)
	}
	l.mu.Unlock()
	for _, c := range all {
		c.Close()
	}
}
