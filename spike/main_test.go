package spike

import (
	"os"
	"testing"

	"github.com/seawall-go/seawall/seawalltest"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		misbehave()
	}
	ChildMain()
	ServeMain(testSites)
	seawalltest.Main(m)
}
