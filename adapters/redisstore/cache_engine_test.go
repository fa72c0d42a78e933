package redisstore

import (
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache"
	"github.com/seawall-go/seawall/seawalltest/cachetest"
)

// TestCacheFaults: what caches that share a Redis and its bus do when it is dead,
// hangs, is slow, forgets, or hangs up.
func TestCacheFaults(t *testing.T) {
	cachetest.Faults(t, func(t *testing.T) cachetest.Engine {
		e := startRedis(t)
		return cachetest.Engine{
			Addr: e.addr,
			Node: func(t *testing.T, addr string) (cache.L2, cache.Bus) {
				c := client(t, &redis.UniversalOptions{Addrs: []string{addr}})
				return seawall.Must(New(Config{Client: c})), seawall.Must(NewBus(BusConfig{Client: c, Channel: "bus"}))
			},
			Stop: e.kill, Start: e.start,
			Freeze: func() { e.cmd.Process.Signal(syscall.SIGSTOP) },
			Thaw:   func() { e.cmd.Process.Signal(syscall.SIGCONT) },
			Once: map[string]func(){
				"FLUSHALL":           func() { e.do("flushall") },
				"SCRIPT FLUSH":       func() { e.do("script", "flush") },
				"CLIENT KILL pubsub": func() { e.do("client", "kill", "type", "pubsub") },
				"CLIENT KILL normal": func() { e.do("client", "kill", "type", "normal", "skipme", "yes") },
				"CLIENT PAUSE":       func() { e.do("client", "pause", "300") },
				"DEBUG SLEEP":        func() { e.do("debug", "sleep", "0.3") },
			},
		}
	})
}
