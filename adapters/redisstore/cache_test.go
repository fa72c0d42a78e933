package redisstore

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache"
	"github.com/seawall-go/seawall/seawalltest/cachetest"
)

// busOf is a Bus of its own client.
func busOf(t testing.TB, o *redis.UniversalOptions) *Bus {
	t.Helper()
	return seawall.Must(NewBus(BusConfig{Client: client(t, o), Channel: "bus"}))
}

// conforms runs all checks of package cachetest.
func conforms(t *testing.T, newClient func(t *testing.T) redis.UniversalClient) {
	t.Helper()
	t.Run("L2", func(t *testing.T) {
		cachetest.L2(t, func(t *testing.T) cache.L2 { return seawall.Must(New(Config{Client: newClient(t)})) })
	})
	t.Run("Bus", func(t *testing.T) {
		cachetest.Bus(t, func(t *testing.T) cache.Bus {
			return seawall.Must(NewBus(BusConfig{Client: newClient(t), Channel: "bus"}))
		})
	})
}

func TestCacheAlone(t *testing.T) { //nolint:tparallel // its parts come one after another
	t.Parallel()
	e := startRedis(t)
	conforms(t, func(t *testing.T) redis.UniversalClient {
		return client(t, &redis.UniversalOptions{Addrs: []string{e.addr}})
	})
}

func TestCacheRESP2(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	t.Parallel()
	e := startRedis(t)
	conforms(t, func(t *testing.T) redis.UniversalClient {
		return client(t, &redis.UniversalOptions{Addrs: []string{e.addr}, Protocol: 2})
	})
}

// TestCacheCluster has three nodes.
func TestCacheCluster(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	t.Parallel()
	nodes := startCluster(t)
	conforms(t, func(t *testing.T) redis.UniversalClient { return clusterClient(t, nodes) })
	t.Run("all nodes", func(t *testing.T) {
		for _, e := range nodes {
			for _, command := range []string{"get", "set", "unlink", "eval"} {
				if e.calls(command) == 0 {
					t.Errorf("a node got no %s", command)
				}
			}
			if n := e.calls("mget"); n > 0 {
				t.Errorf("a node got %d MGET", n)
			}
			// What is of two slots is refused.
			if refused := e.do("info", "errorstats").(string); strings.Contains(refused, "CROSSSLOT") {
				t.Error(refused)
			}
		}
	})
}

func TestCacheRing(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	t.Parallel()
	a, b := startRedis(t), startRedis(t)
	conforms(t, func(t *testing.T) redis.UniversalClient { return ringOf(t, a, b) })
	t.Run("both", func(t *testing.T) {
		if a.calls("get") == 0 || b.calls("get") == 0 {
			t.Error("one of the two was not used")
		}
	})
}

func ringOf(t *testing.T, a, b *engine) *redis.Ring {
	t.Helper()
	ring := redis.NewRing(&redis.RingOptions{
		Addrs:                 map[string]string{"a": a.addr, "b": b.addr},
		ContextTimeoutEnabled: true, HeartbeatFrequency: 50 * time.Millisecond, MaxRetries: -1, DialerRetries: 1,
		DialTimeout: 20 * time.Second, ReadTimeout: 20 * time.Second, WriteTimeout: 20 * time.Second,
	})
	t.Cleanup(func() { ring.Close() })
	return ring
}

func clusterClient(t testing.TB, nodes []*engine) redis.UniversalClient {
	t.Helper()
	o := &redis.UniversalOptions{IsClusterMode: true}
	for _, e := range nodes {
		o.Addrs = append(o.Addrs, e.addr)
	}
	return client(t, o)
}

// startCluster runs three nodes, each with a third of the slots.
func startCluster(t testing.TB) []*engine {
	t.Helper()
	var nodes []*engine
	for i, slots := range [][2]string{{"0", "5460"}, {"5461", "10922"}, {"10923", "16383"}} {
		e := startRedis(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
		e.do("cluster", "set-config-epoch", i+1)
		e.do("cluster", "addslotsrange", slots[0], slots[1])
		if i > 0 {
			e.do("cluster", "meet", "127.0.0.1", nodes[0].port())
		}
		nodes = append(nodes, e)
	}
	for _, e := range nodes {
		eventually(t, "the cluster", func() bool {
			info := e.do("cluster", "info").(string)
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:3")
		})
	}
	return nodes
}

// TestSlotMoves: a slot goes from one node to another, key by key, while it is
// used.
func TestSlotMoves(t *testing.T) {
	t.Parallel()
	nodes := startCluster(t)
	s := seawall.Must(New(Config{Client: clusterClient(t, nodes)}))
	ctx := t.Context()
	const slot = 15495 // of "a", of the third node
	from, to := nodes[2], nodes[0]
	id := func(e *engine) string { return e.do("cluster", "myid").(string) }
	set := func(name, value string) {
		t.Helper()
		if err := s.Set(ctx, []cache.Item{{Key: name, Value: []byte(value), TTL: time.Hour}}); err != nil {
			t.Fatal(err)
		}
	}
	want := func(name, value string) {
		t.Helper()
		values := make([][]byte, 1)
		if _, err := s.Get(ctx, []string{name}, values); err != nil || string(values[0]) != value || (values[0] == nil) != (value == "") {
			t.Fatalf("%s is %q (%v), want %q", name, values[0], err, value)
		}
	}
	keys := []string{"a", "{x}", "b:{a}", "c:{a}", "d:{a}"}
	for _, key := range keys {
		set(key, "1")
	}
	to.do("cluster", "setslot", slot, "importing", id(from))
	from.do("cluster", "setslot", slot, "migrating", id(to))
	from.do("migrate", "127.0.0.1", to.port(), "b:{a}", 0, 5000) // one has moved
	want("a", "1")
	want("b:{a}", "1")
	want("none:{a}", "")
	if err := s.Delete(ctx, []string{"a", "b:{a}", "{x}", "none:{a}"}); err != nil {
		t.Fatal(err)
	}
	want("a", "")
	want("b:{a}", "")
	set("a", "2") // to the new one
	set("c:{a}", "2")
	want("a", "2")
	want("c:{a}", "2")
	won := make([]bool, 2)
	if err := s.Lease(ctx, []string{"a", "e:{a}"}, "t", time.Minute, won); err != nil || !won[0] || !won[1] {
		t.Fatalf("%v, %v", won, err)
	}
	// A script needs both of its keys in one place.
	if err := s.Fill(ctx, []cache.Item{{Key: "e:{a}", Value: []byte("3"), TTL: time.Hour}}, "t"); !redis.IsTryAgainError(err) {
		t.Fatal(err)
	}
	want("e:{a}", "")
	if err := s.Release(ctx, []string{"e:{a}"}, "t"); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"c:{a}", "d:{a}"} {
		from.do("migrate", "127.0.0.1", to.port(), key, 0, 5000)
	}
	for _, e := range []*engine{to, from, nodes[1]} {
		e.do("cluster", "setslot", slot, "node", id(to))
	}
	want("a", "2")
	want("c:{a}", "2")
	want("d:{a}", "1")
	if err := s.Lease(ctx, []string{"e:{a}"}, "u", time.Minute, won); err != nil || !won[0] {
		t.Fatalf("%v, %v", won, err)
	}
	if err := s.Fill(ctx, []cache.Item{{Key: "e:{a}", Value: []byte("3"), TTL: time.Hour}}, "u"); err != nil {
		t.Fatal(err)
	}
	want("e:{a}", "3")
	if err := s.Delete(ctx, []string{"c:{a}", "d:{a}"}); err != nil {
		t.Fatal(err)
	}
	want("c:{a}", "")
	if got := to.do("get", "a"); got != "2" {
		t.Errorf("the new node has %v", got)
	}
}

