package seawalltest

import (
	"bytes"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// pipeBuffer is what one direction of a connection holds before writes block,
// as the buffers of a kernel do. net.Pipe holds nothing, so that code deadlocks
// on it which works on a network.
const pipeBuffer = 64 << 10

// conn is one end of an in-memory connection. What was written before Close can
// still be read by the other end. Everything waits on channels made by the
// waiter, so that a synctest bubble sees it blocked.
type conn struct {
	in, out       *stream
	local, remote net.Addr
	readBy        deadline
	writeBy       deadline
	turn          chan struct{} // held by the one Write at work
	onClose       func()
	once          sync.Once
}

// newPair returns the two ends of a connection. onClose is called once for each.
func newPair(client, server net.Addr, onClose func()) (atClient, atServer *conn) {
	up, down := new(stream), new(stream)
	return newConn(down, up, client, server, onClose), newConn(up, down, server, client, onClose)
}

func newConn(in, out *stream, local, remote net.Addr, onClose func()) *conn {
	return &conn{
		in: in, out: out, local: local, remote: remote,
		readBy: newDeadline(), writeBy: newDeadline(),
		turn: make(chan struct{}, 1), onClose: onClose,
	}
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.in.read(p, &c.readBy)
	if err == nil || err == io.EOF {
		return n, err
	}
	return n, c.fail("read", err)
}

func (c *conn) Write(p []byte) (int, error) {
	select {
	case c.turn <- struct{}{}:
	case <-c.writeBy.passed():
		return 0, c.fail("write", os.ErrDeadlineExceeded)
	}
	n, err := c.out.write(p, &c.writeBy)
	<-c.turn
	if err != nil {
		return n, c.fail("write", err)
	}
	return n, nil
}

func (c *conn) fail(op string, err error) error {
	return &net.OpError{Op: op, Net: "pipe", Source: c.local, Addr: c.remote, Err: err}
}

func (c *conn) Close() error {
	c.once.Do(func() {
		c.in.closeReader()
		c.out.closeWriter()
		c.readBy.set(time.Time{}) // stops the timers
		c.writeBy.set(time.Time{})
		c.onClose()
	})
	return nil
}

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.remote }

func (c *conn) SetReadDeadline(t time.Time) error {
	c.readBy.set(t)
	return nil
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	c.writeBy.set(t)
	return nil
}

func (c *conn) SetDeadline(t time.Time) error {
	c.readBy.set(t)
	c.writeBy.set(t)
	return nil
}

// stream is one direction of a connection.
type stream struct {
	mu         sync.Mutex
	buf        bytes.Buffer
	readerGone bool
	writerGone bool
	wake       chan struct{} // closed at the next change; nil if nobody waits
}

func (s *stream) read(p []byte, by *deadline) (int, error) {
	for {
		if by.isPassed() {
			return 0, os.ErrDeadlineExceeded
		}
		s.mu.Lock()
		n, ready, err := s.tryRead(p)
		if ready {
			s.mu.Unlock()
			return n, err
		}
		wake := s.waiter()
		s.mu.Unlock()
		select {
		case <-wake:
		case <-by.passed():
		}
	}
}

func (s *stream) tryRead(p []byte) (n int, ready bool, err error) {
	switch {
	case s.readerGone:
		return 0, true, net.ErrClosed
	case len(p) == 0:
		return 0, true, nil
	case s.buf.Len() > 0:
		n, _ = s.buf.Read(p)
		s.changed()
		return n, true, nil
	case s.writerGone:
		return 0, true, io.EOF
	}
	return 0, false, nil
}

func (s *stream) write(p []byte, by *deadline) (int, error) {
	written := 0
	for {
		if by.isPassed() {
			return written, os.ErrDeadlineExceeded
		}
		s.mu.Lock()
		switch {
		case s.writerGone:
			s.mu.Unlock()
			return written, net.ErrClosed
		case s.readerGone:
			s.mu.Unlock()
			return written, io.ErrClosedPipe
		}
		if room := min(pipeBuffer-s.buf.Len(), len(p)-written); room > 0 {
			s.buf.Write(p[written : written+room])
			written += room
			s.changed()
		}
		if written == len(p) {
			s.mu.Unlock()
			return written, nil
		}
		wake := s.waiter()
		s.mu.Unlock()
		select {
		case <-wake:
		case <-by.passed():
		}
	}
}

func (s *stream) closeReader() {
	s.mu.Lock()
	s.readerGone = true
	s.buf = bytes.Buffer{}
	s.changed()
	s.mu.Unlock()
}

func (s *stream) closeWriter() {
	s.mu.Lock()
	s.writerGone = true
	s.changed()
	s.mu.Unlock()
}

// waiter returns a channel that the next change closes. Call it under mu.
func (s *stream) waiter() <-chan struct{} {
	if s.wake == nil {
		s.wake = make(chan struct{})
	}
	return s.wake
}

// changed wakes all who wait. Call it under mu.
func (s *stream) changed() {
	if s.wake != nil {
		close(s.wake)
		s.wake = nil
	}
}

// deadline is a channel that is closed when a settable time has passed.
type deadline struct {
	mu    sync.Mutex
	ch    chan struct{}
	timer *time.Timer
	calls uint64 // counts calls of set, so that a late timer closes nothing
}

func newDeadline() deadline { return deadline{ch: make(chan struct{})} }

// set moves the deadline to t; the zero time means never.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	select {
	case <-d.ch:
		d.ch = make(chan struct{})
	default:
	}
	if t.IsZero() {
		return
	}
	left := time.Until(t)
	if left <= 0 {
		close(d.ch)
		return
	}
	mine := d.calls
	d.timer = time.AfterFunc(left, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.calls == mine {
			close(d.ch)
		}
	})
}

func (d *deadline) passed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ch
}

func (d *deadline) isPassed() bool {
	select {
	case <-d.passed():
		return true
	default:
		return false
	}
}
