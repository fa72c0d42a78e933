// Package cache keeps what is read often near those who read it: in the process,
// in a store that processes share, and with one load for each key however many ask.
// It goes on answering, with what it has, when what is behind it is slow or away.
//
//	posts := seawall.Must(cache.New(cache.Config[int64, Post]{
//		Load:         func(ctx context.Context, id int64, m *cache.Meta) (Post, error) { return db.Post(ctx, id) },
//		TTL:          time.Minute,
//		StaleIfError: time.Hour,
//	}))
//	post, err := posts.Get(ctx, 42)
//
// # One load
//
// A load runs in a goroutine of its own, under a context that ends with none of
// its callers'. Who leaves, leaves at once; the others get the value of that same
// load; when the last one has left it is canceled. A panic or Goexit in a [Loader]
// is an error for all who wait, and the next Get loads again. A Set or Delete in
// the meantime keeps the result of a load from being stored, and who comes after
// it does not wait for that load.
//
// # How old an answer can be
//
// From the beginning of its load a value is fresh for TTL, less some at random.
// Then it is answered at once for StaleWhileRevalidate, while one load in the
// background renews it, and until StaleIfError if loading it fails or takes longer
// than SoftTimeout. A value that is in use is renewed before its end, the earlier
// the longer its load takes (XFetch; Vattani, Chierichetti and Lowenstein, VLDB
// 2015). Loads in the background are bounded, after a failure they pause: there is
// no storm of refreshes after a deploy or a pause.
//
// All that is measured on the monotonic clock of the process, for hits on one that
// ticks every 5 ms, and in L2 on L2's own: a wall clock that is set expires nothing,
// and resurrects nothing.
//
// # Which L1
//
// With MaxEntries it is [LRU], exact and simple; with MaxBytes [Ristretto], bounded
// by memory, with a window for what is new in front; the module adapters/otterstore
// is for many processors. The figures are in docs/cache.md.
//
// # A fleet
//
// With [Shared] there is a second tier in Redis or Memcached. One process has the
// lease of a key and loads it, the others wait for that, or show what is stale
// (Nishtala et al., Scaling Memcache at Facebook, NSDI 2013). A [Bus] tells others
// what is no longer true, and when messages may have been missed everything in L1
// is stale. When the store is away it costs one bounded wait; then each process
// loads for itself, and what was to be written or made invalid is told when it is
// back. No error of it ever reaches a caller.
//
// Write to your database first, then call Delete or InvalidateTags: after that no
// Get of this process returns what was there before.
//
// # What it costs
//
// A fresh hit is the engine's and about 20 ns, without an allocation; a miss is
// some microseconds beside the load itself. Values are shared by all who get them:
// do not change them, or set Clone. Benchmarks beside other libraries: bench/peers.
package cache
