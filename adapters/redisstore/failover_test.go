package redisstore

import (
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/ratelimit"
)

//house:sleep requests come by the clock that Redis goes by

// TestLimiterThroughFailover: the master is killed under load. Nobody waits long
// while there is none, no more than the limit is admitted, and when the replica
// has been promoted tokens come from it.
func TestLimiterThroughFailover(t *testing.T) {
	master, replica, sentinel := replicated(t)
	store := seawall.Must(New(Config{Client: client(t, &redis.UniversalOptions{Addrs: []string{sentinel.addr}, MasterName: "shop"})}))
	const perSecond, burst = 500, 50
	l := seawall.Must(ratelimit.NewShared(ratelimit.SharedConfig{
		Rate: ratelimit.Rate{Limit: perSecond, Burst: burst}, Bytes: 1 << 16, Sharing: ratelimit.Sharing{Store: store, Nodes: 2},
	}))
	defer func() {
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	var calm, c crowd
	calm.press(t.Context(), l, 1, 500*time.Millisecond)
	master.kill()
	began := time.Now()
	promoted, back := time.Duration(0), time.Duration(0)
	for granted := l.Stats().Granted; back == 0 && time.Since(began) < 20*time.Second; {
		c.press(t.Context(), l, 1, 50*time.Millisecond)
		if promoted == 0 && strings.Contains(replica.do("info", "replication").(string), "role:master") {
			promoted = time.Since(began)
			granted = l.Stats().Granted
		}
		if promoted > 0 && l.Stats().Granted > granted {
			back = time.Since(began) - promoted
		}
	}
	lasted := time.Since(began).Seconds()
	t.Logf("promoted after %v, tokens again %v later; admitted %.2f of the limit, p99 %v, %+v",
		promoted, back, float64(c.admitted.Load()-burst)/(lasted*perSecond), c.p99(), l.Stats())
	if n, most := float64(c.admitted.Load()), burst+1.1*lasted*perSecond; n > most {
		t.Errorf("%v admitted, want at most %v", n, most)
	}
	if back == 0 || back > 5*time.Second { // a second where nothing else runs
		t.Errorf("tokens again only after %v", back)
	}
	if p := c.p99(); p > 100*time.Millisecond { // 10 ms where nothing else runs
		t.Errorf("p99 is %v", p)
	}
}
