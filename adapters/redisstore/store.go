package redisstore

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seawall-go/seawall/ratelimit"
)

//go:embed take.lua
var takeSource string

// Config sets up a Store.
type Config struct {
	// Client talks to Redis: a *redis.Client, of NewFailoverClient, too, a
	// *redis.ClusterClient or a *redis.Ring. It stays the caller's, who closes it
	// after everything that uses the Store. Its ContextTimeoutEnabled must be set;
	// see Tune. Required.
	Client redis.UniversalClient
}

// Store keeps buckets and values in Redis. It is a ratelimit.Remote, a cache.L2 and
// a cache.Leaser. It starts nothing.
type Store struct {
	client redis.UniversalClient
	alone  bool // all keys are on one node
	take   *redis.Script

	began time.Time
	clock atomic.Int64 // when Redis is to be asked for the time, after began
}

var _ ratelimit.Remote = (*Store)(nil)

// New returns a Store. It does not connect: Redis may come later.
func New(cfg Config) (*Store, error) {
	if err := checkClient(cfg.Client); err != nil {
		return nil, err
	}
	_, alone := cfg.Client.(*redis.Client)
	return &Store{client: cfg.Client, alone: alone, take: redis.NewScript(takeSource), began: time.Now()}, nil
}

func checkClient(client redis.UniversalClient) error {
	var missing, waits bool
	switch c := client.(type) {
	case nil:
		missing = true
	case *redis.Client:
		missing = c == nil
		waits = !missing && !c.Options().ContextTimeoutEnabled
	case *redis.ClusterClient:
		missing = c == nil
		waits = !missing && !c.Options().ContextTimeoutEnabled
	case *redis.Ring:
		missing = c == nil
		waits = !missing && !c.Options().ContextTimeoutEnabled
	}
	switch {
	case missing:
		return errors.New("seawall/redisstore: Client must be set (got nil)")
	case waits:
		return errors.New("seawall/redisstore: Client must have ContextTimeoutEnabled (got false), or a call outlives its deadline")
	}
	return nil
}

// unlimited is where package ratelimit stops counting: a token's time would be
// less than a 64th of a nanosecond.
const unlimited = 64e9

// TakeUpTo takes tokens of one bucket, as ratelimit.Remote says, in one round
// trip. Errors of Redis and of the network are wrapped as they are; after one of
// the network, or of ctx, the tokens may have been taken all the same. Where Least
// is more than UpTo, RetryAfter is at least 24 h.
func (s *Store) TakeUpTo(ctx context.Context, t ratelimit.RemoteTake) (ratelimit.RemoteTaken, error) {
	if limit := float64(t.Rate.Limit); t.Until.IsZero() {
		switch {
		case !(limit > 0): // NaN, too
			return ratelimit.RemoteTaken{}, fmt.Errorf("seawall/redisstore: Rate.Limit must be positive (got %v)", limit)
		case limit > unlimited:
			return ratelimit.RemoteTaken{Got: t.Want, Left: t.Rate.Burst}, nil
		}
	}
	reply, err := s.run(ctx, t.Key, takeArgs(t)...)
	if err != nil {
		return ratelimit.RemoteTaken{}, fmt.Errorf("seawall/redisstore: %w", err)
	}
	taken, err := parseTaken(reply)
	if err != nil {
		return ratelimit.RemoteTaken{}, err
	}
	if !t.Until.IsZero() {
		taken.State += quotaMark(t.Until)
	}
	return taken, nil
}

// maxCount is up to where Lua counts: its numbers are doubles.
const maxCount = 1 << 53

// takeArgs are those of take.lua.
func takeArgs(t ratelimit.RemoteTake) []any {
	args := make([]any, 0, 9)
	inc := 0.0 // a quota knows none
	if t.Until.IsZero() {
		inc = math.Nextafter(1e6/float64(t.Rate.Limit), math.Inf(1)) // never less than the exact quotient
	}
	args = append(args, strconv.FormatFloat(inc, 'g', -1, 64))
	for _, n := range [...]int64{t.Rate.Burst, t.UpTo, t.Least, t.Want, t.Back, t.Used} {
		args = append(args, min(n, maxCount))
	}
	if t.Until.IsZero() {
		return append(args, t.State)
	}
	// That of another window keeps its mark, and is no count for the script.
	return append(args, strings.TrimSuffix(t.State, quotaMark(t.Until)), t.Until.UnixMilli())
}

// quotaMark ends the state of a window.
func quotaMark(until time.Time) string { return "@" + strconv.FormatInt(until.UnixMilli(), 10) }

// run sends the script.
func (s *Store) run(ctx context.Context, key string, args ...any) (reply string, err error) {
	err = onMaster(ctx, s.client, func() error {
		reply, err = s.take.Run(ctx, s.client, []string{key}, args...).Text()
		return err
	})
	return reply, err
}

// maxState is how long a state may be.
const maxState = 60

// parseTaken reads what take.lua answers.
func parseTaken(reply string) (ratelimit.RemoteTaken, error) {
	var n [3]int64
	rest, ok := reply, false
	for i := range n {
		var word string
		word, rest, ok = strings.Cut(rest, " ")
		v, err := strconv.ParseInt(word, 10, 64)
		if !ok || err != nil || v < 0 {
			return ratelimit.RemoteTaken{}, fmt.Errorf("seawall/redisstore: not an answer of the script: %.80q", reply)
		}
		n[i] = v
	}
	if len(rest) > maxState {
		return ratelimit.RemoteTaken{}, fmt.Errorf("seawall/redisstore: not an answer of the script: %.80q", reply)
	}
	retry := time.Duration(min(n[2], math.MaxInt64/int64(time.Microsecond))) * time.Microsecond
	return ratelimit.RemoteTaken{Got: n[0], Left: n[1], RetryAfter: retry, State: rest}, nil
}
