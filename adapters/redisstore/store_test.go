package redisstore

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/time/rate"

	"github.com/seawall-go/seawall/ratelimit"
)

//house:sleep a Redis goes by its own clock

// slow gives back nothing while a test runs.
var slow = ratelimit.Rate{Limit: rate.Every(time.Hour), Burst: 10}

func must(t *testing.T, s *Store, take ratelimit.RemoteTake) ratelimit.RemoteTaken {
	t.Helper()
	got, err := s.TakeUpTo(t.Context(), take)
	if err != nil {
		t.Fatalf("%+v: %v", take, err)
	}
	return got
}

func TestNew(t *testing.T) {
	off := func(o *redis.UniversalOptions) *redis.UniversalOptions {
		o = Tune(o)
		o.ContextTimeoutEnabled = false
		return o
	}
	for _, tc := range []struct {
		client redis.UniversalClient
		want   string
	}{
		{nil, "Client must be set"},
		{(*redis.Client)(nil), "Client must be set"},
		{(*redis.ClusterClient)(nil), "Client must be set"},
		{(*redis.Ring)(nil), "Client must be set"},
		{redis.NewUniversalClient(off(&redis.UniversalOptions{})), "Client must have ContextTimeoutEnabled (got false)"},
		{redis.NewUniversalClient(off(&redis.UniversalOptions{MasterName: "shop"})), "Client must have ContextTimeoutEnabled (got false)"},
		{redis.NewUniversalClient(off(&redis.UniversalOptions{IsClusterMode: true})), "Client must have ContextTimeoutEnabled (got false)"},
		{redis.NewRing(&redis.RingOptions{}), "Client must have ContextTimeoutEnabled (got false)"},
		{redis.NewUniversalClient(Tune(&redis.UniversalOptions{})), ""},
		{redis.NewUniversalClient(Tune(&redis.UniversalOptions{MasterName: "shop"})), ""},
		{redis.NewUniversalClient(Tune(&redis.UniversalOptions{IsClusterMode: true})), ""},
		{redis.NewRing(&redis.RingOptions{ContextTimeoutEnabled: true}), ""},
	} {
		_, err := New(Config{Client: tc.client})
		switch {
		case tc.want == "" && err != nil, tc.want != "" && (err == nil || !strings.HasPrefix(err.Error(), "seawall/redisstore: "+tc.want)):
			t.Errorf("%T: %v, want %q", tc.client, err, tc.want)
		}
		if !strings.Contains(tc.want, "be set") {
			tc.client.Close()
		}
	}
}

func TestTuneKeepsWhatIsSet(t *testing.T) {
	o := Tune(&redis.UniversalOptions{MaxRetries: 2, DialTimeout: time.Minute, DialerRetries: 3, ReadTimeout: time.Hour, PoolSize: 7})
	if o.MaxRetries != 2 || o.DialTimeout != time.Minute || o.DialerRetries != 3 || o.ReadTimeout != time.Hour || o.PoolSize != 7 {
		t.Errorf("changed what was set: %+v", o)
	}
	if !o.ContextTimeoutEnabled || o.WriteTimeout != time.Second {
		t.Errorf("left something at its zero: %+v", o)
	}
}

