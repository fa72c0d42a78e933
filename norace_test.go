//go:build !race

package seawall

const raceEnabled = false
