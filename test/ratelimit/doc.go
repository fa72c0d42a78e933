// Package ratelimittest runs ratelimit where its promises about memory are
// kept or broken: under a flood of new addresses, in a process of its own. The
// flood is for Linux, which tells a process what it takes. And it has what
// ratelimit sends read by a parser of somebody else's.
//
//	go test ./test/ratelimit                         a million addresses, two seconds
//	SEAWALL_LONG=1 go test -v ./test/ratelimit       ten million, and what is left two minutes later
package ratelimittest
