//go:build race

package spike

// raceEnabled: the race detector is slow, and needs no medians.
const raceEnabled = true
