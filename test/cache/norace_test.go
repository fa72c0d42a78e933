//go:build !race

package cachetest

const raceEnabled = false
