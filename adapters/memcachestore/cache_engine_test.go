package memcachestore

import (
	"syscall"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache"
	"github.com/seawall-go/seawall/seawalltest/cachetest"
)

// TestCacheFaults: what caches that share a memcached, and have no bus, do when it
// is dead, hangs, is slow, forgets, or hangs up.
func TestCacheFaults(t *testing.T) {
	cachetest.Faults(t, func(t *testing.T) cachetest.Engine {
		e := startMemcached(t)
		return cachetest.Engine{
			Addr: e.addr,
			Node: func(t *testing.T, addr string) (cache.L2, cache.Bus) {
				return seawall.Must(New(Config{Client: clientOf(t, 2*time.Second, &engine{addr: addr})})), nil
			},
			Stop: e.kill, Start: e.start,
			Freeze: func() { e.cmd.Process.Signal(syscall.SIGSTOP) },
			Thaw:   func() { e.cmd.Process.Signal(syscall.SIGCONT) },
			Once: map[string]func(){
				"flush_all": func() { e.say("flush_all") },
			},
		}
	})
}