// TestTake goes through the meaning of each field, with a rate that gives
// nothing back meanwhile.
func TestTake(t *testing.T) {
	s := storeOf(t, startRedis(t).addr)
	type take = ratelimit.RemoteTake
	for i, step := range []struct {
		take       take
		got, left  int64
		retryHours float64
	}{
		{take{UpTo: 10}, 0, 10, 0},                                     // a look at what is full
		{take{UpTo: 10, Back: 5}, 0, 10, 0},                            // not fuller than full
		{take{UpTo: 10, Least: 1, Want: 4}, 4, 6, 0},                   // all that is wanted
		{take{UpTo: 10, Least: 7, Want: 9}, 0, 6, 1},                   // none if fewer than Least
		{take{UpTo: 5, Least: 1, Want: 9}, 1, 5, 1},                    // UpTo keeps the rest back
		{take{UpTo: 5, Least: 1, Want: 1}, 0, 5, 1},                    // and goes on keeping it
		{take{UpTo: 3, Least: 1, Want: 1}, 0, 5, 3},                    // a lower one waits longer
		{take{UpTo: 10, Least: 1, Want: 9}, 5, 0, 1},                   // as many as there are
		{take{UpTo: 10, Least: 2, Want: 2}, 0, 0, 2},                   // when Least would be there
		{take{UpTo: 10}, 0, 0, 1},                                      // a look: when one would be
		{take{UpTo: 10, Least: 11, Want: 11}, 0, 0, 24},                // never
		{take{UpTo: 0, Least: 1, Want: 1}, 0, 0, 24},                   // never
		{take{UpTo: 10, Back: 3}, 0, 3, 0},                             // given back
		{take{UpTo: 10, Back: 3, Least: 6, Want: 6}, 6, 0, 6},          // first given back, then taken
		{take{UpTo: 10, Back: 99, Least: 1, Want: 1}, 1, 9, 0},         // never more than was missing
		{take{UpTo: 10, Least: 0, Want: 20}, 9, 0, 1},                  // Least may be 0
		{take{UpTo: 10, Back: 1, Least: 2, Want: 2}, 0, 1, 1},          // what came back stays, though nothing is taken
		{take{UpTo: 10, Back: 1000, Least: 0, Want: 0}, 0, 10, 0},      // full again
		{take{UpTo: 10, Used: 4}, 0, 6, 0},                             // used without asking
		{take{UpTo: 10, Used: 9, Least: 1, Want: 1}, 0, 0, 1},          // to the Burst, and not further
		{take{UpTo: 10, Used: 9, Back: 2, Least: 1, Want: 1}, 1, 1, 0}, // first debited, then given back
	} {
		step.take.Key, step.take.Rate = "b", slow
		got := must(t, s, step.take)
		wait := time.Duration(step.retryHours * float64(time.Hour))
		early := wait - got.RetryAfter // time has passed since, and the end is rounded up
		if got.Got != step.got || got.Left != step.left || early > time.Minute || early < -time.Millisecond || wait == 0 && early != 0 {
			t.Fatalf("step %d: %+v: got %+v, want %d, %d left, retry after %v", i, step.take, got, step.got, step.left, wait)
		}
		if len(got.State) > 64 {
			t.Fatalf("step %d: a state of %d bytes", i, len(got.State))
		}
	}
}

// TestRefusalWritesNothing, nor does a look.
func TestRefusalWritesNothing(t *testing.T) {
	e := startRedis(t)
	s := storeOf(t, e.addr)
	must(t, s, ratelimit.RemoteTake{Key: "b", Rate: slow, UpTo: 10, Least: 10, Want: 10})
	before := e.calls("set")
	if before == 0 {
		t.Fatal("the commands of a script are not counted")
	}
	for range 10 {
		must(t, s, ratelimit.RemoteTake{Key: "b", Rate: slow, UpTo: 10, Least: 1, Want: 1})
		must(t, s, ratelimit.RemoteTake{Key: "none", Rate: slow, UpTo: 10})
	}
	if n := e.calls("set") - before; n != 0 {
		t.Errorf("%d writes", n)
	}
}

