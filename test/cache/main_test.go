package cachetest

import (
	"os"
	"testing"

	"github.com/seawall-go/seawall/seawalltest"
)

func TestMain(m *testing.M) { seawalltest.Main(m) }

// long says whether there is time.
func long() bool { return os.Getenv("SEAWALL_LONG") != "" }
