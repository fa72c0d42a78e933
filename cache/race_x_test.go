//go:build race

package cache_test

// raceEnabled: the race detector allocates on its own account.
const raceEnabled = true