// TestExpires: a full bucket is no key.
func TestExpires(t *testing.T) {
	e := startRedis(t)
	s := storeOf(t, e.addr)
	ms := func(key string) int64 { return e.do("pttl", key).(int64) }
	must(t, s, ratelimit.RemoteTake{Key: "b", Rate: slow, UpTo: 10, Least: 2, Want: 2})
	if got, want := ms("b"), int64(2*3600e3+1000); got > want || got < want-60e3 {
		t.Errorf("lives for %d ms, want about %d", got, want)
	}
	// What was told before is of the future still: a key that is gone too early
	// would let it come back.
	old := must(t, s, ratelimit.RemoteTake{Key: "b", Rate: slow, UpTo: 10, Least: 1, Want: 1, Back: 2})
	if got, want := ms("b"), int64(2*3600e3+1000); got > want+1 || got < want-60e3 {
		t.Errorf("lives for %d ms after something was given back, want about %d", got, want)
	}
	if old.Left != 9 {
		t.Errorf("left %d", old.Left)
	}
	quick := ratelimit.Rate{Limit: 1000, Burst: 100}
	must(t, s, ratelimit.RemoteTake{Key: "c", Rate: quick, UpTo: 100, Least: 100, Want: 100})
	if got := ms("c"); got < 1000 || got > 1101 {
		t.Errorf("lives for %d ms, want 1100", got)
	}
	eventually(t, "a key to expire", func() bool { return ms("c") == -2 })
	if got := must(t, s, ratelimit.RemoteTake{Key: "c", Rate: quick, UpTo: 100}); got.Left != 100 {
		t.Errorf("%+v", got)
	}
}

func TestQuota(t *testing.T) {
	e := startRedis(t)
	s := storeOf(t, e.addr)
	r := ratelimit.Rate{Limit: rate.Every(time.Second), Burst: 10}
	until := time.Now().Add(40 * time.Hour)
	ask := ratelimit.RemoteTake{Key: "q", Rate: r, UpTo: 10, Least: 1, Want: 4, Until: until}
	first := must(t, s, ask)
	if first.Got != 4 || first.Left != 6 || first.RetryAfter != 0 {
		t.Fatalf("%+v", first)
	}
	if v := e.do("get", "q"); v != "4" {
		t.Errorf("kept as %q", v)
	}
	if got := e.do("pttl", "q").(int64); got < 40*3600e3+55e3 || got > 40*3600e3+60e3 {
		t.Errorf("lives for %d ms", got)
	}
	time.Sleep(1100 * time.Millisecond) // at the Rate, one would be back
	ask.UpTo, ask.Want = 8, 9
	second := must(t, s, ask)
	if second.Got != 4 || second.Left != 2 || second.RetryAfter < 39*time.Hour || second.RetryAfter > 40*time.Hour {
		t.Errorf("%+v", second)
	}
	ask.Back, ask.Least, ask.Want = 3, 4, 4
	if got := must(t, s, ask); got.Got != 0 || got.Left != 5 || got.RetryAfter < 39*time.Hour {
		t.Errorf("%+v", got)
	}
	ask.Back, ask.Least = 0, 9 // more than UpTo
	if got := must(t, s, ask); got.Got != 0 || got.Left != 5 || got.RetryAfter < 39*time.Hour {
		t.Errorf("%+v", got)
	}
	if got := must(t, s, ratelimit.RemoteTake{Key: "soon", Rate: r, UpTo: 3, Least: 4, Want: 4, Until: time.Now().Add(time.Second)}); got.RetryAfter < 24*time.Hour {
		t.Errorf("what can never be is to be had soon: %+v", got)
	}
	ask.Used, ask.Back, ask.Least, ask.Want = 99, 2, 0, 0
	if got := must(t, s, ask); got.Left != 2 {
		t.Errorf("%+v", got)
	}
	ask.Used, ask.Back = 0, 99
	if got := must(t, s, ask); got.Left != 10 {
		t.Errorf("more came back than there was: %+v", got)
	}
	ask.Back, ask.Want = 0, 9
	// Lost, and known from the last answer: of this window, not of another.
	e.do("flushall")
	ask.State, ask.Least, ask.Want = second.State, 1, 1
	if got := must(t, s, ask); got.Got != 0 || got.Left != 2 || e.do("get", "q") != "8" {
		t.Errorf("%+v, and %v is kept", got, e.do("get", "q"))
	}
	ask.Key, ask.Until = "r", until.Add(24*time.Hour)
	if got := must(t, s, ask); got.Got != 1 || got.Left != 9 {
		t.Errorf("the state of another window counts: %+v", got)
	}
	// A caller whose clock is late asks for a window that is over.
	ask = ratelimit.RemoteTake{Key: "late", Rate: r, UpTo: 10, Least: 10, Want: 10, Until: time.Now().Add(-time.Second)}
	must(t, s, ask)
	if got := must(t, s, ask); got.Got != 0 || got.RetryAfter <= 0 || got.RetryAfter > time.Second {
		t.Errorf("%+v", got)
	}
}

