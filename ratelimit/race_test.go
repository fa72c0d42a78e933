//go:build race

package ratelimit

// raceEnabled: the race detector allocates on its own account.
const raceEnabled = true
