//go:build race

package seawall

// raceEnabled: the race detector allocates on its own account.
const raceEnabled = true