// TestState: who remembers, remembers for a store that has forgotten.
func TestState(t *testing.T) {
	e := startRedis(t)
	s := storeOf(t, e.addr)
	ask := ratelimit.RemoteTake{Key: "b", Rate: slow, UpTo: 10, Least: 1, Want: 7}
	first := must(t, s, ask)
	if first.Got != 7 {
		t.Fatalf("%+v", first)
	}
	for _, state := range []string{"", "nonsense", "1 2", "-1 5", "9999999999999999999999 0 0 0", strings.Repeat("9", 64)} {
		e.do("del", "b")
		ask.State = state
		if got := must(t, s, ask); got.Got != 7 {
			t.Errorf("the state %q counts: %+v", state, got)
		}
	}
	e.do("del", "b")
	ask.State = first.State
	if got := must(t, s, ask); got.Got != 3 || got.Left != 0 {
		t.Errorf("%+v", got)
	}
	// One who only looks, or is refused, restores it, too.
	e.do("del", "b")
	ask.Least, ask.Want = 8, 8
	if got := must(t, s, ask); got.Got != 0 || got.Left != 3 {
		t.Errorf("%+v", got)
	}
	ask.State, ask.Least, ask.Want = "", 1, 9
	if got := must(t, s, ask); got.Got != 3 {
		t.Errorf("%+v", got)
	}
	// A store that has not forgotten knows better.
	ask.State, ask.Least, ask.Want = first.State, 1, 1
	if got := must(t, s, ask); got.Got != 0 {
		t.Errorf("%+v", got)
	}
}

// TestClockBack: a debt that a clock far ahead has left is a burst at most.
func TestClockBack(t *testing.T) {
	e := startRedis(t)
	s := storeOf(t, e.addr)
	r := ratelimit.Rate{Limit: 100, Burst: 10}
	ask := ratelimit.RemoteTake{Key: "b", Rate: r, UpTo: 10, Least: 1, Want: 1}
	e.do("set", "b", fmt.Sprint(time.Now().Add(time.Hour).Unix(), " 0.000000000"))
	got := must(t, s, ask)
	if got.Got != 0 || got.Left != 0 || got.RetryAfter > 11*time.Millisecond {
		t.Fatalf("%+v", got)
	}
	if ttl := e.do("pttl", "b").(int64); ttl < 0 || ttl > 1200 {
		t.Errorf("lives for %d ms", ttl)
	}
	time.Sleep(got.RetryAfter + time.Millisecond)
	if got := must(t, s, ask); got.Got != 1 {
		t.Errorf("%+v", got)
	}
}

// TestBurstLowered: a debt that is above the new burst stays: whoever has the
// larger one would be free of it otherwise.
func TestBurstLowered(t *testing.T) {
	s := storeOf(t, startRedis(t).addr)
	must(t, s, ratelimit.RemoteTake{Key: "b", Rate: slow, UpTo: 10, Least: 10, Want: 10})
	for _, tc := range []struct{ burst, used, hours int64 }{{9, 0, 2}, {9, 1, 2}, {5, 0, 6}} {
		r := ratelimit.Rate{Limit: slow.Limit, Burst: tc.burst}
		got := must(t, s, ratelimit.RemoteTake{Key: "b", Rate: r, UpTo: tc.burst, Least: 1, Want: 1, Used: tc.used})
		if got.Got != 0 || got.Left != 0 || got.RetryAfter.Round(time.Minute) != time.Duration(tc.hours)*time.Hour {
			t.Errorf("%+v: %+v", tc, got)
		}
	}
}

