package seawalltest

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	if os.Getenv("SEAWALLTEST_PLANT_LEAK") != "" {
		// A child that TestMainFailsOnLeak started: a leak which never ends.
		code := runAndCheck(func() int { go plantedLeak(nil); return 0 }, os.Stderr, plantedGrace, nil)
		os.Exit(code)
	}
	Main(m)
}
