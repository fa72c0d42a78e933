//go:build !race

package msgpackcodec

const raceEnabled = false
