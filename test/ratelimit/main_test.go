package ratelimittest

import (
	"os"
	"testing"

	"github.com/seawall-go/seawall/seawalltest"
)

// child is what a copy of this program does instead of testing, if its
// environment says so.
var child = func() {}

func TestMain(m *testing.M) {
	child()
	seawalltest.Main(m)
}

// long says whether there is time.
func long() bool { return os.Getenv("SEAWALL_LONG") != "" }
