package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"
)

// Remote keeps buckets that several processes share. It is all that a store has
// to do; adapters/redisstore is one. A call is made for many decisions at once
// and not for each, by a goroutine of the limiter's own. TakeUpTo should return
// soon after ctx is done; nobody waits for it then, and what it still brings is
// used. It must be safe for concurrent use.
type Remote interface {
	// TakeUpTo takes tokens of one bucket: as many of Want as may be had, and
	// none if that is fewer than Least.
	TakeUpTo(ctx context.Context, t RemoteTake) (RemoteTaken, error)
}

// RemoteTake asks for tokens of one bucket. All spans and numbers are valid: a
// store need not check them.
type RemoteTake struct {
	// Key names the bucket: printable ASCII, at most 160 bytes. What clients sent
	// is hashed in it.
	Key string
	// Rate is the bucket's, its Burst at least 1. A bucket that is not known is
	// full. The store keeps a debt in time, so that the Rate may differ from call
	// to call.
	Rate Rate
	// UpTo is how many tokens may be missing after this, at most the Burst: the
	// rest is kept for higher priorities.
	UpTo int64
	// Least and Want are how many to take. Both may be 0, to look only or to give
	// Back.
	Least, Want int64
	// Back is how many tokens taken before are given back first, unused. The
	// bucket cannot get fuller than full by that.
	Back int64
	// Used is how many tokens were used without asking, while the store could not
	// be reached: they are debited first, but the debt does not get above the
	// Burst by that.
	Used int64
	// State is the State of the last answer about this bucket, or "". A store
	// that has lost a bucket may go on from there.
	State string
	// Until, if not zero, makes it a quota of a calendar window: no token comes
	// back until then, and all of them do after. The Key is of this window alone.
	Until time.Time
}

// RemoteTaken is the answer.
type RemoteTaken struct {
	// Got is how many tokens were taken, from Least to Want, or 0.
	Got int64
	// Left is how many are left now, of the whole Burst.
	Left int64
	// RetryAfter is when Least more (one more, if Least is 0) would be there,
	// as far as the store knows; 0 for now.
	RetryAfter time.Duration
	// State is given with the next call about this bucket; at most 64 bytes.
	State string
}

// Source is who made a decision.
type Source uint8

// The sources.
const (
	// Local: this process alone keeps the bucket.
	Local Source = iota
	// Lease: of tokens, or a refusal, that the store gave before.
	Lease
	// Store: an answer was waited for.
	Store
	// Fallback: the store did not answer in time.
	Fallback
)

// String is the name in labels and logs.
func (s Source) String() string {
	switch s {
	case Local:
		return "local"
	case Lease:
		return "lease"
	case Store:
		return "store"
	case Fallback:
		return "fallback"
	default:
		return "unknown"
	}
}

// OnLoss is what a shared policy does while its store cannot be reached.
type OnLoss uint8

// What to do.
const (
	// Alone goes on locally, at Rate/Nodes, from where the store last said that
	// a bucket stands.
	Alone OnLoss = iota
	// Open admits.
	Open
	// Closed refuses, with 503 and Retry-After.
	Closed
)

// String is the name in states and logs.
func (o OnLoss) String() string {
	switch o {
	case Alone:
		return "alone"
	case Open:
		return "open"
	case Closed:
		return "closed"
	default:
		return "unknown"
	}
}

// Sharing says how a limit is shared by the processes of a fleet. They take
// tokens from a store beforehand, a lease, and decide by themselves: for a busy
// key one call in hundreds of decisions, and none for refusals. Leased tokens are
// debited at once, so that in the long run the fleet never exceeds its Rate
// however large it is; they are void after 200 ms, and given back with the next
// call.
type Sharing struct {
	// Store keeps the buckets. Required.
	Store Remote
	// Nodes is about how many processes share them: a lease is at most the
	// Burst/(2*Nodes), and alone a process goes on at Rate/Nodes. Required, from
	// 1 to 10000.
	Nodes int
	// Exact takes from the store only what the requests that wait need, so that
	// none is held by a process that does not. A round trip for each decision,
	// but for those that come at once and those that are refused. For small
	// quotas that are to be met to the last token. Default false.
	Exact bool
	// Budget is how long a request waits for the store; 100 us to 10 s. After
	// one that waited in vain nobody waits until the store answers again.
	// Default 5 ms.
	Budget time.Duration
	// OnLoss is what to do without the store. Default Alone.
	OnLoss OnLoss
	// Prefix begins the names of buckets in the store: printable ASCII without
	// spaces, at most 40 bytes. Default "seawall".
	Prefix string
	// Secret keys the hash of what clients sent, so that nobody who reads the
	// store's keys can find out addresses by trying. All processes need the same;
	// 16 bytes or more. Default none.
	Secret []byte
}

const (
	defaultBudget = 5 * time.Millisecond
	defaultPrefix = "seawall"
	maxNodes      = 10_000
	leaseVoid     = 200 * time.Millisecond
)

// isNil is also true of a nil pointer of some type.
func isNil(r Remote) bool {
	if r == nil {
		return true
	}
	v := reflect.ValueOf(r)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

func (s Sharing) resolve() (Sharing, error) {
	if s.Budget == 0 {
		s.Budget = defaultBudget
	}
	if s.Prefix == "" {
		s.Prefix = defaultPrefix
	}
	switch {
	case isNil(s.Store):
		return s, errors.New("Sharing.Store must be set (got nil)")
	case s.Nodes < 1 || s.Nodes > maxNodes:
		return s, fmt.Errorf("Sharing.Nodes must be between 1 and %d (got %d)", maxNodes, s.Nodes)
	case s.Budget < 100*time.Microsecond || s.Budget > 10*time.Second:
		return s, fmt.Errorf("Sharing.Budget must be between 100µs and 10s (got %v)", s.Budget)
	case s.OnLoss > Closed:
		return s, fmt.Errorf("Sharing.OnLoss must be Alone, Open or Closed (got %d)", s.OnLoss)
	case len(s.Prefix) > 40:
		return s, fmt.Errorf("Sharing.Prefix must be at most 40 bytes (got %d)", len(s.Prefix))
	case len(s.Secret) > 0 && len(s.Secret) < 16:
		return s, fmt.Errorf("Sharing.Secret must be at least 16 bytes (got %d)", len(s.Secret))
	}
	for _, c := range []byte(s.Prefix) {
		if c <= ' ' || c > '~' || c == '{' || c == '}' {
			return s, fmt.Errorf("Sharing.Prefix must be printable ASCII without spaces and braces (got %q)", s.Prefix)
		}
	}
	return s, nil
}
