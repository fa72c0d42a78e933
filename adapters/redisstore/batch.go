package redisstore

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// maxGroup bounds what one command does: nobody else is served meanwhile.
const maxGroup = 100

// batch sends commands that write for n keys in one round trip, or one for each
// node. Add is called with parts of them that may be in the same command: on
// several nodes, with each key by itself. What it adds first must write; go-redis
// drops a connection to a former master only if the first of a pipeline tells.
func (s *Store) batch(ctx context.Context, n int, add func(pipe redis.Pipeliner, from, to int)) error {
	if err := ctx.Err(); err != nil || n == 0 {
		return wrap(err)
	}
	group := 1
	if s.alone {
		group = min(n, maxGroup)
	}
	return wrap(onMaster(ctx, s.client, func() error {
		pipe := s.client.Pipeline()
		for from := 0; from < n; from += group {
			add(pipe, from, min(from+group, n))
		}
		cmds, err := pipe.Exec(ctx)
		if missing(err) == nil {
			err = nil // that of another command may be hidden by it
		}
		for _, cmd := range cmds {
			if err != nil {
				break
			}
			err = missing(cmd.Err())
		}
		return err
	}))
}

// maxStale bounds how many connections one call finds to be to a replica.
const maxStale = 16

// onMaster calls send until it is not refused by a replica. A master that was
// demoted keeps its connections, and go-redis drops them one by one, as each is
// told that it is read-only. So the next is tried at once, until one has been tried
// that was dialed anew: nothing has been done on a replica.
func onMaster(ctx context.Context, client redis.UniversalClient, send func() error) error {
	fresh := false
	for tries := 0; ; tries++ {
		err := send()
		if err == nil || !redis.IsReadOnlyError(err) || fresh || tries == maxStale || ctx.Err() != nil {
			return err
		}
		fresh = client.PoolStats().IdleConns == 0
	}
}
