package cache

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/seawall-go/seawall"
)

// Loader reads a value from where it truly is. It returns ErrNotFound (wrapped,
// if you like) if there is none; any other error is a failure. Into m it may
// write what is to be kept with the value. Its context has the values of the
// first caller's, but not its end: it ends after LoadTimeout, or when nobody
// waits any more.
type Loader[K comparable, V any] func(ctx context.Context, key K, m *Meta) (V, error)

// BatchLoader reads several values in one go and calls found for each there is,
// from its own goroutine. Keys for which it is not called are not found.
type BatchLoader[K comparable, V any] func(ctx context.Context, keys []K, found func(key K, value V, m Meta)) error

// Stamp is a moment by the clock of one Cache. The zero Stamp is none.
type Stamp int64

// Meta is what may be said about one value. The zero Meta says nothing.
type Meta struct {
	// TTL in place of Config.TTL, for ErrNotFound in place of NegativeTTL. With
	// seawall.Off a Loader says that its value is for its callers only, and not kept.
	TTL time.Duration
	// StaleWhileRevalidate and StaleIfError in place of Config's; seawall.Off is
	// none.
	StaleWhileRevalidate, StaleIfError time.Duration
	// Since, of Cache.Stamp, is when a value given to SetWith was read from where it
	// truly is: its TTL counts from then, and what InvalidateTags and Clear have made
	// invalid since is so in it, too. Default now. A Loader needs none: the beginning
	// of the load counts.
	Since Stamp
	// Tags with which InvalidateTags finds it, at most 64 of at most 200 bytes. What
	// a Loader returns with others is given to its callers and not kept.
	Tags []string
}

// Config sets up a Cache.
type Config[K comparable, V any] struct {
	// Name tells this instance from others in events, on pages, and in an L2.
	// Default "default".
	Name string

	// Load is what Get does about a key that is nowhere. Without it, Get returns
	// ErrNotFound then.
	Load Loader[K, V]
	// LoadMany is the same for GetMany and Warm. Default: Load, at most 16 at a
	// time for one call.
	LoadMany BatchLoader[K, V]
	// LoadTimeout is how long a load may take. One that has not returned by then
	// has failed for all who wait. Default 10 s.
	LoadTimeout time.Duration
	// MaxLoads is how many may be under way at once; others wait for their turn.
	// Default 1000.
	MaxLoads int
	// FinishLoads lets a load go on when nobody waits for it any more, to fill the
	// cache. Default false: its context is canceled.
	FinishLoads bool

	// TTL is how long a value is fresh, from the beginning of its load. Default
	// 1 min.
	TTL time.Duration
	// Jitter is the part of TTL by which it is shortened at most, at random, so
	// that what was loaded together does not expire together. Default 0.1;
	// seawall.Off is none.
	Jitter float64
	// Early is the beta of probabilistic early refresh (XFetch; Vattani, Chierichetti
	// and Lowenstein, VLDB 2015): the longer a load takes, the earlier before its end
	// a value that is in use is loaded anew. Default 1; seawall.Off is never.
	Early float64
	// Sliding begins the TTL anew with each hit, until MaxAge after the load. That
	// is for what is costly and does not change, and not together with an L2. Default
	// false.
	Sliding bool
	// MaxAge bounds Sliding. Default 10 times TTL.
	MaxAge time.Duration

	// StaleWhileRevalidate is for how long after TTL a value is still answered at
	// once, while one load in the background renews it. Default a tenth of TTL;
	// seawall.Off is never.
	StaleWhileRevalidate time.Duration
	// StaleIfError is for how long after TTL a value is still answered when loading
	// it anew fails or does not end within SoftTimeout. Default 10 times TTL;
	// seawall.Off is never.
	StaleIfError time.Duration
	// StaleOn says for which errors that is. Default all, but ErrNotFound, which
	// is none.
	StaleOn func(error) bool
	// SoftTimeout is how long callers wait for a load that StaleIfError could stand
	// in for. The load goes on. Default 500 ms; seawall.Off is to wait for its end.
	SoftTimeout time.Duration
	// ErrorPause is how long after a failure a value that is answered stale is not
	// tried again, within a quarter at random. Default 1 s.
	ErrorPause time.Duration
	// MaxRefreshes is how many loads may run in the background at once; beyond that
	// a stale value stays stale until somebody asks again. Default 32.
	MaxRefreshes int

	// NegativeTTL is how long ErrNotFound is remembered, in this process. Default 5 s;
	// seawall.Off is not at all.
	NegativeTTL time.Duration
	// MaxNegative is for how many keys. They take no room from values, but for a
	// sixteenth of MaxBytes, if that is set; then keys above 200 bytes are not
	// remembered. Default 10 000, with MaxBytes at most one for each 4 KiB.
	MaxNegative int

	// MaxEntries bounds L1 by count, with LRU. Default 10 000, unless MaxBytes or L1
	// is set.
	MaxEntries int
	// MaxBytes bounds L1 by memory, with Ristretto: of keys, values and all that is
	// needed to keep them. At least 2 MiB. What is larger than a sixteenth of it is
	// not kept. Default none.
	MaxBytes int64
	// L1 is an engine of your own choice. It is closed with the Cache.
	L1 L1[K, V]
	// Size tells the bytes of a key and its value, for an L1 bounded by memory.
	// Default: found out by reflection when a value is stored, in 20 ns for strings
	// and some microseconds for deep structures.
	Size func(key K, value V) int64
	// Clone copies a value before a caller gets it. Default none: all callers share
	// one, and must not change it.
	Clone func(V) V
	// MaxTags is how many tags are known at once. When there are more, the entries
	// of those used least recently are forgotten with them; a hit is a use. They take
	// about 250 bytes each, which MaxBytes does not count. Default 100 000, with
	// MaxBytes at most one for each 8 KiB.
	MaxTags int

	// Shared is the tier that processes share. Default none.
	Shared Shared[K, V]

	// Observer is told of answers that are stale because something failed, and of
	// an L2 that is lost and back. Default none.
	Observer seawall.Observer
}

