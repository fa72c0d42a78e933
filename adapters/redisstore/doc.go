// Package redisstore keeps rate limits that several processes share in Redis.
//
//	client := redis.NewUniversalClient(redisstore.Tune(&redis.UniversalOptions{
//		Addrs: []string{"redis:6379"},
//	}))
//	store := seawall.Must(redisstore.New(redisstore.Config{Client: client}))
//	limits := seawall.Must(ratelimit.New(ratelimit.Config{Policies: []ratelimit.Policy{{
//		Rate:    ratelimit.Per(1000, time.Minute),
//		Sharing: &ratelimit.Sharing{Store: store, Nodes: 8},
//	}}}))
//
// Redis may be alone, behind Sentinels, a Cluster or a [redis.Ring]. It needs no
// module, and nothing newer than Redis 5; the tests run with 7.0.
//
// # What is kept
//
// A bucket is one string: when its debt will be paid off, by Redis's own clock,
// in seconds and microseconds, and the time of the largest burst of which something
// is owed ("1795340460 123456.333333333 6000000"). It expires a second after it is
// paid off, so that a full bucket takes no memory; one that is not full takes about
// 140 bytes with its key. A quota of a calendar window is the number
// of tokens used, and expires a minute after the window.
//
// A script reads and writes it in one step. A call is one round trip, of about
// 250 bytes there and 50 back with the keys of package ratelimit, and takes about
// 12 us of Redis's time; a second trip, of 4 KiB, when Redis has forgotten the
// script. What is refused writes nothing.
//
// Rounding never adds to what is admitted; of single tokens at 3 million a second
// it takes away three in a billion. A clock that goes back, as after a failover to
// another machine, keeps a bucket empty for no longer than its burst takes to come
// back. A bucket that is lost, because it was evicted or the failover came before
// it was copied, goes on from what its callers remember.
//
// Each call uses one key, so that a Cluster needs no hash tags.
//
// # Settings of the client
//
// The defaults of go-redis are those of a database that one waits for. [Tune]
// sets what is left zero to what suits a store that one does not wait for, and
// tells why. Three things it cannot do:
//
//   - A context that is canceled does not interrupt go-redis; one whose deadline
//     passes does, and costs the connection. Whoever calls the Store by himself
//     gives deadlines well above the usual round trip.
//   - UniversalOptions.ReadOnly with a MasterName talks to replicas only, where
//     nothing can be taken.
//   - go-redis writes a line to standard error for each failed dial, until
//     redis.SetLogger says otherwise.
package redisstore
