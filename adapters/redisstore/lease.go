package redisstore

import (
	"context"
	_ "embed"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seawall-go/seawall/cache"
)

var _ cache.Leaser = (*Store)(nil)

// The scripts are sent whole: they are shorter than what it would take to find
// out that Redis has forgotten them.
var (
	//go:embed fill.lua
	fillSource string
	//go:embed release.lua
	releaseSource string
)

// Lease takes leases by SET NX, each under a key of its own that holds the
// token. If the answer is lost, they may have been taken all the same, and end
// after ttl.
func (s *Store) Lease(ctx context.Context, keys []string, token string, ttl time.Duration, won []bool) error {
	cmds := make([]*redis.BoolCmd, len(keys))
	err := s.batch(ctx, len(keys), func(pipe redis.Pipeliner, from, to int) {
		for i := from; i < to; i++ {
			if cmds[i] != nil && cmds[i].Val() {
				won[i] = true // by another node, before one said that it is a replica
			}
			cmds[i] = pipe.SetNX(ctx, leaseKey(keys[i]), token, ceil(ttl))
		}
	})
	for i, cmd := range cmds {
		if cmd != nil && cmd.Val() {
			won[i] = true
		}
	}
	return err
}

// Fill writes where the token holds the lease, in one step for each key.
func (s *Store) Fill(ctx context.Context, items []cache.Item, token string) error {
	return s.batch(ctx, len(items), func(pipe redis.Pipeliner, from, to int) {
		keys := make([]string, 0, 2*(to-from))
		args := make([]any, 1, 1+2*(to-from))
		args[0] = token
		for _, it := range items[from:to] {
			keys = append(keys, valueKey(it.Key), leaseKey(it.Key))
			args = append(args, value(it), ceil(it.TTL).Milliseconds())
		}
		pipe.Eval(ctx, fillSource, keys, args...)
	})
}

// Release ends leases that the token holds.
func (s *Store) Release(ctx context.Context, keys []string, token string) error {
	return s.batch(ctx, len(keys), func(pipe redis.Pipeliner, from, to int) {
		leases := make([]string, 0, to-from)
		for _, key := range keys[from:to] {
			leases = append(leases, leaseKey(key))
		}
		pipe.Eval(ctx, releaseSource, leases, token)
	})
}
