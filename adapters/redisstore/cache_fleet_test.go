package redisstore

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache"
)

//house:sleep the bus is Redis's

// node is a process with a cache.
type node struct {
	*cache.Cache[string, int64]
}

// fleetOf are caches that share a Redis and a source.
func fleetOf(t *testing.T, e *engine, load cache.Loader[string, int64]) []node {
	t.Helper()
	nodes := make([]node, 4)
	for i := range nodes {
		c := client(t, &redis.UniversalOptions{Addrs: []string{e.addr}})
		nodes[i].Cache = seawall.Must(cache.New(cache.Config[string, int64]{
			Name: "fleet", Load: load, TTL: time.Hour,
			Shared: cache.Shared[string, int64]{
				L2:     seawall.Must(New(Config{Client: c})),
				Bus:    seawall.Must(NewBus(BusConfig{Client: c, Channel: "fleet"})),
				Budget: 5 * time.Second, LeaseWait: 10 * time.Second,
			},
		}))
		t.Cleanup(func() { nodes[i].Close(context.Background()) })
	}
	eventually(t, "all to listen", func() bool {
		return e.do("pubsub", "numsub", "fleet").([]any)[1] == int64(len(nodes))
	})
	return nodes
}

// TestCacheFleet: four processes load a key once, and what one of them changes the
// others know.
func TestCacheFleet(t *testing.T) {
	t.Parallel()
	e := startRedis(t)
	var loads, truth atomic.Int64
	nodes := fleetOf(t, e, func(context.Context, string, *cache.Meta) (int64, error) {
		loads.Add(1)
		v := truth.Load()
		time.Sleep(20 * time.Millisecond)
		return v, nil
	})
	for round := range int64(5) {
		truth.Store(round)
		if err := nodes[round%4].Delete(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		if round > 0 { // the others hear of it
			for i := range nodes {
				eventually(t, "what is right", func() bool {
					v, err := nodes[i].Get(t.Context(), "a")
					return err == nil && v == round
				})
			}
		}
	}
	loads.Store(0)
	var wg sync.WaitGroup
	for i := range 400 {
		wg.Go(func() {
			if v, err := nodes[i%4].Get(t.Context(), "b"); v != 4 || err != nil {
				t.Error(v, err)
			}
		})
	}
	wg.Wait()
	if n := loads.Load(); n != 1 {
		t.Errorf("%d loads", n)
	}
}
