package redisstore

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache"
)

//house:sleep a Redis hangs by its own clock

// calls are all there are, with one key or with a few.
func cacheCalls(s *Store, b *Bus, keys ...string) map[string]func(context.Context) error {
	var items []cache.Item
	for _, key := range keys {
		items = append(items, cache.Item{Key: key, Value: []byte("v"), TTL: time.Hour})
	}
	return map[string]func(context.Context) error{
		"Get": func(ctx context.Context) error {
			_, err := s.Get(ctx, keys, make([][]byte, len(keys)))
			return err
		},
		"Get and TIME": func(ctx context.Context) error {
			_, err := s.Get(cache.AskTime(ctx), keys, make([][]byte, len(keys)))
			return err
		},
		"Set":    func(ctx context.Context) error { return s.Set(ctx, items) },
		"Delete": func(ctx context.Context) error { return s.Delete(ctx, keys) },
		"Lease": func(ctx context.Context) error {
			return s.Lease(ctx, keys, "t", time.Hour, make([]bool, len(keys)))
		},
		"Fill":    func(ctx context.Context) error { return s.Fill(ctx, items, "t") },
		"Release": func(ctx context.Context) error { return s.Release(ctx, keys, "t") },
		"Publish": func(ctx context.Context) error { return b.Publish(ctx, []byte("m")) },
	}
}