// Shared sets up an L2.
type Shared[K comparable, V any] struct {
	// L2 is the store. Default none.
	L2 L2
	// Bus tells other processes what is no longer true. Caches with different
	// Prefixes may share one. Default none: others find out when LocalTTL ends.
	Bus Bus
	// LocalTTL is how long a value is fresh in L1 before L2 is asked. Default TTL
	// with a Bus, without one a tenth of it.
	LocalTTL time.Duration
	// Prefix begins the keys in L2. Change it when the meaning of values changes. At
	// most 200 bytes. Default Name, which must be set then.
	Prefix string
	// EncodeKey and DecodeKey write keys for L2 and for other processes. Default for
	// strings as they are, for integers in decimals, and for arrays and structs with
	// nothing but exported fields one part after another.
	EncodeKey func(K) string
	DecodeKey func(string) (K, error)
	// Codec writes values. Default Raw for strings and byte slices, else JSON.
	Codec Codec[V]
	// CompressAbove compresses (DEFLATE) values that are longer. Default 16 KiB;
	// seawall.Off is never.
	CompressAbove int
	// MaxValue is the longest value that is written or read, in bytes, before
	// compression. Default 8 MiB.
	MaxValue int
	// Budget is how long one request waits for L2. Default 50 ms.
	Budget time.Duration
	// Retry is how long an L2 that does not answer is left alone at most, before one
	// call that nobody waits for tries it again. Default 1 s.
	Retry time.Duration
	// NoLease loads in each process by itself even if L2 is a Leaser. A value that was
	// read before another process's Delete may then be stored after it. Default false.
	NoLease bool
	// LeaseTTL is how long one process alone may load a key. Default LoadTimeout.
	LeaseTTL time.Duration
	// LeaseWait is how long the others wait for that, if they have nothing stale,
	// before they load as well. Default 2 s.
	LeaseWait time.Duration
	// MaxPending is how many writes and invalidations are remembered while L2 is
	// away. Beyond that all of L2 is made invalid when it is back. Default 10 000.
	MaxPending int
}

// leastBytes is for what an L1 takes before there is anything in it.
const leastBytes = 2 << 20

const (
	defaultName = "default"
	maxPrefix   = 200
)

// Longest is what durations are cut to: about as long as an L2 may keep things.
const longest = 30 * 24 * time.Hour

func (c Config[K, V]) resolve() (Config[K, V], error) {
	if c.Name == "" {
		c.Name = defaultName
	}
	if c.StaleOn == nil {
		c.StaleOn = func(error) bool { return true }
	}
	var bad error
	note := func(err error) { bad = errors.Join(bad, err) }
	note(duration("LoadTimeout", &c.LoadTimeout, 10*time.Second, false))
	note(count("MaxLoads", &c.MaxLoads, 1000))
	note(duration("TTL", &c.TTL, time.Minute, false))
	note(duration("MaxAge", &c.MaxAge, min(10*c.TTL, longest), false))
	note(duration("StaleWhileRevalidate", &c.StaleWhileRevalidate, c.TTL/10, true))
	note(duration("StaleIfError", &c.StaleIfError, min(10*c.TTL, longest), true))
	note(duration("SoftTimeout", &c.SoftTimeout, 500*time.Millisecond, true))
	note(duration("ErrorPause", &c.ErrorPause, time.Second, false))
	note(duration("NegativeTTL", &c.NegativeTTL, 5*time.Second, true))
	note(count("MaxRefreshes", &c.MaxRefreshes, 32))
	negatives, tags := 10_000, 100_000
	if c.MaxBytes > 0 {
		negatives, tags = int(min(max(c.MaxBytes>>12, 16), 10_000)), int(min(max(c.MaxBytes>>13, 100), 100_000))
	}
	note(count("MaxNegative", &c.MaxNegative, negatives))
	note(count("MaxTags", &c.MaxTags, tags))
	note(factor("Jitter", &c.Jitter, 0.1, 1))
	note(factor("Early", &c.Early, 1, 1000))
	if bad != nil {
		return c, bad
	}
	if c.MaxAge < c.TTL {
		return c, fmt.Errorf("seawall/cache: MaxAge must not be less than TTL, %v (got %v)", c.TTL, c.MaxAge)
	}
	if err := c.resolveL1(); err != nil {
		return c, err
	}
	if c.Sliding && c.Shared.L2 != nil {
		return c, errors.New("seawall/cache: Sliding must be false with Shared.L2 (got true): the others would not know of it")
	}
	if c.Shared.L2 == nil {
		if c.Shared.Bus != nil {
			return c, errors.New("seawall/cache: Shared.Bus needs Shared.L2 (got none)")
		}
		return c, nil
	}
	return c, c.Shared.resolve(c.Name, c.TTL, c.LoadTimeout)
}

