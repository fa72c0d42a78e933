package seawalltest

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func TestListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := Listen()
		go func() {
			c, err := l.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			c.Write([]byte(c.RemoteAddr().String()))
			c.Close()
		}()
		c, err := l.DialFrom(t.Context(), netip.MustParseAddr("2001:db8::7"))
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 64)
		n, _ := c.Read(buf)
		if got := string(buf[:n]); got != c.LocalAddr().String() || got != "[2001:db8::7]:10000" {
			t.Errorf("server sees %q, client is %v", got, c.LocalAddr())
		}
		if c.RemoteAddr().String() != "192.0.2.1:80" || l.Addr().String() != "192.0.2.1:80" {
			t.Errorf("server is %v, %v", c.RemoteAddr(), l.Addr())
		}
		c.Close()
		l.Close()
		if len(l.open) != 0 {
			t.Errorf("%d connections remembered after both ends closed", len(l.open))
		}
	})
}

func TestDialEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := Listen()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := l.Dial(ctx, "tcp", "any:80"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("nobody accepts: %v", err)
		}
		time.AfterFunc(time.Second, func() { l.Close() })
		if _, err := l.Dial(t.Context(), "tcp", "any:80"); !errors.Is(err, net.ErrClosed) {
			t.Errorf("closed while dialing: %v", err)
		}
		if _, err := l.Dial(t.Context(), "tcp", "any:80"); !errors.Is(err, net.ErrClosed) {
			t.Errorf("closed before dialing: %v", err)
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("accept: %v", err)
		}
		if err := l.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
		if len(l.open) != 0 {
			t.Errorf("%d connections remembered", len(l.open))
		}
	})
}

func TestPortsWrap(t *testing.T) {
	l := Listen()
	seen := make(map[uint16]int)
	for range 2*(lastPort-firstPort+1) + 1 {
		seen[l.nextPort()]++
	}
	if len(seen) != lastPort-firstPort+1 || seen[firstPort] != 3 || seen[lastPort] != 2 {
		t.Errorf("%d ports, first %d times, last %d times", len(seen), seen[firstPort], seen[lastPort])
	}
}