// TestCacheHangs: a Redis that does not answer costs the deadline and no more,
// whoever it was that hung, and the next call after it is well.
func TestCacheHangs(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	t.Parallel()
	alone := startRedis(t)
	cluster := startCluster(t)
	x, y := startRedis(t), startRedis(t)
	for _, tc := range []struct {
		name   string
		client redis.UniversalClient
		hangs  *engine
		keys   []string
	}{
		{"alone", client(t, &redis.UniversalOptions{Addrs: []string{alone.addr}}), alone, []string{"a"}},
		{"alone batch", client(t, &redis.UniversalOptions{Addrs: []string{alone.addr}}), alone, []string{"a", "b", "c"}},
		{"cluster", clusterClient(t, cluster), cluster[2], []string{"a", "b", "c", "d"}}, // a and d are of the third
		{"ring", ringOf(t, x, y), y, []string{"a", "b", "c", "d", "e", "f", "g"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := seawall.Must(New(Config{Client: tc.client}))
			// On a channel that is on the node that hangs.
			b := seawall.Must(NewBus(BusConfig{Client: tc.client, Channel: "a"}))
			for name, call := range cacheCalls(s, b, tc.keys...) {
				if err := call(t.Context()); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
			p := tc.hangs.cmd.Process
			p.Signal(syscall.SIGSTOP)
			t.Cleanup(func() { p.Signal(syscall.SIGCONT) })
			for name, call := range cacheCalls(s, b, tc.keys...) {
				if tc.name == "ring" && name == "Publish" {
					continue // it may be on the other one
				}
				for range 2 { // by a connection that was there, then by a new one
					ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
					start := time.Now()
					err := call(ctx)
					cancel()
					if err == nil || !strings.HasPrefix(err.Error(), "seawall/redisstore: ") {
						t.Errorf("%s: %v", name, err)
					}
					if d := time.Since(start); d > time.Second {
						t.Errorf("%s took %v", name, d)
					}
				}
			}
			p.Signal(syscall.SIGCONT)
			for name, call := range cacheCalls(s, b, tc.keys...) {
				eventually(t, name, func() bool { return call(t.Context()) == nil })
			}
		})
	}
}

// TestCacheNodeDown: what is on other nodes is read all the same.
func TestCacheNodeDown(t *testing.T) {
	t.Parallel()
	nodes := startCluster(t)
	for _, e := range nodes {
		e.do("config", "set", "cluster-require-full-coverage", "no")
	}
	s := seawall.Must(New(Config{Client: clusterClient(t, nodes)}))
	keys := []string{"a", "b", "c", "d"} // of the third, the first, the second and the third
	for _, key := range keys {
		if err := s.Set(t.Context(), []cache.Item{{Key: key, Value: []byte(key), TTL: time.Hour}}); err != nil {
			t.Fatal(err)
		}
	}
	nodes[2].kill()
	for _, ctx := range []context.Context{t.Context(), cache.AskTime(t.Context())} {
		values := make([][]byte, 4)
		_, err := s.Get(ctx, keys, values)
		if err == nil || values[0] != nil || string(values[1]) != "b" || string(values[2]) != "c" || values[3] != nil {
			t.Errorf("%q, %v", values, err)
		}
	}
}

// TestCacheRestarts: while it is away, an error at once; when it is back, it has
// forgotten all, leases, too.
func TestCacheRestarts(t *testing.T) {
	t.Parallel()
	e := startRedis(t)
	c := client(t, &redis.UniversalOptions{Addrs: []string{e.addr}})
	s := seawall.Must(New(Config{Client: c}))
	b := seawall.Must(NewBus(BusConfig{Client: c, Channel: "bus"}))
	won := make([]bool, 1)
	for _, forget := range []func(){
		func() {
			e.kill()
			for name, call := range cacheCalls(s, b, "a", "b") {
				start := time.Now()
				if err := call(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "seawall/redisstore: ") {
					t.Errorf("%s: %v", name, err)
				}
				if d := time.Since(start); d > 2*time.Second {
					t.Errorf("%s took %v", name, d)
				}
			}
			e.start()
		},
		func() { e.do("flushall") },
		func() { e.do("script", "flush") },
	} {
		if err := s.Delete(t.Context(), []string{"a"}); err != nil {
			t.Fatal(err)
		}
		if err := s.Lease(t.Context(), []string{"a"}, "t1", time.Hour, won); err != nil || !won[0] {
			t.Fatal(won, err)
		}
		forget()
		item := []cache.Item{{Key: "a", Value: []byte("late"), TTL: time.Hour}}
		held := e.do("exists", leaseKey("a")) == int64(1)
		if err := s.Fill(t.Context(), item, "t1"); err != nil {
			t.Fatal(err)
		}
		values := make([][]byte, 1)
		if _, err := s.Get(t.Context(), []string{"a"}, values); err != nil || (values[0] != nil) != held {
			t.Errorf("%q, %v, and the lease was there: %t", values[0], err, held)
		}
	}
}

// TestCacheReadOnly: a replica refuses what writes and serves what reads; when it
// is the master again, all is well.
func TestCacheReadOnly(t *testing.T) {
	t.Parallel()
	master, e := startRedis(t), startRedis(t)
	c := client(t, &redis.UniversalOptions{Addrs: []string{e.addr}})
	s := seawall.Must(New(Config{Client: c}))
	b := seawall.Must(NewBus(BusConfig{Client: c, Channel: "bus"}))
	if err := s.Lease(t.Context(), []string{"a", "b"}, "t", time.Hour, make([]bool, 2)); err != nil {
		t.Fatal(err)
	}
	e.do("config", "set", "replica-serve-stale-data", "yes")
	master.kill() // so that nothing is copied
	e.do("replicaof", "127.0.0.1", master.port())
	for name, call := range cacheCalls(s, b, "a", "b") {
		switch err := call(t.Context()); {
		case strings.HasPrefix(name, "Get"):
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		case !redis.IsReadOnlyError(err) || !strings.HasPrefix(err.Error(), "seawall/redisstore: "):
			t.Errorf("%s: %v", name, err)
		}
	}
	e.do("replicaof", "no", "one")
	for name, call := range cacheCalls(s, b, "a", "b") {
		if err := call(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCacheDemoted: a name that now leads to another master, and connections to
// the former one. Each call finds the new one by itself.
func TestCacheDemoted(t *testing.T) {
	t.Parallel()
	next := startRedis(t)
	for _, name := range []string{"Set", "Delete", "Lease", "Publish", "Fill", "Release"} {
		former := startRedis(t)
		var addr atomic.Value
		addr.Store(former.addr)
		c := client(t, &redis.UniversalOptions{Dialer: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, addr.Load().(string))
		}})
		s := seawall.Must(New(Config{Client: c}))
		b := seawall.Must(NewBus(BusConfig{Client: c, Channel: "bus"}))
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
		for _, e := range []*engine{former, next} { // a script that finds no lease writes nothing
			e.do("set", leaseKey("a"), "t")
			e.do("set", leaseKey("b"), "t")
		}
		if n := c.PoolStats().IdleConns; n < 6 {
			t.Fatalf("%d connections", n)
		}
		former.do("replicaof", "127.0.0.1", next.port())
		addr.Store(next.addr)
		command := map[string]string{"Lease": "set", "Set": "set", "Delete": "unlink", "Publish": "publish", "Fill": "eval", "Release": "eval"}[name]
		before := next.calls(command)
		if err := cacheCalls(s, b, "a", "b")[name](t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if next.calls(command) == before {
			t.Errorf("%s: the new master got no %s", name, command)
		}
	}
}

// TestCacheOutOfMemory: what is there can be read and removed.
func TestCacheOutOfMemory(t *testing.T) {
	t.Parallel()
	e := startRedis(t)
	c := client(t, &redis.UniversalOptions{Addrs: []string{e.addr}})
	s := seawall.Must(New(Config{Client: c}))
	b := seawall.Must(NewBus(BusConfig{Client: c, Channel: "bus"}))
	calls := cacheCalls(s, b, "a", "b")
	if err := calls["Set"](t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := calls["Lease"](t.Context()); err != nil {
		t.Fatal(err)
	}
	e.do("config", "set", "maxmemory", "1")
	for name, call := range calls {
		err := call(t.Context())
		if fails := name == "Set" || name == "Lease"; fails && !redis.HasErrorPrefix(err, "OOM") || !fails && name != "Fill" && err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := calls["Delete"](t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := e.do("exists", "a", "b", leaseKey("a"), leaseKey("b")); n != int64(0) {
		t.Errorf("%v keys are left", n)
	}
}
