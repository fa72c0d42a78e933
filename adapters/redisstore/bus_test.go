package redisstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/seawalltest"
)

func TestNewBus(t *testing.T) {
	c := client(t, &redis.UniversalOptions{})
	ring := redis.NewRing(&redis.RingOptions{})
	defer ring.Close()
	for _, tc := range []struct {
		cfg  BusConfig
		want string
	}{
		{BusConfig{Channel: "c"}, "seawall/redisstore: Client must be set (got nil)"},
		{BusConfig{Client: ring, Channel: "c"}, "seawall/redisstore: Client must have ContextTimeoutEnabled (got false)"},
		{BusConfig{Client: c}, `seawall/redisstore: Channel must be set (got "")`},
	} {
		if _, err := NewBus(tc.cfg); err == nil || !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("%v, want %s", err, tc.want)
		}
	}
}

// listener counts what a bus says.
type listener struct {
	t     *testing.T
	lost  atomic.Int64
	heard atomic.Int64
	block atomic.Pointer[chan struct{}]
	quit  context.CancelFunc
	ended chan struct{}
}

// quickTick is a second of a Bus in these tests.
const quickTick = 200 * time.Millisecond

// listening is a Bus that hears already.
func listening(t *testing.T, o *redis.UniversalOptions) (*Bus, *listener) {
	t.Helper()
	b := busOf(t, o)
	b.tick = quickTick
	return b, listen(t, b)
}

func listen(t *testing.T, b *Bus) *listener {
	t.Helper()
	l := beginListening(t, b)
	l.awaitLost(1)
	return l
}

func beginListening(t *testing.T, b *Bus) *listener {
	t.Helper()
	l := &listener{t: t, ended: make(chan struct{})}
	ctx, quit := context.WithCancel(context.Background())
	l.quit = quit
	go func() {
		defer close(l.ended)
		b.Listen(ctx, func([]byte) {
			l.heard.Add(1)
			if c := l.block.Load(); c != nil {
				<-*c
			}
		}, func() { l.lost.Add(1) })
	}()
	t.Cleanup(l.end)
	return l
}

func (l *listener) end() {
	l.quit()
	select {
	case <-l.ended:
	case <-time.After(15 * time.Second):
		l.t.Error("Listen does not return")
	}
}

func (l *listener) awaitLost(n int64) {
	l.t.Helper()
	eventually(l.t, fmt.Sprint("lost to be called ", n, " times"), func() bool { return l.lost.Load() >= n })
}

// hears publishes something, once more if a connection is lost meanwhile.
func (l *listener) hears(b *Bus) {
	l.t.Helper()
	before, lost := l.heard.Load(), int64(-1)
	eventually(l.t, "a message", func() bool {
		if now := l.lost.Load(); now != lost {
			lost = now
			if err := b.Publish(l.t.Context(), []byte("x")); err != nil {
				l.t.Fatal(err)
			}
		}
		return l.heard.Load() > before
	})
}

//house:sleep a Redis hangs by its own clock

// TestBusLost: whatever ends a connection, the listener is told once it is there
// again, and then hears all.
func TestBusLost(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(e *engine){
		"CLIENT KILL": func(e *engine) {
			if n := e.do("client", "kill", "type", "pubsub"); n != int64(1) {
				e.t.Errorf("killed %v", n)
			}
		},
		"restart": func(e *engine) { e.kill(); e.start() },
		"SIGSTOP": func(e *engine) {
			e.cmd.Process.Signal(syscall.SIGSTOP)
			time.Sleep(10 * quickTick)
			e.cmd.Process.Signal(syscall.SIGCONT)
		},
		"CLIENT PAUSE": func(e *engine) {
			e.do("client", "pause", (10 * quickTick).Milliseconds(), "all")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := startRedis(t)
			b, l := listening(t, &redis.UniversalOptions{Addrs: []string{e.addr}})
			l.hears(b)
			fault(e)
			l.awaitLost(2)
			eventually(t, "the pool", func() bool { return b.Publish(t.Context(), []byte("y")) == nil })
			l.hears(b)
			if n := l.lost.Load(); n > 3 {
				t.Errorf("lost %d times", n)
			}
		})
	}
}

