package redisstore

//house:sleep a Redis goes by its own clock

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/ratelimit"
)

// A call at a rate of a smaller burst wipes out what was used at the other one.
func TestTwoRates(t *testing.T) {
	e := startRedis(t)
	c := redis.NewUniversalClient(Tune(&redis.UniversalOptions{Addrs: []string{e.addr}}))
	defer c.Close()
	s := seawall.Must(New(Config{Client: c}))
	large := ratelimit.Rate{Limit: 1, Burst: 100, Window: time.Second}
	small := ratelimit.Rate{Limit: 1, Burst: 2, Window: time.Second}
	var got int64
	for range 10 {
		for _, r := range []ratelimit.Rate{large, small} {
			a, err := s.TakeUpTo(context.Background(), ratelimit.RemoteTake{Key: "k", Rate: r, UpTo: r.Burst, Least: 1, Want: 100})
			if err != nil {
				t.Fatal(err)
			}
			got += a.Got
		}
	}
	if got > 102 {
		t.Errorf("%d tokens taken at once; at either rate it is 100 at most", got)
	}
}
