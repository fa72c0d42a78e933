package cachetest_test

import (
	"context"
	"testing"
	"time"

	"github.com/seawall-go/seawall/cache"
	"github.com/seawall-go/seawall/seawalltest/cachetest"
)

// client is a cache.L2 that somebody has written.
type client struct{ addr string }

func (client) Get(context.Context, []string, [][]byte) (now time.Time, err error) { return }
func (client) Set(context.Context, []cache.Item) error                            { return nil }
func (client) Delete(context.Context, []string) error                             { return nil }

// In its tests, with a server that the test has started.
func ExampleL2() {
	TestL2 := func(t *testing.T) {
		addr := "127.0.0.1:4000"
		cachetest.L2(t, func(t *testing.T) cache.L2 { return client{addr} })
	}
	_ = TestL2
}

// bus is a cache.Bus that somebody has written.
type bus struct{ addr, channel string }

func (bus) Publish(context.Context, []byte) error                       { return nil }
func (bus) Listen(ctx context.Context, heard func([]byte), lost func()) { <-ctx.Done() }

// All that newBus returns are on the same channel.
func ExampleBus() {
	TestBus := func(t *testing.T) {
		addr := "127.0.0.1:4000"
		cachetest.Bus(t, func(t *testing.T) cache.Bus { return bus{addr, "test"} })
	}
	_ = TestBus
}
