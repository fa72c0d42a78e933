// Package cachetest checks what is plugged into a cache.Cache from outside: a
// tier that processes share, and the bus between them.
//
//	func TestStore(t *testing.T) {
//		server := startServer(t)
//		cachetest.L2(t, func(t *testing.T) cache.L2 { return newStore(t, server) })
//	}
//
// [L2] checks a cache.L2 and, if it is one, too, the cache.Leaser: 16 and 10
// checks in about five seconds, most of which it waits for things to expire.
// [Bus] checks a cache.Bus. [Faults] has caches of several processes live through
// what can happen to a server, and [HTTPCache] has pages of several processes do so.
// How a store itself fails, with which errors, is for its own tests.
//
// It stands beside package seawalltest and not in it, as the tests of what the
// cache stands on use seawalltest, too.
package cachetest
