// Package memcachestore keeps what package cache shares between processes in
// memcached.
//
//	client := memcache.New("memcached-1:11211", "memcached-2:11211")
//	client.MaxIdleConns = 64
//	store := seawall.Must(memcachestore.New(memcachestore.Config{Client: client}))
//
// It is a cache.L2 and a cache.Leaser. memcached has no pub/sub, so there is no
// cache.Bus: what one process deletes stays in the L1 of the others until it
// expires there, unless another bus, such as that of module redisstore, tells them.
//
// # What is kept
//
// A value is one item, as it is, under its key. While a key that has no value is
// being loaded, its item is the token of the lease, with flags that no value has;
// the lease on a value that is there already is an item of its own. So a Get is one
// round trip to each server, a Set or a Delete one for each key (sixteen at a time),
// a Lease of missing keys one for each key, and two more where there is a value.
//
// Keys of more than 240 bytes, empty ones, those with spaces or control characters
// and those that begin with "~" are stored under their SHA-256 and a "~".
//
// memcached counts in seconds. What has a TTL lives for that, rounded up to seconds,
// and up to a second longer: 200 ms become something between 1 and 2 s. Its time
// cannot be asked for by this client, so Get tells none, and ages of entries go by
// the clocks of the processes.
//
// An item may have 1 MiB with its key and some 50 bytes more, unless memcached runs
// with another -I. More is an error that says so; a Set of it takes away the former
// value. A memcached that runs with -C has no leases: Lease, or Fill, says so.
//
// # Settings of the client
//
//   - MaxIdleConns is 2 unless set, and what goes on at the same time beyond that
//     dials for each operation. A Store does at most 64 operations at once.
//   - Timeout is 500 ms unless set. gomemcache looks at no context: a call whose
//     context is done returns at once, and what it had begun ends by itself after
//     at most twice the Timeout. Until then it takes up one of the 64 places.
//   - Close it after everything that uses the Store.
//
// A Set of which the end comes after its caller has gone is undone by a delete, so
// that it cannot overwrite what the same caller has set since. One that a hanging
// server has received and not done yet, it may do when it goes on: a write that
// failed is not known not to have happened.
package memcachestore
