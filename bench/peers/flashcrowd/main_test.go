package main

import (
	"testing"

	"github.com/seawall-go/seawall/seawalltest"
	"github.com/seawall-go/seawall/spike"
)

func TestMain(m *testing.M) {
	spike.ChildMain() // the tests start this program as the crowd
	// go-zero counts in goroutines that it never ends.
	seawalltest.Main(m, "github.com/zeromicro/go-zero/")
}
