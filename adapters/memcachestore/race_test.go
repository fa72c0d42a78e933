//go:build race

package memcachestore

const raceEnabled = true
