package seawalltest

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func testPair() (client, server *conn) {
	a := &net.TCPAddr{IP: net.IPv4(198, 51, 100, 1), Port: 1}
	b := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80}
	return newPair(a, b, func() {})
}

func TestConnCarriesBytesBothWays(t *testing.T) {
	client, server := testPair()
	sent := make([]byte, 5*pipeBuffer+7)
	for i := range sent {
		sent[i] = byte(rand.Uint32())
	}
	go func() { // echo
		io.Copy(server, server)
		server.Close()
	}()
	go func() {
		for rest := sent; len(rest) > 0; {
			n := min(len(rest), 1+rand.IntN(9000))
			client.Write(rest[:n])
			rest = rest[n:]
		}
	}()
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(client, got); err != nil {
		t.Fatal(err)
	}
	client.Close()
	if !bytes.Equal(got, sent) {
		t.Error("bytes differ")
	}
}

func TestConnCloseKeepsWhatWasWritten(t *testing.T) {
	client, server := testPair()
	client.Write([]byte("last words"))
	client.Close()
	got, err := io.ReadAll(server)
	if string(got) != "last words" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	if _, err := server.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("write to a closed peer: %v", err)
	}
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read after Close: %v", err)
	}
	if _, err := client.Write(nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write after Close: %v", err)
	}
	if err := client.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestConnDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := testPair()
		defer client.Close()
		defer server.Close()
		buf := make([]byte, 1)

		start := time.Now()
		client.SetReadDeadline(start.Add(time.Second))
		_, err := client.Read(buf)
		var ne net.Error
		if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &ne) || !ne.Timeout() {
			t.Errorf("read: %v", err)
		}
		if d := time.Since(start); d != time.Second {
			t.Errorf("read waited %v, want 1s", d)
		}
		server.Write([]byte("a"))
		if _, err := client.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a passed deadline lets bytes through: %v", err)
		}
		client.SetReadDeadline(time.Time{})
		if _, err := client.Read(buf); err != nil || buf[0] != 'a' {
			t.Errorf("after reset: %q, %v", buf, err)
		}

		// A deadline that is set while Read waits, and one that is moved.
		time.AfterFunc(time.Second, func() { client.SetReadDeadline(time.Now().Add(time.Hour)) })
		time.AfterFunc(2*time.Second, func() { client.SetReadDeadline(time.Now()) })
		start = time.Now()
		if _, err := client.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 2*time.Second {
			t.Errorf("read: %v after %v", err, time.Since(start))
		}

		start = time.Now()
		client.SetWriteDeadline(start.Add(time.Minute))
		n, err := client.Write(make([]byte, 2*pipeBuffer))
		if n != pipeBuffer || !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Minute {
			t.Errorf("write: %d, %v after %v", n, err, time.Since(start))
		}

		server.SetDeadline(time.Now()) // both
		if _, err := server.Write(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("write: %v", err)
		}
		if _, err := server.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read: %v", err)
		}
	})
}

func TestConnCloseWakesEverybody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := testPair()
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if _, err := client.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
					t.Errorf("read: %v", err)
				}
			})
			wg.Go(func() {
				if _, err := client.Write(make([]byte, 2*pipeBuffer)); !errors.Is(err, net.ErrClosed) {
					t.Errorf("write: %v", err)
				}
			})
		}
		synctest.Wait()
		client.Close()
		wg.Wait()
		server.Close()
	})
}

// Two writes at once are not mixed, however long they are.
func TestConnWritesAreWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := testPair()
		const size = 20 * pipeBuffer
		var wg sync.WaitGroup
		for _, b := range []byte("ab") {
			wg.Go(func() { client.Write(bytes.Repeat([]byte{b}, size)) })
		}
		synctest.Wait() // both are at it
		go func() { wg.Wait(); client.Close() }()
		got, err := io.ReadAll(server)
		if err != nil || len(got) != 2*size {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
		for half := range 2 {
			part := got[half*size : (half+1)*size]
			if n := bytes.Count(part, part[:1]); n != size {
				t.Errorf("half %d: %d of %d bytes are %q", half, n, size, part[0])
			}
		}
		server.Close()
	})
}
