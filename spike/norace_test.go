//go:build !race

package spike

const raceEnabled = false
