package cachetest_test

import (
	"testing"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache"
	"github.com/seawall-go/seawall/seawalltest/cachetest"
)

// In a test of an engine of your own.
func ExampleL1() {
	test := func(t *testing.T) {
		cachetest.L1(t, func(_ *testing.T, entries int) cache.L1[string, int] {
			return seawall.Must(cache.LRU[string, int](entries))
		})
	}
	_ = test
}
