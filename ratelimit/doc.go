// Package ratelimit gives each client its share: so many requests in so much
// time, by address, user, tenant, API key or route, and of all together. It is
// exact however many goroutines ask at once, takes a fixed amount of memory
// however many clients there are, and allocates nothing for a request that is
// admitted.
//
//	limits := seawall.Must(ratelimit.New(ratelimit.Config{Policies: []ratelimit.Policy{
//		ratelimit.PerIP(100, time.Minute),
//		ratelimit.Total(5000, time.Second),
//	}}))
//	http.ListenAndServe(":8080", limits.Middleware(mux))
//
// # When to use it
//
// Against clients that ask more than is fair, by mistake or on purpose, and where
// a contract says how much a customer may use. It does not find out what a server
// can serve, and a limit for all that is a guess about that is wrong on the day it
// matters: use package shed for it.
//
// # What is counted
//
// A [Rate] is tokens a second and a burst. On every interval of t seconds no more
// than Burst + Limit*t + 1 tokens are given, counted by when the callers read the
// clock. The algorithm is GCRA, the generic cell rate algorithm of ITU-T I.371:
// the state of a bucket is one word, when it will have been paid for. A caller
// delayed between reading the clock and getting here makes the bucket look fuller,
// never emptier. A token bucket that stores the time it was told, such as that of
// x/time/rate, gives out ten times its rate to a growing crowd of which one caller
// in fifty comes 10 ms late, as in a starved process (golang/go#65508).
//
// A burst is a tenth of the quota by default, so that no window holds more than
// 1.1 times what it should. A window counter lets through twice as much around an
// edge.
//
// # Policies
//
// A request is charged to all policies that apply to it, or to none if one of
// them refuses, narrow ones first: who is over its own share takes nothing from
// what is there for all. A policy whose [Key] finds nothing in a request does not
// apply to it: an absent API key is not one that all strangers share. Who exceeds
// its own share is told 429, who meets a limit of the service 503, with
// Retry-After.
//
// Policy.Reserve leaves a part of the burst to higher priorities. Policy.DryRun
// charges and counts, and refuses nobody.
//
// # Many keys
//
// Keys live in a table of a fixed size, 8 MiB by default: a million keys in debt,
// as who has not come for a while needs no room. When it is full newcomers share an
// allowance with their network, so that a flood of new addresses shuts out no other
// network than its own, and lets nobody in again that had to wait.
//
// # A fleet
//
// With [Policy.Sharing] a limit is that of all processes: each leases tokens from a
// store, such as that of adapters/redisstore, and decides by itself. A busy key
// costs a round trip in hundreds of decisions, a refused one none. Leased tokens are
// debited at once, so in the long run the fleet is never over; in any window by no
// more than half a burst. A store that is lost costs one request a bounded wait;
// then each process goes on with its part.
//
// # On the day
//
// [Config.Campaign] changes rates at given times, [Limits.Override] takes an
// operator's word until it ends by itself, [Limits.Update] exchanges everything,
// and [Limits.Stats] names the keys that are refused most.
//
// # What it costs
//
// A decision takes about 35 ns for one bucket, 50 for a key of few and 110 to 180
// of a million; 30 of them are for reading the clock. Through Middleware, by
// address, it is 130 to 190 ns and no allocation, with fields on every response 2
// allocations; a refusal, written whole, 400 to 500 ns and none. Benchmarks beside other
// libraries: bench/peers.
package ratelimit
