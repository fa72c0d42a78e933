// Package cachetest compares the engines of package cache with the libraries they
// stand on, on made traces of accesses, and looks at what they take on the heap.
//
//	go test -v ./test/cache                         the table, a few seconds
//	SEAWALL_LONG=1 go test -v ./test/cache          longer traces, all sizes
package cachetest
