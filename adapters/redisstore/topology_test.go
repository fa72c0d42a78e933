package redisstore

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/ratelimit"
)

//house:sleep Sentinels and Clusters go by their own clocks

// TestCluster has one node with all slots, and keys with and without braces.
func TestCluster(t *testing.T) {
	e := startRedis(t, "--cluster-enabled", "yes")
	e.do("cluster", "addslotsrange", "0", "16383")
	eventually(t, "the cluster", func() bool { return strings.Contains(e.do("cluster", "info").(string), "cluster_state:ok") })
	c := client(t, &redis.UniversalOptions{Addrs: []string{e.addr}, IsClusterMode: true})
	s := seawall.Must(New(Config{Client: c}))
	for i := range 50 {
		ask := one
		ask.Key = fmt.Sprintf([]string{"seawall:%d", "seawall:{%d}:x", "}%d{", "{}%d"}[i%4], i)
		first := must(t, s, ask)
		if second := must(t, s, ask); first.Left != 9 || second.Left != 8 {
			t.Errorf("%s: %+v, then %+v", ask.Key, first, second)
		}
	}
	e.do("script", "flush")
	if got := must(t, s, one); got.Got != 1 {
		t.Errorf("%+v", got)
	}
}

// TestRing: when one of two goes away, its keys move to the other one.
func TestRing(t *testing.T) {
	a, b := startRedis(t), startRedis(t)
	ring := redis.NewRing(&redis.RingOptions{
		Addrs:                 map[string]string{"a": a.addr, "b": b.addr},
		ContextTimeoutEnabled: true, HeartbeatFrequency: 50 * time.Millisecond, MaxRetries: -1, DialerRetries: 1,
	})
	t.Cleanup(func() { ring.Close() })
	s := seawall.Must(New(Config{Client: ring}))
	state := map[string]string{}
	for i := range 20 {
		ask := one
		ask.Key = fmt.Sprint("b", i)
		state[ask.Key] = must(t, s, ask).State
	}
	if a.calls("evalsha") == 0 || b.calls("evalsha") == 0 {
		t.Fatal("one of the two was not used")
	}
	b.kill()
	eventually(t, "the ring to notice", func() bool { return ring.Len() == 1 })
	for key := range state {
		ask := one
		ask.Key, ask.State = key, state[key]
		if got := must(t, s, ask); got.Left != 8 {
			t.Errorf("%s: %+v", key, got)
		}
	}
}

// replicated is a master, its replica, and the Sentinel that knows both.
func replicated(t *testing.T) (master, replica, sentinel *engine) {
	t.Helper()
	master = startRedis(t)
	replica = startRedis(t, "--replicaof", "127.0.0.1", master.port())
	eventually(t, "the replica to be linked", func() bool {
		return strings.Contains(replica.do("info", "replication").(string), "master_link_status:up")
	})
	sentinel = startSentinel(t, master)
	eventually(t, "the Sentinel to know the replica", func() bool {
		return strings.Contains(sentinel.do("info", "sentinel").(string), "slaves=1")
	})
	return master, replica, sentinel
}

// TestSentinel: a master is killed, and the next call after the failover goes to
// the former replica.
func TestSentinel(t *testing.T) {
	master, replica, sentinel := replicated(t)
	c := client(t, &redis.UniversalOptions{Addrs: []string{sentinel.addr}, MasterName: "shop"})
	s := seawall.Must(New(Config{Client: c}))
	first := must(t, s, one)
	if first.Left != 9 {
		t.Fatalf("%+v", first)
	}
	master.kill()
	start := time.Now()
	var got ratelimit.RemoteTaken
	eventually(t, "an answer of the new master", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		ask := one
		ask.State = first.State
		var err error
		got, err = s.TakeUpTo(ctx, ask)
		return err == nil
	})
	t.Logf("failed over after %v", time.Since(start))
	if got.Left != 8 {
		t.Errorf("%+v", got)
	}
	if replica.calls("evalsha") == 0 {
		t.Error("the former replica was not asked")
	}
}

// TestPromoted: the former master lives on as a replica, and keeps its
// connections.
func TestPromoted(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	t.Parallel()
	master, replica, sentinel := replicated(t)
	s := seawall.Must(New(Config{Client: client(t, &redis.UniversalOptions{Addrs: []string{sentinel.addr}, MasterName: "shop"})}))
	must(t, s, one)
	eventually(t, "the Sentinel to begin", func() bool {
		c := sentinel.admin()
		defer c.Close()
		return c.Do(t.Context(), "sentinel", "failover", "shop").Err() == nil
	})
	eventually(t, "an answer of the new master", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		_, err := s.TakeUpTo(ctx, ratelimit.RemoteTake{Key: "c", Rate: slow, UpTo: 10, Least: 1, Want: 1})
		return err == nil && replica.calls("set") > 0 && strings.Contains(replica.do("info", "replication").(string), "role:master")
	})
	eventually(t, "the former master to follow", func() bool {
		return strings.Contains(master.do("info", "replication").(string), "role:slave")
	})
	for range 5 {
		must(t, s, one)
	}
}
