package redisstore

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/ratelimit"
)

//house:sleep a Redis hangs by its own clock

var one = ratelimit.RemoteTake{Key: "b", Rate: slow, UpTo: 10, Least: 1, Want: 1}

// TestScriptFlush costs a resend of the script and nothing else.
func TestScriptFlush(t *testing.T) {
	e := startRedis(t)
	s := storeOf(t, e.addr)
	for range 3 {
		e.do("script", "flush")
		for range 3 {
			must(t, s, one)
		}
	}
	if got := must(t, s, ratelimit.RemoteTake{Key: "b", Rate: slow, UpTo: 10}); got.Left != 1 {
		t.Errorf("%+v", got)
	}
	if sha, whole := e.calls("evalsha"), e.calls("eval"); sha != 10 || whole != 3 {
		t.Errorf("%d EVALSHA and %d EVAL, want 10 and 3", sha, whole)
	}
}

// TestHang: a Redis that does not answer costs the deadline and no more, and the
// next call after it is well.
func TestHang(t *testing.T) {
	for name, hang := range map[string]func(e *engine, d time.Duration){
		"debug sleep": func(e *engine, d time.Duration) {
			c := e.admin()
			go func() {
				defer c.Close()
				c.Do(context.Background(), "debug", "sleep", d.Seconds())
			}()
			time.Sleep(50 * time.Millisecond)
		},
		"SIGSTOP": func(e *engine, d time.Duration) {
			p := e.cmd.Process
			p.Signal(syscall.SIGSTOP)
			time.AfterFunc(d, func() { p.Signal(syscall.SIGCONT) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := startRedis(t)
			s := storeOf(t, e.addr)
			must(t, s, one)
			hang(e, 1500*time.Millisecond)
			end := time.Now().Add(1500 * time.Millisecond)
			for range 5 { // the first by a connection that was there, the next by new ones
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
				start := time.Now()
				_, err := s.TakeUpTo(ctx, one)
				cancel()
				if err == nil || !strings.HasPrefix(err.Error(), "seawall/redisstore: ") {
					t.Errorf("%v", err)
				}
				var timeout net.Error
				if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, os.ErrDeadlineExceeded) && !(errors.As(err, &timeout) && timeout.Timeout()) {
					t.Errorf("it does not say that time was up: %v", err)
				}
				if d := time.Since(start); d > 500*time.Millisecond {
					t.Errorf("it took %v", d)
				}
			}
			time.Sleep(time.Until(end) + 100*time.Millisecond)
			must(t, s, one)
		})
	}
}

// TestRestart: while it is away, an error at once; when it is back, the next call
// finds it, and goes on from what the caller remembers.
func TestRestart(t *testing.T) {
	e := startRedis(t)
	s := storeOf(t, e.addr)
	first := must(t, s, ratelimit.RemoteTake{Key: "b", Rate: slow, UpTo: 10, Least: 8, Want: 8})
	e.kill()
	start := time.Now()
	for range 30 { // go-redis would dial but once a second after 20 in vain
		_, err := s.TakeUpTo(t.Context(), one)
		if !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, syscall.EPIPE) && !strings.Contains(err.Error(), "EOF") && !errors.Is(err, syscall.ECONNRESET) {
			t.Fatalf("while it is away: %v", err)
		}
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("30 refused connections took %v", d)
	}
	e.start()
	ask := one
	ask.State, ask.Want = first.State, 5
	if got := must(t, s, ask); got.Got != 2 {
		t.Errorf("%+v", got)
	}
}

// TestOutOfMemory: an error of Redis's own, until there is room again.
func TestOutOfMemory(t *testing.T) {
	e := startRedis(t)
	s := storeOf(t, e.addr)
	must(t, s, one)
	e.do("config", "set", "maxmemory", "1")
	if _, err := s.TakeUpTo(t.Context(), one); !redis.HasErrorPrefix(err, "OOM") {
		t.Errorf("%v", err)
	}
	refused := ratelimit.RemoteTake{Key: "b", Rate: slow, UpTo: 10, Least: 10, Want: 10}
	if got := must(t, s, refused); got.Got != 0 || got.Left != 9 {
		t.Errorf("a refusal needs no memory: %+v", got)
	}
	e.do("config", "set", "maxmemory", "0")
	must(t, s, one)
}

// TestDemoted: a name that now leads to another master, and connections to the
// former one, which is its replica.
func TestDemoted(t *testing.T) {
	former, next := startRedis(t), startRedis(t)
	var addr atomic.Value
	addr.Store(former.addr)
	c := client(t, &redis.UniversalOptions{Dialer: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, addr.Load().(string))
	}})
	s := seawall.Must(New(Config{Client: c}))
	first := must(t, s, one)
	hold := make([]*redis.Conn, 6) // so that there are as many connections
	for i := range hold {
		hold[i] = c.(*redis.Client).Conn()
		if err := hold[i].Ping(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, conn := range hold {
		conn.Close()
	}
	if n := c.PoolStats().IdleConns; n < 6 {
		t.Fatalf("%d connections", n)
	}
	former.do("replicaof", "127.0.0.1", next.port())
	addr.Store(next.addr)
	ask := one
	ask.State = first.State
	if got := must(t, s, ask); got.Left != 8 {
		t.Errorf("%+v", got)
	}
	if n := next.calls("evalsha"); n != 1 {
		t.Errorf("the new master was asked %d times", n)
	}
}
