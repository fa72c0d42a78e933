//go:build unix

package shedtest

import (
	"os"
	"testing"
	"time"

	"github.com/seawall-go/seawall/seawalltest"
	"github.com/seawall-go/seawall/spike"
)

func TestMain(m *testing.M) {
	spike.ChildMain()
	if os.Getenv(floodEnv) != "" {
		os.Exit(floodedChild())
	}
	seawalltest.Main(m)
}

// long says whether there is time.
func long() bool { return os.Getenv("SEAWALL_LONG") != "" }

// howLong a real run takes.
func howLong() time.Duration {
	if long() {
		return time.Minute
	}
	return 5 * time.Second
}
