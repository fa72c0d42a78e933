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

// In its tests, with servers that the test starts, stops and freezes.
func ExampleFaults() {
	startServer := func(t *testing.T) *server { return &server{addr: "127.0.0.1:4000"} }
	TestFaults := func(t *testing.T) {
		cachetest.Faults(t, func(t *testing.T) cachetest.Engine {
			s := startServer(t)
			return cachetest.Engine{
				Addr: s.addr,
				Node: func(t *testing.T, addr string) (cache.L2, cache.Bus) { return client{addr}, bus{addr, "test"} },
				Stop: s.kill, Start: s.start,
				Freeze: func() { s.signal("STOP") }, Thaw: func() { s.signal("CONT") },
				Once: map[string]func(){"flushed": func() { client{s.addr}.flush() }},
			}
		})
	}
	_ = TestFaults
}

// With the same servers, and a way to know how many listen on the bus.
func ExampleHTTPCache() {
	startServer := func(t *testing.T) *server { return &server{addr: "127.0.0.1:4000"} }
	TestHTTPCache := func(t *testing.T) {
		cachetest.HTTPCache(t, func(t *testing.T) cachetest.Engine {
			s := startServer(t)
			return cachetest.Engine{
				Addr: s.addr,
				Node: func(t *testing.T, addr string) (cache.L2, cache.Bus) { return client{addr}, bus{addr, "pages"} },
				Stop: s.kill, Start: s.start,
				Listening: func() int { return s.members("pages") },
			}
		})
	}
	_ = TestHTTPCache
}

// server is a process that a test has started.
type server struct{ addr string }

func (*server) kill()              {}
func (*server) start()             {}
func (*server) signal(string)      {}
func (*server) members(string) int { return 0 }
func (client) flush()              {}
