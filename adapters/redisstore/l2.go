package redisstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seawall-go/seawall/cache"
)

var _ cache.L2 = (*Store)(nil)

// clockEvery is how often Redis is asked for its time.
const clockEvery = time.Second

// clockScript is TIME on the node that has a key: of all nodes of a Cluster, no
// other one is asked for it.
const clockScript = "return redis.call('TIME')"

// Get reads values, as cache.L2 says: by one MGET, or where there are several
// nodes by a GET for each key, in one round trip for each node at the same time.
// Where a node fails, the values of the others are set all the same. With it goes,
// once a second, a question for the time.
func (s *Store) Get(ctx context.Context, keys []string, values [][]byte) (now time.Time, err error) {
	if err := ctx.Err(); err != nil || len(keys) == 0 {
		return time.Time{}, wrap(err)
	}
	if len(values) != len(keys) {
		return time.Time{}, fmt.Errorf("seawall/redisstore: values must have the length of keys (got %d and %d)", len(values), len(keys))
	}
	clock := s.clockDue()
	if !clock {
		switch {
		case len(keys) == 1:
			values[0], err = s.client.Get(ctx, valueKey(keys[0])).Bytes()
			return time.Time{}, wrap(missing(err))
		case s.alone:
			return time.Time{}, wrap(fromMGet(s.client.MGet(ctx, valueKeys(keys)...), values))
		}
	}
	pipe := s.client.Pipeline()
	read := s.readLater(ctx, pipe, keys)
	var told func() (time.Time, error)
	if clock {
		told = s.clockLater(ctx, pipe, keys[0])
	}
	_, sent := pipe.Exec(ctx)
	if err = read(values); err == nil && !answered(sent) {
		err = sent
	}
	if told != nil {
		// Without it the values are good still.
		if t, clockErr := told(); clockErr == nil {
			now = t
		}
	}
	return now, wrap(err)
}

// readLater asks for values, which are there after the round trip.
func (s *Store) readLater(ctx context.Context, pipe redis.Pipeliner, keys []string) func(values [][]byte) error {
	if s.alone {
		cmd := pipe.MGet(ctx, valueKeys(keys)...)
		return func(values [][]byte) error { return fromMGet(cmd, values) }
	}
	cmds := make([]*redis.StringCmd, len(keys))
	for i, key := range keys {
		cmds[i] = pipe.Get(ctx, valueKey(key))
	}
	return func(values [][]byte) error {
		var first error
		for i, cmd := range cmds {
			v, err := cmd.Bytes()
			if err == nil {
				values[i] = v
			} else if first == nil {
				first = missing(err)
			}
		}
		return first
	}
}

// clockLater asks for the time.
func (s *Store) clockLater(ctx context.Context, pipe redis.Pipeliner, key string) func() (time.Time, error) {
	if s.alone {
		return pipe.Time(ctx).Result
	}
	cmd := pipe.Eval(ctx, clockScript, []string{valueKey(key)})
	return func() (time.Time, error) {
		words, err := cmd.Int64Slice()
		if err != nil || len(words) != 2 {
			return time.Time{}, errors.Join(err, errClock)
		}
		return time.Unix(words[0], words[1]*1000), nil
	}
}

var errClock = errors.New("not a time")

// clockDue reports whether it is time to ask, to one caller.
func (s *Store) clockDue() bool {
	now := int64(time.Since(s.began))
	due := s.clock.Load()
	return now >= due && s.clock.CompareAndSwap(due, now+int64(clockEvery))
}

func valueKeys(keys []string) []string {
	out := make([]string, len(keys))
	for i, key := range keys {
		out[i] = valueKey(key)
	}
	return out
}

// fromMGet copies what was read: the values are the caller's, for as long as he
// likes, and by themselves.
func fromMGet(cmd *redis.SliceCmd, values [][]byte) error {
	got, err := cmd.Result()
	if err != nil {
		return err
	}
	if len(got) != len(values) {
		return fmt.Errorf("%d values for %d keys", len(got), len(values))
	}
	for i, v := range got {
		if s, ok := v.(string); ok {
			values[i] = []byte(s)
		}
	}
	return nil
}

// Set writes values, each after it has taken its lease away: who gets a lease
// meanwhile loads what is at least as new.
func (s *Store) Set(ctx context.Context, items []cache.Item) error {
	return s.batch(ctx, len(items), func(pipe redis.Pipeliner, from, to int) {
		leases := make([]string, 0, to-from)
		for _, it := range items[from:to] {
			leases = append(leases, leaseKey(it.Key))
		}
		pipe.Unlink(ctx, leases...)
		for _, it := range items[from:to] {
			pipe.Set(ctx, valueKey(it.Key), value(it), ceil(it.TTL))
		}
	})
}

// value is what go-redis writes; it takes nil for a mistake.
func value(it cache.Item) []byte {
	if it.Value == nil {
		return []byte{}
	}
	return it.Value
}

// Delete removes leases and values. On several nodes a command has but one key:
// while a slot moves to another node, Redis refuses those of which one key has
// moved and another one has not.
func (s *Store) Delete(ctx context.Context, keys []string) error {
	return s.batch(ctx, len(keys), func(pipe redis.Pipeliner, from, to int) {
		both := make([]string, 0, 2*(to-from))
		for _, key := range keys[from:to] {
			both = append(both, leaseKey(key), valueKey(key))
		}
		if s.alone {
			pipe.Unlink(ctx, both...)
			return
		}
		for _, key := range both {
			pipe.Unlink(ctx, key)
		}
	})
}

// missing makes no error of an absent value.
func missing(err error) error {
	if errors.Is(err, redis.Nil) {
		return nil
	}
	return err
}

// answered reports whether an error is what Redis said of one command.
func answered(err error) bool {
	var answer redis.Error
	return errors.As(err, &answer)
}

func wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("seawall/redisstore: %w", err)
}