// blackhole passes on what comes, until it is dropped without a word.
type blackhole struct {
	drop  atomic.Bool
	dials atomic.Int64
	addr  string
}

func (b *blackhole) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	b.dials.Add(1)
	var d net.Dialer
	c, err := d.DialContext(ctx, network, b.addr)
	if err != nil {
		return nil, err
	}
	return &blackholed{Conn: c, b: b}, nil
}

// blackholed never wakes up once something came that it did not pass on.
type blackholed struct {
	net.Conn
	b *blackhole
}

func (c *blackholed) Write(p []byte) (int, error) {
	if c.b.drop.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

func (c *blackholed) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if err != nil || !c.b.drop.Load() {
			return n, err
		}
	}
}

// TestBusDroppedPackets: nothing comes any more, and nothing says so.
func TestBusDroppedPackets(t *testing.T) {
	t.Parallel()
	e := startRedis(t)
	hole := &blackhole{addr: e.addr}
	b := busOf(t, &redis.UniversalOptions{Dialer: hole.dial})
	b.tick = quickTick
	l := listen(t, b)
	talker := busOf(t, &redis.UniversalOptions{Addrs: []string{e.addr}})
	l.hears(talker)
	before := hole.dials.Load()
	hole.drop.Store(true)
	eventually(t, "another connection to be tried", func() bool { return hole.dials.Load() > before })
	hole.drop.Store(false)
	e.do("client", "kill", "type", "normal", "skipme", "yes") // for those that hang in their first words
	l.awaitLost(2)
	l.hears(talker)
}

// TestBusQuiet: a connection on which nobody talks is asked, and stays.
func TestBusQuiet(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	t.Parallel()
	for _, protocol := range []int{2, 3} {
		e := startRedis(t)
		b := busOf(t, &redis.UniversalOptions{Addrs: []string{e.addr}, Protocol: protocol})
		b.tick = time.Second / 2
		l := listen(t, b)
		eventually(t, "pings", func() bool { return e.calls("ping") > 5 })
		eventually(t, "echoes", func() bool { return e.calls("publish") > 1 })
		l.hears(b)
		if n := l.lost.Load(); n != 1 {
			t.Errorf("RESP%d: lost %d times", protocol, n)
		}
	}
}

// TestBusBusy: who takes his time with a message does not lose the connection.
func TestBusBusy(t *testing.T) {
	t.Parallel()
	e := startRedis(t)
	b, l := listening(t, &redis.UniversalOptions{Addrs: []string{e.addr}})
	busy := make(chan struct{})
	l.block.Store(&busy)
	l.hears(b)
	time.Sleep(10 * quickTick)
	l.block.Store(nil)
	close(busy)
	l.hears(b)
	if n := l.lost.Load(); n != 1 {
		t.Errorf("lost %d times", n)
	}
}

// TestBusTooSlow: Redis gives up one for whom too much waits.
func TestBusTooSlow(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	t.Parallel()
	e := startRedis(t)
	e.do("config", "set", "client-output-buffer-limit", "pubsub 1mb 0 0")
	b, l := listening(t, &redis.UniversalOptions{Addrs: []string{e.addr}})
	busy := make(chan struct{})
	l.block.Store(&busy)
	l.hears(b)
	big := bytes.Repeat([]byte("x"), 1<<20)
	eventually(t, "Redis to give up", func() bool {
		if err := b.Publish(t.Context(), big); err != nil {
			t.Fatal(err)
		}
		return e.do("client", "list", "type", "pubsub") == ""
	})
	l.block.Store(nil)
	close(busy)
	l.awaitLost(2)
	l.hears(b)
}