func (c *Config[K, V]) resolveL1() (err error) {
	set := 0
	for _, is := range []bool{c.MaxEntries != 0, c.MaxBytes != 0, c.L1 != nil} {
		if is {
			set++
		}
	}
	switch {
	case set > 1:
		return errors.New("seawall/cache: only one of MaxEntries, MaxBytes and L1 may be set")
	case c.MaxEntries < 0:
		return fmt.Errorf("seawall/cache: MaxEntries must be positive (got %d)", c.MaxEntries)
	case c.MaxBytes != 0 && c.MaxBytes < leastBytes:
		return fmt.Errorf("seawall/cache: MaxBytes must be at least %d (got %d)", leastBytes, c.MaxBytes)
	}
	return nil
}

func (s *Shared[K, V]) resolve(name string, ttl, loadTimeout time.Duration) error {
	local := ttl / 10
	if s.Bus != nil {
		local = ttl
	}
	if s.Prefix == "" {
		s.Prefix = name
	}
	if s.Prefix == defaultName {
		return fmt.Errorf("seawall/cache: Name or Shared.Prefix must be set with Shared.L2 (got %q): caches of one store are told apart by it", s.Prefix)
	}
	if len(s.Prefix) > maxPrefix {
		return fmt.Errorf("seawall/cache: Shared.Prefix must have at most %d bytes (got %.40q)", maxPrefix, s.Prefix)
	}
	err := errors.Join(
		duration("Shared.LocalTTL", &s.LocalTTL, max(local, time.Millisecond), false),
		duration("Shared.Budget", &s.Budget, 50*time.Millisecond, false),
		duration("Shared.Retry", &s.Retry, time.Second, false),
		duration("Shared.LeaseTTL", &s.LeaseTTL, loadTimeout, false),
		duration("Shared.LeaseWait", &s.LeaseWait, 2*time.Second, false),
		count("Shared.MaxValue", &s.MaxValue, 8<<20),
		count("Shared.MaxPending", &s.MaxPending, 10_000),
	)
	switch {
	case err != nil:
		return err
	case s.CompressAbove == 0:
		s.CompressAbove = 16 << 10
	case s.CompressAbove < 0 && s.CompressAbove != seawall.Off:
		return fmt.Errorf("seawall/cache: Shared.CompressAbove must be positive, or seawall.Off (got %d)", s.CompressAbove)
	}
	if (s.EncodeKey == nil) != (s.DecodeKey == nil) {
		return errors.New("seawall/cache: Shared.EncodeKey and Shared.DecodeKey must both be set, or neither")
	}
	if s.EncodeKey == nil {
		if s.EncodeKey, s.DecodeKey, err = keyForm[K](); err != nil {
			return err
		}
	}
	if s.Codec == nil {
		s.Codec = defaultCodec[V]()
	}
	if n := len(s.Codec.Name()); n < 1 || n > maxCodecName {
		return fmt.Errorf("seawall/cache: Shared.Codec must have a name of 1 to %d bytes (got %.40q)", maxCodecName, s.Codec.Name())
	}
	return nil
}

// duration puts a default in the place of zero. Off becomes zero, where it may be.
func duration(name string, d *time.Duration, otherwise time.Duration, mayBeOff bool) error {
	switch {
	case *d == 0:
		*d = otherwise
	case *d == seawall.Off && mayBeOff:
		*d = 0
	case *d < 0 || *d > longest:
		or := ""
		if mayBeOff {
			or = ", or seawall.Off"
		}
		return fmt.Errorf("seawall/cache: %s must be positive and at most %v%s (got %v)", name, longest, or, *d)
	}
	return nil
}

func count(name string, n *int, otherwise int) error {
	if *n < 0 || *n > math.MaxInt32 {
		return fmt.Errorf("seawall/cache: %s must be positive (got %d)", name, *n)
	}
	if *n == 0 {
		*n = otherwise
	}
	return nil
}

func factor(name string, f *float64, otherwise, most float64) error {
	switch {
	case *f == 0:
		*f = otherwise
	case *f == seawall.Off:
		*f = 0
	case !(*f > 0 && *f <= most): // NaN, too
		return fmt.Errorf("seawall/cache: %s must be between 0 and %v, or seawall.Off (got %v)", name, most, *f)
	}
	return nil
}
