//go:build race

package httpcache

// raceEnabled: the race detector allocates on its own account.
const raceEnabled = true
