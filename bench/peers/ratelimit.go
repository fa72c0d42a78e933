package peers

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// The cases of rate limits.
const (
	// HotAllow and HotRefuse ask one bucket that everybody shares, without a
	// key where the library has such a thing, else with one key.
	HotAllow  Case = "hot-allow"
	HotRefuse Case = "hot-refuse"
	// ZipfMillion asks for a million keys, a few of them often. All are known
	// before, and all requests are admitted.
	ZipfMillion Case = "zipf-1M"
	// HandlerAllow, HandlerRefuse and HandlerHeaders go through the library's
	// net/http middleware, by address of the client, refusals with the library's
	// own answer. Peers always tell the client what is left; seawall does so
	// in HandlerHeaders, and in HandlerAllow when little is.
	HandlerAllow   Case = "handler-allow"
	HandlerRefuse  Case = "handler-refuse"
	HandlerHeaders Case = "handler-headers"
)

// RateLimit compares limits of rates.
func RateLimit() Suite {
	handlers := []Case{HandlerAllow, HandlerRefuse, HandlerHeaders}
	return Suite{
		Name:   "ratelimit",
		Rounds: [][]Case{append([]Case{HotAllow, HotRefuse}, handlers...), {ZipfMillion}},
		Libraries: []Library{
			{Name: "seawall", build: seawallRateScene},
			{Name: "xtime", build: xtimeScene, lacks: handlers},
			{Name: "golimiter", build: golimiterScene},
			{Name: "httprate", build: httprateScene},
			// Of two that ask for one key at once it fails some: no decision.
			{Name: "throttled", build: throttledScene, lacks: []Case{HotAllow}},
			{Name: "ulule", build: ululeScene},
			{Name: "failsafe", build: failsafeRateScene, lacks: append([]Case{ZipfMillion}, handlers...)},
		},
	}
}

// quota is what a key may do, for those who count windows of an hour, and for
// those who have buckets.
type quota struct {
	perHour int
	every   time.Duration // a token
	burst   int
}

// quota is so large that nothing is refused, or so small that nobody gets a
// second request. A billion in an hour and not a second: go-limiter's refill is
// wrong above 31,622 per interval, and no hour of a benchmark ends. In
// ZipfMillion a request is remembered for 3 s, so that most keys are in debt,
// and the most frequent one may still be asked for 140 million times in all.
func (c Case) quota() quota {
	switch {
	case !c.admits():
		return quota{1, time.Hour, 1}
	case c == ZipfMillion:
		return quota{1e9, 3 * time.Second, 1e7}
	default:
		return quota{1e9, time.Hour / 1e9, 1e9}
	}
}

// asking makes the scene that asks for one key, or for those of ZipfMillion.
// allow makes the function for one goroutine.
func asking(c Case, allow func() func(key string) bool) (*Scene, error) {
	if c == ZipfMillion {
		return zipf(allow)
	}
	sc := &Scene{loop: func(n int) (admitted int) {
		ask := allow()
		for range n {
			if ask("everybody") {
				admitted++
			}
		}
		return admitted
	}}
	return sc, exhaust(c, sc.loop, 1)
}

// hot is asking for a library that has a bucket without a key.
func hot(c Case, allow func() bool) (*Scene, error) {
	sc := &Scene{loop: func(n int) (admitted int) {
		for range n {
			if allow() {
				admitted++
			}
		}
		return admitted
	}}
	return sc, exhaust(c, sc.loop, 1)
}

func handling(c Case, h http.Handler) (*Scene, error) {
	return &Scene{handler: h}, exhaust(c, serving(h, nil), many)
}

// exhaust uses up what there is, where everything is to be refused: once each
// of so many keys.
func exhaust(c Case, loop func(int) int, keys int) error {
	if c.admits() {
		return nil
	}
	if n := loop(keys); n != keys {
		return fmt.Errorf("%d of the first requests of %d keys were admitted", n, keys)
	}
	return nil
}

const million = 1 << 20

// zipfian is in which order keys are asked for. They stand in memory in that
// order: a real key was parsed a moment ago, and fetching it is not what is
// measured.
var zipfian = sync.OnceValue(func() (order []string) {
	z := rand.NewZipf(rand.New(rand.NewPCG(1, 1)), 1.01, 1, million-1)
	text := make([]byte, 0, million*len(userName(0)))
	for range million {
		text = append(text, userName(int(z.Uint64()))...)
	}
	all := string(text)
	for len(all) > 0 {
		order, all = append(order, all[:len(userName(0))]), all[len(userName(0)):]
	}
	return order
})

func userName(i int) string { return fmt.Sprintf("user-%07d", i) }

func zipf(allow func() func(key string) bool) (*Scene, error) {
	order, ask := zipfian(), allow()
	for i := range million {
		if !ask(userName(i)) {
			return nil, fmt.Errorf("the first request of %s was refused", userName(i))
		}
	}
	return &Scene{loop: func(n int) (admitted int) {
		ask, at := allow(), rand.IntN(million)
		for i := range n {
			if ask(order[(at+i)&(million-1)]) {
				admitted++
			}
		}
		return admitted
	}}, nil
}
