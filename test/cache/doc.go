// Package cachetest looks at what an entry of package cache takes on the heap above
// its engine's own, and lets ten thousand callers ask for one key, beside other
// libraries.
//
//	go test -v ./test/cache                         a few seconds
//	SEAWALL_LONG=1 go test -v ./test/cache          all libraries, and their times
package cachetest