// TestForeign: what others wrote under the key must not be the end of it.
func TestForeign(t *testing.T) {
	e := startRedis(t)
	s := storeOf(t, e.addr)
	ask := ratelimit.RemoteTake{Key: "b", Rate: slow, UpTo: 10, Least: 1, Want: 1}
	quota := ask
	quota.Until = time.Now().Add(time.Hour)
	for _, value := range []string{
		"", "x", "12", "1 2 3", "nan inf", "1e9 1", "-5 -5", "0x10 1", strings.Repeat("1", 400) + " 1", strings.Repeat("z", 1<<16), "\x00\xff", strings.Repeat("7", 30),
	} {
		e.do("set", "b", value)
		look := ask
		look.Least, look.Want = 0, 0
		must(t, s, look)
		got := must(t, s, ask)
		if strings.HasPrefix(value, "111") { // it looks like a time far away: a burst missing
			if got.Got != 0 || got.Left != 0 {
				t.Errorf("%.20q: %+v", value, got)
			}
		} else if got.Got != 1 || got.Left != 9 {
			t.Errorf("%.20q: %+v", value, got)
		}
		e.do("set", "b", value)
		if got := must(t, s, quota); value != "12" && (got.Got != 1 || got.Left != 9) {
			t.Errorf("quota: %.20q: %+v", value, got)
		}
	}
	e.do("del", "b")
	e.do("lpush", "b", "x")
	if _, err := s.TakeUpTo(t.Context(), ask); err == nil || !redis.HasErrorPrefix(err, "WRONGTYPE") || !strings.HasPrefix(err.Error(), "seawall/redisstore: ") {
		t.Errorf("a list: %v", err)
	}
	if n := e.do("llen", "b"); n != int64(1) {
		t.Errorf("the list of others has %d elements", n)
	}
}

// TestExtremes: what is valid is never an error.
func TestExtremes(t *testing.T) {
	s := storeOf(t, startRedis(t).addr)
	for i, ask := range []ratelimit.RemoteTake{
		{Rate: ratelimit.Rate{Limit: rate.Inf, Burst: 5}, UpTo: 5, Least: 1, Want: 3},
		{Rate: ratelimit.Rate{Limit: 6e10, Burst: math.MaxInt64}, UpTo: math.MaxInt64, Least: 1, Want: 3},
		{Rate: ratelimit.Rate{Limit: 6e10, Burst: 3}, UpTo: 3, Least: 1, Want: 3},
		{Rate: ratelimit.Rate{Limit: 1e-6, Burst: 30}, UpTo: 30, Least: 1, Want: 3},
		{Rate: ratelimit.Rate{Limit: 1, Burst: math.MaxInt64}, UpTo: math.MaxInt64, Least: 1, Want: 3, Until: time.Unix(1<<37, 0)},
		{Rate: ratelimit.Rate{Limit: 0, Burst: 3}, UpTo: 3, Least: 1, Want: 3, Until: time.Now().Add(time.Hour)},
	} {
		ask.Key = fmt.Sprint("b", i)
		for range 2 {
			got := must(t, s, ask)
			if got.Got != 3 && got.Got != 0 || got.Left < 0 || got.RetryAfter < 0 {
				t.Errorf("%+v: %+v", ask, got)
			}
		}
	}
	for _, limit := range []rate.Limit{0, -1, rate.Limit(math.NaN())} {
		_, err := s.TakeUpTo(context.Background(), ratelimit.RemoteTake{Key: "b", Rate: ratelimit.Rate{Limit: limit, Burst: 1}, UpTo: 1})
		if err == nil || !strings.Contains(err.Error(), "Rate.Limit must be positive (got ") {
			t.Errorf("%v: %v", limit, err)
		}
	}
}
