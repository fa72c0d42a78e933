package cache

import (
	"context"
	"time"
)

// L2 is a tier that processes share, over a network. See the modules
// adapters/redisstore and adapters/memcachestore. Keys are printable ASCII or
// UTF-8 without a limit of length; an engine that takes less hashes them.
//
// All methods may be called from many goroutines, and return soon after ctx is
// done. Whatever they return is bounded: the Cache stops asking for a while.
type L2 interface {
	// Get reads all keys in one round trip (one for each node of a cluster) and
	// sets values[i] where there is something for keys[i]; it leaves the others
	// nil. Values has the length of keys and is the Cache's; its elements may be
	// kept by it. Now is what the store's own clock says, in the same round trip, if
	// AsksTime(ctx), and else may be zero: with it, the ages of entries do not depend
	// on the clocks of the processes. A store that does not tell its time returns
	// zero always.
	Get(ctx context.Context, keys []string, values [][]byte) (now time.Time, err error)
	// Set writes all items, and takes away leases of their keys.
	Set(ctx context.Context, items []Item) error
	// Delete removes all keys and their leases. Absent ones are no error.
	Delete(ctx context.Context, keys []string) error
}

type askTime struct{}

// AskTime returns the context of a Get that is to tell the time, too.
func AskTime(ctx context.Context) context.Context { return context.WithValue(ctx, askTime{}, true) }

// AsksTime says whether a Get is to tell the time, too. The Cache asks about once a
// second.
func AsksTime(ctx context.Context) bool { return ctx.Value(askTime{}) != nil }

// Item is what an L2 keeps.
type Item struct {
	Key   string
	Value []byte
	// TTL is after which the store may forget it, always positive.
	TTL time.Duration
}

// Leaser is an L2 that can say which of all processes is to load a key: the
// lease of Nishtala et al., Scaling Memcache at Facebook (NSDI 2013). Whoever
// has none does not write what it has loaded, so that a value read before a
// Delete is never stored after it.
type Leaser interface {
	// Lease asks for the right to load each key and sets won[i] where it was
	// given, in one round trip. It ends after ttl by itself. Token tells this call
	// from all others.
	Lease(ctx context.Context, keys []string, token string, ttl time.Duration, won []bool) error
	// Fill writes those items whose lease the token still holds and ends their
	// leases.
	Fill(ctx context.Context, items []Item, token string) error
	// Release ends those leases that the token still holds.
	Release(ctx context.Context, keys []string, token string) error
}

// Bus carries messages between all processes that share an L2. Messages may come
// twice or not at all; what matters is that Listen says so when some may be lost.
type Bus interface {
	// Publish sends one message to all who listen, itself included.
	Publish(ctx context.Context, message []byte) error
	// Listen calls heard with each message, one after another, and lost whenever
	// messages may have been missed: after the first connection, and after each
	// later one, too. It finds out within seconds that a connection is dead,
	// connects again by itself with pauses in between, and returns only when ctx
	// is done. Neither function keeps its argument nor takes long.
	Listen(ctx context.Context, heard func(message []byte), lost func())
}
