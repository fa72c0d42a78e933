//go:build race

package ratelimittest

// raceEnabled: the race detector takes memory and time on its own account.
const raceEnabled = true
