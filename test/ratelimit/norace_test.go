//go:build !race

package ratelimittest

const raceEnabled = false
