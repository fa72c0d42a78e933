//house:sleep redis-server needs a moment to start, and a message a moment to arrive

package main

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func startWith(t *testing.T, redis string, s *store) (app, admin string, stop func() error) {
	t.Helper()
	f, err := dial(redis)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.client.Close() })
	f.budget = 5 * time.Second // 50 ms may be too few where tests run side by side
	// A process may hear of a page before it hears of the post in it, and make it anew of
	// the old one: that is for fresh.
	return start(t, config{fleet: f, store: s, token: "night-shift", fresh: time.Second})
}

// What two processes of a fleet are asked for at once is loaded once, and what
// one of them changes or purges the other does not show any more.
func TestSharesThroughRedis(t *testing.T) {
	url := redisServer(t)
	database := newStore(1000, 300*time.Millisecond, 20) // longer than a busy machine lets anybody wait
	one, admin, stopOne := startWith(t, url, database)
	two, _, stopTwo := startWith(t, url, database)

	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			if status, _, body := call(t, []string{one, two}[i%2]+"/posts/7", "", ""); status != 200 || !strings.Contains(body, "post 7") {
				t.Errorf("%d %s", status, body)
			}
		})
	}
	all.Wait()
	if n := database.reads.Load(); n != 1 {
		t.Errorf("%d queries, want one for both", n)
	}

	shows := func(app, path, want string) func() bool {
		return func() bool {
			_, _, body := call(t, app+path, "", "")
			return strings.Contains(body, want)
		}
	}
	call(t, one+"/feed/ann", "", "")
	call(t, two+"/feed/ann", "", "")
	call(t, one+"/posts/7", "", "author=author-7&text=written+on+one")
	eventually(t, "what was written on one to be seen on two", shows(two, "/posts/7", "written on one"))
	if n := database.reads.Load(); n != 3 {
		t.Errorf("%d queries, want a timeline and the posts of a feed more: what is written goes through to Redis", n)
	}
	call(t, one+"/posts/2000", "", "author=author-94&text=new")
	eventually(t, "a new post to be in a feed on two", shows(two, "/feed/ann", `[{"id":2000,`))

	database.mu.Lock()
	database.posts[7] = Post{7, "author-7", "changed by hand"}
	database.mu.Unlock()
	if shows(two, "/posts/7", "by hand")() {
		t.Error("it was not cached")
	}
	if status, _, body := call(t, admin+"/purge", "night-shift", "tag=author:author-7"); status != 204 {
		t.Fatalf("%d %s", status, body)
	}
	eventually(t, "a purge on one to be seen on two", shows(two, "/posts/7", "by hand"))
	for _, stop := range []func() error{stopOne, stopTwo} {
		if err := stop(); err != nil {
			t.Error(err)
		}
	}
}

// Without its Redis each process works by itself, and says so.
func TestWithoutItsRedis(t *testing.T) {
	f, err := dial("redis://127.0.0.1:1/0")
	if err != nil {
		t.Fatal(err)
	}
	defer f.client.Close()
	database := newStore(1000, time.Millisecond, 20)
	app, admin, stop := start(t, config{fleet: f, store: database})
	for _, want := range []string{"posts; fwd=miss, seawall; fwd=uri-miss", "posts; fwd=miss, seawall; hit"} {
		if status, how, _ := call(t, app+"/posts/7", "", ""); status != 200 || !strings.HasPrefix(how, want) {
			t.Errorf("%d %s, want %s", status, how, want)
		}
	}
	eventually(t, "the stats to tell", func() bool {
		call(t, app+"/posts/8", "", "author=a&text=b")
		_, _, body := call(t, admin+"/stats", "", "")
		return strings.Contains(body, `"up": false`)
	})
	if err := stop(); err == nil || !strings.Contains(err.Error(), "could not be told") {
		t.Errorf("it ends as if Redis knew of the new post: %v", err)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
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
	eventually(t, "redis-server", func() bool {
		c, err := net.Dial("unix", socket)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	return "unix://" + socket
}
