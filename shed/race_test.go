//go:build race

package shed_test

// raceEnabled: the race detector allocates on its own account.
const raceEnabled = true
