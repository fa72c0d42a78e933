//house:sleep redis-server needs a moment to start

package main

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func startWith(t *testing.T, redis string, budget time.Duration) (app, admin string, stop func() error) {
	t.Helper()
	store, hangUp, err := dial(redis)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hangUp() })
	return start(t, config{store: store, nodes: 2, budget: budget, secret: []byte("0123456789abcdef")})
}

const guess = "account=alice&password=guess"

// Two processes of a fleet have one limit.
func TestSharesThroughRedis(t *testing.T) {
	url := redisServer(t)
	const patient = 5 * time.Second // 5 ms are too few where tests run side by side
	one, _, _ := startWith(t, url, patient)
	two, _, _ := startWith(t, url, patient)
	statuses := map[int]int{}
	for i := range 10 {
		status, _ := call(t, "POST", []string{one, two}[i%2]+"/login", "", guess)
		statuses[status]++
	}
	if statuses[401] != 5 || statuses[429] != 5 {
		t.Errorf("statuses %v, want five of each", statuses)
	}
}

// The limits hold while there is no Redis, each process having its part, and
// say that it is not there.
func TestWithoutItsRedis(t *testing.T) {
	app, admin, stop := startWith(t, "redis://127.0.0.1:1/0", 0)
	for i := range 10 {
		want := 401
		if i >= 2 { // of five for two processes
			want = 429
		}
		if status, body := call(t, "POST", app+"/login", "", guess); status != want {
			t.Errorf("login %d: %d %s, want %d", i, status, body, want)
		}
	}
	if _, body := call(t, "GET", admin+"/seawall", "", ""); !strings.Contains(body, `"state": "degraded"`) {
		t.Errorf("the state does not tell: %s", body)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// redisServer runs one for the test, on a socket of its own.
func redisServer(t *testing.T) (url string) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("SEAWALL_REQUIRE_ENGINES") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	socket := filepath.Join(t.TempDir(), "redis.sock")
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--dir", t.TempDir())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for range 500 {
		if c, err := net.Dial("unix", socket); err == nil {
			_ = c.Close()
			return "unix://" + socket
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("redis-server does not start")
	return ""
}
