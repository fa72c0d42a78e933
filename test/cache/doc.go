// Package cachetest compares the engines of package cache with the libraries they
// stand on, on made traces of accesses, looks at what they take on the heap, and lets ten
// thousand callers ask for one key.
//
//	go test -v ./test/cache                         the table, a few seconds
//	SEAWALL_LONG=1 go test -v ./test/cache          longer traces, all sizes; stampedes of all
package cachetest
