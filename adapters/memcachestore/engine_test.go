package memcachestore

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/seawall-go/seawall"
)

//house:sleep a memcached goes by its own clock

// engine is a memcached of the test's own.
type engine struct {
	t    testing.TB
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

// startMemcached runs a memcached, which is killed at the end of the test.
func startMemcached(t testing.TB, args ...string) *engine {
	t.Helper()
	if testing.Short() {
		t.Skip("it needs a process of its own")
	}
	if _, err := exec.LookPath("memcached"); err != nil {
		const how = "there is no memcached here: apt-get install -y --no-install-recommends memcached"
		if os.Getenv("SEAWALL_REQUIRE_ENGINES") == "1" {
			t.Fatal(how)
		}
		t.Skip(how)
	}
	// It tells a port that it has found only to a file. One that was free a moment
	// ago mostly is.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &engine{t: t, addr: l.Addr().String()}
	l.Close()
	_, port, _ := net.SplitHostPort(e.addr)
	e.args = append([]string{"-m", "64", "-l", "127.0.0.1", "-p", port, "-U", "0"}, args...)
	if os.Geteuid() == 0 {
		e.args = append(e.args, "-u", "nobody") // it refuses to run as root
	}
	t.Cleanup(func() {
		e.kill()
		if t.Failed() {
			t.Logf("memcached %s says:\n%s", e.addr, e.out.String())
		}
	})
	e.start()
	return e
}

// start runs it, and waits until it answers.
func (e *engine) start() {
	e.t.Helper()
	e.cmd = exec.Command("memcached", e.args...)
	e.cmd.Stdout, e.cmd.Stderr = &e.out, &e.out
	if err := e.cmd.Start(); err != nil {
		e.t.Fatal(err)
	}
	eventually(e.t, "memcached to answer", func() bool {
		c := memcache.New(e.addr)
		defer c.Close()
		return c.Ping() == nil
	})
}

// kill ends it as kill -9 does.
func (e *engine) kill() {
	if e.cmd != nil && e.cmd.Process != nil {
		e.cmd.Process.Kill()
		e.cmd.Wait()
	}
	e.cmd = nil
}

// freeze stops it until the function that it returns is called.
func (e *engine) freeze() (thaw func()) {
	p := e.cmd.Process
	p.Signal(syscall.SIGSTOP)
	return func() { p.Signal(syscall.SIGCONT) }
}

// say sends one line by a connection of its own, and returns the first of the
// answer.
func (e *engine) say(line string) string {
	e.t.Helper()
	c, err := net.Dial("tcp", e.addr)
	if err != nil {
		e.t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "%s\r\n", line)
	answer, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		e.t.Fatal(err)
	}
	return strings.TrimSpace(answer)
}

// clientOf is one as a user makes it, with more patience unless told otherwise: a
// busy machine is no fault of memcached.
func clientOf(t testing.TB, timeout time.Duration, engines ...*engine) *memcache.Client {
	addrs := make([]string, len(engines))
	for i, e := range engines {
		addrs[i] = e.addr
	}
	c := memcache.New(addrs...)
	c.MaxIdleConns, c.Timeout = 64, timeout
	t.Cleanup(func() { c.Close() })
	return c
}

// patience is the Timeout of clients that no test wants to fail.
const patience = 20 * time.Second

func storeOf(t testing.TB, engines ...*engine) *Store {
	return seawall.Must(New(Config{Client: clientOf(t, patience, engines...)}))
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