// TestBusLater: Redis comes when somebody listens already, and who gives up before
// that leaves nothing behind.
func TestBusLater(t *testing.T) {
	e := startRedis(t)
	e.kill()
	b := busOf(t, &redis.UniversalOptions{Addrs: []string{e.addr}})
	t.Run("never", func(t *testing.T) {
		seawalltest.CheckLeaks(t)
		l := beginListening(t, b)
		time.Sleep(200 * time.Millisecond)
		if err := b.Publish(t.Context(), []byte("x")); !errors.Is(err, syscall.ECONNREFUSED) || !strings.HasPrefix(err.Error(), "seawall/redisstore: ") {
			t.Errorf("%v", err)
		}
		l.end()
		if l.lost.Load() != 0 || l.heard.Load() != 0 {
			t.Error("lost or heard something of a Redis that was not there")
		}
	})
	l := beginListening(t, b)
	time.Sleep(200 * time.Millisecond)
	e.start()
	l.awaitLost(1)
	l.hears(b)
}

// TestBusDeaf: a name leads to another Redis now, and the one before lives on, with
// nobody who talks.
func TestBusDeaf(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	t.Parallel()
	former, next := startRedis(t), startRedis(t)
	var addr atomic.Value
	addr.Store(former.addr)
	b := busOf(t, &redis.UniversalOptions{Dialer: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, addr.Load().(string))
	}})
	b.tick = quickTick
	l := listen(t, b)
	l.hears(b)
	addr.Store(next.addr)
	former.do("client", "kill", "type", "normal") // and so the pool goes over
	l.awaitLost(2)
	l.hears(b)
	if n := next.do("pubsub", "numsub", "bus").([]any)[1]; n != int64(1) {
		t.Errorf("%v listen to the new one", n)
	}
}

// TestBusRing: shards go away and come again, and so the channel moves from one to
// the other and back.
func TestBusRing(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	t.Parallel()
	x, y := startRedis(t), startRedis(t)
	ring := ringOf(t, x, y)
	b := seawall.Must(NewBus(BusConfig{Client: ring, Channel: "bus"}))
	b.tick = quickTick
	l := listen(t, b)
	l.hears(b)
	has, other := x, y
	if x.do("pubsub", "numsub", "bus").([]any)[1] == int64(0) {
		has, other = y, x
	}
	has.kill()
	eventually(t, "the ring to notice", func() bool { return ring.Len() == 1 })
	l.awaitLost(2)
	l.hears(b)
	has.start()
	eventually(t, "the ring to notice", func() bool { return ring.Len() == 2 })
	l.awaitLost(3)
	l.hears(b)
	has.kill()
	other.kill()
	eventually(t, "the ring to notice", func() bool { return ring.Len() == 0 })
	if err := b.Publish(t.Context(), []byte("x")); err == nil {
		t.Error("published to nobody")
	}
	was := l.lost.Load()
	other.start()
	l.awaitLost(was + 1)
	l.hears(b)
}

// TestBusPauses: as long as there is no Redis, it tries again once in two seconds,
// and not always after the same time.
func TestBusPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var tries []time.Time
		c := redis.NewUniversalClient(Tune(&redis.UniversalOptions{Dialer: func(context.Context, string, string) (net.Conn, error) {
			mu.Lock()
			defer mu.Unlock()
			if now := time.Now(); len(tries) == 0 || now.Sub(tries[len(tries)-1]) > time.Millisecond {
				tries = append(tries, now)
			}
			return nil, io.EOF
		}}))
		defer c.Close()
		b := seawall.Must(NewBus(BusConfig{Client: c, Channel: "bus"}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		b.Listen(ctx, func([]byte) {}, func() {})
		if n := len(tries); n < 30 || n > 80 {
			t.Errorf("%d tries in a minute", n)
		}
		gaps := map[time.Duration]bool{}
		for i := 1; i < len(tries); i++ {
			gap := tries[i].Sub(tries[i-1])
			gaps[gap] = true
			if gap > maxPause+100*time.Millisecond || gap < minPause/2 || i > 10 && gap < maxPause/2 {
				t.Errorf("pause %d is %v", i, gap)
			}
		}
		if len(gaps) < len(tries)/2 {
			t.Errorf("%d different pauses between %d tries", len(gaps), len(tries))
		}
	})
}
