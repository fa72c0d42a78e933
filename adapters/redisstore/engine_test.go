package redisstore

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seawall-go/seawall"
)

//house:sleep a Redis goes by its own clock

// engine is a Redis of the test's own.
type engine struct {
	t    testing.TB
	name string // of the program
	addr string
	args []string
	cmd  *exec.Cmd
	out  lockedBuffer
}

// lockedBuffer is written by a process and read by a test.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// startRedis runs a redis-server that keeps nothing on disk. It is killed at the
// end of the test.
func startRedis(t testing.TB, args ...string) *engine {
	t.Helper()
	e := newEngine(t, "redis-server")
	e.args = append([]string{
		"--bind", "127.0.0.1", "--port", e.port(), "--dir", t.TempDir(),
		"--save", "", "--appendonly", "no", "--enable-debug-command", "yes",
		"--repl-diskless-sync-delay", "0", "--daemonize", "no",
	}, args...)
	e.start()
	return e
}

// startSentinel runs a Sentinel that watches the master.
func startSentinel(t testing.TB, master *engine) *engine {
	t.Helper()
	e := newEngine(t, "redis-sentinel")
	dir := t.TempDir()
	config := filepath.Join(dir, "sentinel.conf")
	text := fmt.Sprintf("bind 127.0.0.1\nport %s\ndir %s\nsentinel monitor shop 127.0.0.1 %s 1\n"+
		"sentinel down-after-milliseconds shop 500\nsentinel failover-timeout shop 3000\n", e.port(), dir, master.port())
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	e.args = []string{config}
	e.start()
	return e
}

func newEngine(t testing.TB, program string) *engine {
	t.Helper()
	if testing.Short() {
		t.Skip("it needs a process of its own")
	}
	if _, err := exec.LookPath(program); err != nil {
		how := "there is no " + program + " here: apt-get install -y --no-install-recommends redis-server redis-sentinel"
		if os.Getenv("SEAWALL_REQUIRE_ENGINES") == "1" {
			t.Fatal(how)
		}
		t.Skip(how)
	}
	// It cannot be told to find a port. One that was free a moment ago is. A port
	// of a Cluster is 10000 below another.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	for n := 0; err == nil && l.Addr().(*net.TCPAddr).Port > 55_000 && n < 100; n++ {
		l.Close()
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		t.Fatal(err)
	}
	e := &engine{t: t, name: program, addr: l.Addr().String()}
	l.Close()
	t.Cleanup(func() {
		e.kill()
		if t.Failed() {
			t.Logf("%s %s says:\n%s", e.name, e.addr, e.out.String())
		}
	})
	return e
}

func (e *engine) port() string {
	_, port, _ := net.SplitHostPort(e.addr)
	return port
}

// start runs it, and waits until it answers.
func (e *engine) start() {
	e.t.Helper()
	e.cmd = exec.Command(e.name, e.args...)
	e.cmd.Stdout, e.cmd.Stderr = &e.out, &e.out
	if err := e.cmd.Start(); err != nil {
		e.t.Fatal(err)
	}
	c := e.admin()
	defer c.Close()
	eventually(e.t, e.name+" to answer", func() bool { return c.Ping(context.Background()).Err() == nil })
}

// kill ends it as kill -9 does.
func (e *engine) kill() {
	if e.cmd != nil && e.cmd.Process != nil {
		e.cmd.Process.Kill()
		e.cmd.Wait()
	}
	e.cmd = nil
}

// admin is a client for the test itself.
func (e *engine) admin() *redis.Client {
	return redis.NewClient(&redis.Options{Addr: e.addr, DialerRetries: 1, PoolSize: 10_000})
}

// do sends one command by a connection of its own.
func (e *engine) do(args ...any) any {
	e.t.Helper()
	c := e.admin()
	defer c.Close()
	v, err := c.Do(context.Background(), args...).Result()
	if err != nil && err != redis.Nil {
		e.t.Fatalf("%v: %v", args, err)
	}
	return v
}

// calls is how many commands of that name have been done or refused.
func (e *engine) calls(command string) (n int) {
	e.t.Helper()
	_, line, _ := strings.Cut(e.do("info", "commandstats").(string), "cmdstat_"+command+":calls=")
	fmt.Sscanf(line, "%d,", &n)
	return n
}

// stat is one of the figures of INFO STATS.
func (e *engine) stat(name string) (n int64) {
	e.t.Helper()
	_, line, _ := strings.Cut(e.do("info", "stats").(string), name+":")
	fmt.Sscanf(line, "%d", &n)
	return n
}

// client is one as a user makes it, with more patience: a busy machine is no
// fault of Redis.
func client(t testing.TB, o *redis.UniversalOptions) redis.UniversalClient {
	t.Helper()
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = 20*time.Second, 20*time.Second, 20*time.Second
	c := redis.NewUniversalClient(Tune(o))
	t.Cleanup(func() { c.Close() })
	return c
}

// storeOf is a Store on these addresses.
func storeOf(t testing.TB, addrs ...string) *Store {
	t.Helper()
	return seawall.Must(New(Config{Client: client(t, &redis.UniversalOptions{Addrs: addrs})}))
}

// eventually waits for something that another process does.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