// TestRoundTrips: each call is one, however many keys there are.
func TestRoundTrips(t *testing.T) {
	e := startRedis(t)
	s := storeOf(t, e.addr)
	var keys []string
	var items []cache.Item
	for i := range 250 {
		keys = append(keys, fmt.Sprint("k", i))
		items = append(items, cache.Item{Key: keys[i], Value: []byte("1"), TTL: time.Hour})
	}
	ctx := t.Context()
	for name, tc := range map[string]struct {
		call func() error
		want map[string]int
	}{
		"Get":     {func() error { _, err := s.Get(ctx, keys, make([][]byte, 250)); return err }, map[string]int{"mget": 1}},
		"Get one": {func() error { _, err := s.Get(ctx, keys[:1], make([][]byte, 1)); return err }, map[string]int{"get": 1}},
		"Set":     {func() error { return s.Set(ctx, items) }, map[string]int{"unlink": 3, "set": 250}},
		"Delete":  {func() error { return s.Delete(ctx, keys) }, map[string]int{"unlink": 3}},
		"Lease":   {func() error { return s.Lease(ctx, keys, "t", time.Hour, make([]bool, 250)) }, map[string]int{"set": 250}},
		"Fill":    {func() error { return s.Fill(ctx, items, "u") }, map[string]int{"eval": 3, "get": 250}},
		"Release": {func() error { return s.Release(ctx, keys, "u") }, map[string]int{"eval": 3, "get": 250}},
	} {
		t.Run(name, func(t *testing.T) {
			before := map[string]int{}
			all := []string{"get", "mget", "set", "unlink", "eval", "time"}
			for _, command := range all {
				before[command] = e.calls(command)
			}
			hook := &tripCounter{}
			s.client.AddHook(hook)
			if err := tc.call(); err != nil {
				t.Fatal(err)
			}
			if hook.stopped(); hook.trips != 1 {
				t.Errorf("%d round trips", hook.trips)
			}
			for _, command := range all {
				if n := e.calls(command) - before[command]; n != tc.want[command] {
					t.Errorf("%d %s, want %d", n, command, tc.want[command])
				}
			}
		})
	}
}

// TestNow: the clock of Redis is asked when that is wanted, and in the same trip.
func TestNow(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		new  func(t *testing.T) *Store
	}{
		{"alone", func(t *testing.T) *Store { return storeOf(t, startRedis(t).addr) }},
		{"cluster", func(t *testing.T) *Store { return seawall.Must(New(Config{Client: clusterClient(t, startCluster(t))})) }},
		{"ring", func(t *testing.T) *Store {
			return seawall.Must(New(Config{Client: ringOf(t, startRedis(t), startRedis(t))}))
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := tc.new(t)
			if err := s.Set(t.Context(), []cache.Item{{Key: "a", Value: []byte("1"), TTL: time.Hour}}); err != nil {
				t.Fatal(err)
			}
			told := 0
			for i := range 60 {
				keys := []string{"a", "b", "c"}[:1+i%3]
				ctx := t.Context()
				if i%2 == 0 {
					ctx = cache.AskTime(ctx)
				}
				values := make([][]byte, len(keys))
				before := time.Now().Truncate(time.Microsecond)
				now, err := s.Get(ctx, keys, values)
				if err != nil || string(values[0]) != "1" {
					t.Fatalf("%q, %v", values, err)
				}
				if now.IsZero() {
					continue
				}
				told++
				if now.Before(before) || now.After(time.Now()) {
					t.Errorf("%v is not between %v and now", now, before)
				}
			}
			if told != 30 {
				t.Errorf("told %d times of 30", told)
			}
		})
	}
}
