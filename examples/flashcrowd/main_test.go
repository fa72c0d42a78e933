package main

import (
	"testing"

	"github.com/seawall-go/seawall/seawalltest"
	"github.com/seawall-go/seawall/spike"
)

func TestMain(m *testing.M) {
	spike.ChildMain() // the tests start this program as the crowd
	spike.ServeMain(processorSites)
	seawalltest.Main(m)
}
