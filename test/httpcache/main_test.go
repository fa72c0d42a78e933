package httpcachetest

import (
	"testing"

	"github.com/seawall-go/seawall/seawalltest"
)

func TestMain(m *testing.M) { seawalltest.Main(m) }
