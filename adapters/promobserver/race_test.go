//go:build race

package promobserver_test

const raceEnabled = true
