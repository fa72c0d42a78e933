// Flashcrowd shows what a flash crowd does to a server, with and without
// seawall. From the root of the repository:
//
//	go run ./examples/flashcrowd
//
// It starts a real net/http server on the loopback interface whose backend can
// work on 24 requests at a time, sends it ten times the load of a calm day from
// a process of its own, and does so three times with the same crowd: with
// nothing in front of the backend (bare), with seawall's load shedder in front
// of it (seawall: one configuration, the capacity unknown), and with a gate that knows
// the capacity and serves by strict priority (oracle: about the best that
// anybody can do).
//
// It shows what happens as it happens, prints a table and a verdict, and writes
// the time lines as a picture (flashcrowd.svg) and as data (flashcrowd.json).
//
//	go run ./examples/flashcrowd -list                 # what else there is
//	go run ./examples/flashcrowd -scenario all         # every scenario
//	go run ./examples/flashcrowd -backend 100x200ms    # another backend
//	go run ./examples/flashcrowd -check                # measure against the targets
//
// With -check it measures what seawall promises, medians of three crowds, and
// exits with 1 if a promise was not kept; -check -short is the quick form for
// CI, and -check -all adds every other backend and crowd (20 to 30 minutes: the
// third crowd is only sent where the first two do not agree about a promise).
// The promises are the tables in targets.go and alltargets.go.
package main
