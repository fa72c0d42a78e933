package memcachestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/seawall-go/seawall/cache"
)

// Config sets up a Store.
type Config struct {
	// Client talks to memcached. It stays the caller's, who closes it after
	// everything that uses the Store. Set its MaxIdleConns; see the package's
	// documentation. Required.
	Client *memcache.Client
}

// Store keeps values in memcached. It is a cache.L2 and a cache.Leaser. It has no
// state but the count of what is under way, at most 64 operations, each in a
// goroutine that ends with it.
type Store struct {
	client client
	slots  chan struct{}
}

var (
	_ cache.L2     = (*Store)(nil)
	_ cache.Leaser = (*Store)(nil)
)

// client is what the Store needs of a *memcache.Client.
type client interface {
	Get(key string) (*memcache.Item, error)
	GetMulti(keys []string) (map[string]*memcache.Item, error)
	Set(item *memcache.Item) error
	Add(item *memcache.Item) error
	CompareAndSwap(item *memcache.Item) error
	Delete(key string) error
}

// New returns a Store. It does not connect: memcached may come later.
func New(cfg Config) (*Store, error) {
	if cfg.Client == nil {
		return nil, errors.New("seawall/memcachestore: Client must be set (got nil)")
	}
	return newStore(cfg.Client), nil
}

func newStore(c client) *Store {
	return &Store{client: c, slots: make(chan struct{}, maxUnderWay)}
}

// Get reads all keys, in one round trip to each server. Where some servers fail,
// there is an error, and the values of the others. Now is always zero.
func (s *Store) Get(ctx context.Context, keys []string, values [][]byte) (now time.Time, err error) {
	names := namesOf(keys)
	found, err := s.read(ctx, names)
	for i, name := range names {
		if it := found[name]; it != nil && it.Flags != promised {
			values[i] = taken(it) //nolint:gosec // values has the length of keys
		}
	}
	return time.Time{}, err
}

// taken is the value of an item, for one caller: of a key that is named twice each
// value is its own.
func taken(it *memcache.Item) []byte {
	if it.Key == "" {
		return bytes.Clone(it.Value)
	}
	it.Key = ""
	return it.Value
}

// Set writes all items, each in a round trip of its own. Of two with the same key
// the last counts.
func (s *Store) Set(ctx context.Context, items []cache.Item) error {
	writes := writesOf(items)
	return s.each(ctx, len(writes), func(i int, left *atomic.Bool) error {
		err := s.client.Set(&writes[i])
		if err == nil && left.Load() {
			// The caller was told that it failed, and may have set something newer.
			_ = s.client.Delete(writes[i].Key)
		}
		return explained(err, &writes[i])
	})
}

// Delete removes all keys, each in a round trip of its own.
func (s *Store) Delete(ctx context.Context, keys []string) error {
	names := namesOf(keys)
	return s.each(ctx, len(names), func(i int, _ *atomic.Bool) error {
		if err := s.client.Delete(names[i]); !errors.Is(err, memcache.ErrCacheMiss) {
			return err
		}
		return nil
	})
}

// read gets items by name, in one round trip to each server. There may be some
// with an error, too.
func (s *Store) read(ctx context.Context, names []string) (map[string]*memcache.Item, error) {
	var found map[string]*memcache.Item
	finished, err := s.try(ctx, min(len(names), 1), func(int, *atomic.Bool) (err error) {
		if len(names) > 1 {
			found, err = s.client.GetMulti(names)
			return err
		}
		it, err := s.client.Get(names[0])
		switch {
		case errors.Is(err, memcache.ErrCacheMiss):
			return nil
		case err == nil:
			found = map[string]*memcache.Item{names[0]: it}
		}
		return err
	})
	if !finished {
		return nil, err // somebody may be writing to found
	}
	return found, err
}

// writesOf are items as memcached takes them, one for each key. They share nothing
// with the caller's, who may go before they are written.
func writesOf(items []cache.Item) []memcache.Item {
	size := 0
	for _, it := range items {
		size += len(it.Value)
	}
	values := make([]byte, 0, size)
	writes := make([]memcache.Item, 0, len(items))
	seen := make(map[string]int, len(items))
	for _, it := range items {
		start := len(values)
		values = append(values, it.Value...)
		w := memcache.Item{
			Key:        nameOf(it.Key),
			Value:      values[start:len(values):len(values)],
			Flags:      rand.Uint32() &^ promised,
			Expiration: expiry(it.TTL, time.Now),
		}
		if at, again := seen[w.Key]; again {
			writes[at] = w
			continue
		}
		seen[w.Key] = len(writes)
		writes = append(writes, w)
	}
	return writes
}

// explained says what a person can do about an item that is too large.
func explained(err error, it *memcache.Item) error {
	if err != nil && strings.Contains(err.Error(), "too large") {
		return fmt.Errorf("the value of %.80q has %d bytes, more than memcached takes (1 MiB with the key, unless it runs with another -I): %w",
			it.Key, len(it.Value), err)
	}
	return err
}
