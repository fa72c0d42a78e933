// Package redisstore keeps in Redis what several processes share: rate limits,
// and the values of a cache.
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
// The same Store is the cache.L2 and the cache.Leaser of package cache, and
// [NewBus] its cache.Bus. Redis may be alone, behind Sentinels, a Cluster or a
// [redis.Ring]. It needs no module, and nothing newer than Redis 5; the tests run
// with 7.0.
//
// # Limits
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
// # Values
//
// A value is a string under the key that the cache gives it, and a lease another
// one beside it, "{key}:lease", which holds its token. Keys that are empty, longer
// than 512 bytes, or have braces that Redis would not take for a hash tag, are
// there by their SHA-256, as "{...}:hash".
//
// Each call is one round trip, however many keys it has: a Get is one MGET, with a
// TIME once a second; SET NX takes leases; a script fills them, as it looks whether
// the token is still there and writes in one step. On a Cluster or a Ring a call
// is a pipeline for each node, all at the same time, with commands of one key each.
// A Get of 100 keys takes about 1.1 times as long as a bare MGET.
//
// Redis must be allowed to forget values (maxmemory-policy allkeys-lru or alike)
// and must not be the place where they live: a flush or a failover loses some, and
// leases with them. If a failover loses a Delete that the replica had not seen yet,
// its value is there again, until it expires or package cache deletes it again.
//
// While a slot moves between nodes of a Cluster, Redis refuses scripts one of whose
// keys has moved: a Fill may fail then, and nothing is stored.
//
// # The bus
//
// A [Bus] listens by one connection beside the pool, which it asks for a word
// every second that is silent, and gives up after three. After each connection it
// says that messages may be lost. On a Cluster all talk to the master that has the
// slot of the channel, so that nothing depends on what the nodes tell one another.
// It is no sharded channel, which would need Redis 7 and spare the other nodes
// what is little: a message for each write.
//
// # Settings of the client
//
// The defaults of go-redis are those of a database that one waits for. [Tune]
// sets what is left zero to what suits a store that one does not wait for, and
// tells why. Four things it cannot do:
//
//   - A context that is canceled does not interrupt go-redis; one whose deadline
//     passes does, and costs the connection. Whoever calls the Store by himself
//     gives deadlines well above the usual round trip.
//   - UniversalOptions.ReadOnly with a MasterName talks to replicas only, where
//     nothing can be taken or written.
//   - ReadOnly, RouteByLatency and RouteRandomly of a Cluster read from replicas,
//     which know of a Delete a little later: what was deleted may be read once more.
//   - go-redis writes a line to standard error for each failed dial, until
//     redis.SetLogger says otherwise.
package redisstore
