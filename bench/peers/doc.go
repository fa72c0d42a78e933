// Package peers measures seawall side by side with other Go libraries that do
// the same work, in one process and in the state that is asked about.
//
//	go test -bench . ./bench/peers           each figure by itself
//	go run ./bench/peers/cmd/ratios          interleaved, with the goals (-only shed, ratelimit, cache, httpcache)
//
// Every library is set up as its own documentation recommends. Where a choice
// had to be made it is in the library's favour: go-zero does not log, kratos
// has no framework around it, nobody's limiter shrinks below what the
// benchmark needs, and nobody takes the heat of the benchmark itself for
// overload. Of rate limits, nobody forgets a key or starts a new window while it
// is measured. Of caches, nobody's values expire, and nobody is bounded by bytes who
// does not have to be. Of HTTP caches, who is a transport copies as little as a proxy
// can. Each request is checked: all were let in, or none; all were hits, or there was
// a miss for each load; all were shown the page.
//
// The module stands alone, so that nobody who uses seawall ever sees these
// libraries in a go.sum.
package peers
