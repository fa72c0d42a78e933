package cache_test

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/seawall-go/seawall/cache"
)

// fakeRedis is an L2, a Leaser and a Bus in one process, for the examples. It
// forgets nothing, and is never away.
type fakeRedis struct {
	mu     sync.Mutex
	values map[string][]byte
	leases map[string]string
	heard  []func([]byte)
	more   *sync.Cond // somebody listens, or has filled something
}

func newFakeRedis() *fakeRedis {
	r := &fakeRedis{values: make(map[string][]byte), leases: make(map[string]string)}
	r.more = sync.NewCond(&r.mu)
	return r
}

func (r *fakeRedis) Get(_ context.Context, keys []string, values [][]byte) (now time.Time, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, key := range keys {
		values[i] = bytes.Clone(r.values[key])
	}
	return time.Now(), nil
}

func (r *fakeRedis) Set(_ context.Context, items []cache.Item) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, item := range items {
		r.values[item.Key] = bytes.Clone(item.Value)
		delete(r.leases, item.Key)
	}
	return nil
}

func (r *fakeRedis) Delete(_ context.Context, keys []string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, key := range keys {
		delete(r.values, key)
		delete(r.leases, key)
	}
	return nil
}

func (r *fakeRedis) Lease(_ context.Context, keys []string, token string, _ time.Duration, won []bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, key := range keys {
		if won[i] = r.leases[key] == ""; won[i] {
			r.leases[key] = token
		}
	}
	return nil
}

func (r *fakeRedis) Fill(_ context.Context, items []cache.Item, token string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, item := range items {
		if r.leases[item.Key] == token {
			r.values[item.Key] = bytes.Clone(item.Value)
			delete(r.leases, item.Key)
		}
	}
	r.more.Broadcast()
	return nil
}

func (r *fakeRedis) Release(_ context.Context, keys []string, token string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, key := range keys {
		if r.leases[key] == token {
			delete(r.leases, key)
		}
	}
	return nil
}

func (r *fakeRedis) Publish(_ context.Context, message []byte) error {
	r.mu.Lock()
	heard := slices.Clone(r.heard)
	r.mu.Unlock()
	for _, hear := range heard {
		hear(message)
	}
	return nil
}

func (r *fakeRedis) Listen(ctx context.Context, heard func([]byte), lost func()) {
	lost()
	r.mu.Lock()
	r.heard = append(r.heard, heard)
	r.more.Broadcast()
	r.mu.Unlock()
	<-ctx.Done()
}

// heardBy waits until so many listen.
func (r *fakeRedis) heardBy(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.heard) < n {
		r.more.Wait()
	}
}

// holds waits until so many keys have a value.
func (r *fakeRedis) holds(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.values) < n {
		r.more.Wait()
	}
}

func (r *fakeRedis) keys() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.values))
}
