package memcachestore_test

import (
	"context"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/adapters/memcachestore"
	"github.com/seawall-go/seawall/cache"
)

// Two servers, over which gomemcache spreads the keys.
func ExampleNew() {
	client := memcache.New("memcached-1:11211", "memcached-2:11211")
	client.MaxIdleConns = 64 // 2 otherwise, and a dial for what is beyond
	client.Timeout = 300 * time.Millisecond
	defer client.Close()
	store := seawall.Must(memcachestore.New(memcachestore.Config{Client: client}))
	_ = store
}

// A Cache does this by itself. Of all processes one gets the lease and loads; the
// others wait, or show what is there.
func ExampleStore_lease() {
	client := memcache.New("memcached:11211")
	client.MaxIdleConns = 64
	defer client.Close()
	store := seawall.Must(memcachestore.New(memcachestore.Config{Client: client}))

	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	won := make([]bool, 1)
	if err := store.Lease(ctx, []string{"product:42"}, "a token of this load", 5*time.Second, won); err != nil || !won[0] {
		return
	}
	value := []byte("read from the database")
	// It stores nothing if somebody has deleted or set the key meanwhile.
	_ = store.Fill(ctx, []cache.Item{{Key: "product:42", Value: value, TTL: time.Hour}}, "a token of this load")
}
