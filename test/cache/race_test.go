//go:build race

package cachetest

// raceEnabled: the race detector takes memory on its own account, and knows 8128
// goroutines at most.
const raceEnabled = true
