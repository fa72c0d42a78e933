// Package shedtest runs shed where a simulation would not be believed: in a
// real server, on the real clock, while the garbage collector is busy, and
// under a flood whose cost in processor time is measured in a process of its
// own. The tests are for Unix.
//
//	go test ./test/shed                              five seconds
//	SEAWALL_LONG=1 go test -v ./test/shed            a minute, and the cost of a refusal is held to its bound
//	go test -run '^$' -bench . -benchtime 20x ./test/shed
package shedtest
