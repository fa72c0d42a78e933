package ratelimit

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/seawall-go/seawall"
)

// mostOf is how many tokens there are at once, given by that many at a time, up
// to a bound.
func mostOf(take func(cost int64) Decision, each, bound int64) (n int64) {
	for n < bound && take(each).OK {
		n += each
	}
	return n
}

// tiers are limits whose rate is that of each request's tier.
func tiers(t *testing.T, of Rate, tier Rate) http.Handler {
	t.Helper()
	return limits(t, Config{Fields: Always, Policies: []Policy{{
		Rate: of, Key: ByHeader("X-Api-Key"),
		RateFor: func(r *http.Request) (Rate, bool) { return tier, r.Header.Get("X-Api-Key") == "tier" },
	}}}).Middleware(nothing)
}

// admittedNow is how many of n requests of the tier are admitted at one time.
func admittedNow(h http.Handler, n int) (admitted int) {
	for range n {
		if ask(h, "192.0.2.1", "X-Api-Key", "tier").StatusCode == http.StatusOK {
			admitted++
		}
	}
	return admitted
}

// TestSlowTierIsALimit: a table counts in ticks that fit the policy's own rate.
// A tier that is far slower must not owe more of them than the table remembers:
// that would forget what it owes.
func TestSlowTierIsALimit(t *testing.T) {
	for _, c := range []struct {
		of, tier Rate
		want     int
	}{
		{Rate{Limit: rate.Inf}, Per(20, time.Minute), 2},
		{Rate{Limit: rate.Inf}, Per(1, time.Hour), 1},
		{Rate{Limit: 1e6, Burst: 10}, Per(100, time.Hour), 10},
		{Rate{Limit: 1e6, Burst: 10}, Per(24, 24*time.Hour), 2},
		{Per(1000, time.Second), Per(100, 24*time.Hour).WithBurst(50), 50},
	} {
		t.Run(fmt.Sprint(c.of, "/", c.tier), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if got := admittedNow(tiers(t, c.of, c.tier), 300); got != c.want {
					t.Errorf("%d admitted at once, want %d", got, c.want)
				}
			})
		})
	}
}

// TestFastTierIsFast: a tier far faster than the policy's own rate gets what it
// pays for, though a tick of the table may be longer than a token of it.
func TestFastTierIsFast(t *testing.T) {
	for _, c := range []struct{ of, tier Rate }{
		{Per(100, 24*time.Hour), Per(1, time.Second)},
		{Per(100, 24*time.Hour), Per(100, time.Second)},
		{Per(1, time.Hour), Per(10_000, time.Second).WithBurst(10)},
	} {
		t.Run(fmt.Sprint(c.of, "/", c.tier), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, n := tiers(t, c.of, c.tier), 0
				step := time.Duration(float64(time.Second) / float64(c.tier.Limit))
				for range 1000 { // at 95 % of its rate
					time.Sleep(step + step/20)
					n += admittedNow(h, 1)
				}
				if n < 990 {
					t.Errorf("%d of 1000 admitted at 95 %% of its rate", n)
				}
			})
		})
	}
}

// TestBigBurst: a quota in bytes has a burst of as many; a table must hold the
// debt of all of it, or New must say that it cannot.
func TestBigBurst(t *testing.T) {
	for _, r := range []Rate{
		{Limit: 1e8, Burst: 5e10},
		{Limit: 385e3, Burst: 1e12}, // a terabyte a month
		{Limit: 6e10, Burst: 1 << 60},
	} {
		k, err := newBuckets(KeyedConfig{Rate: r, Bytes: minBytes})
		if err != nil {
			if !strings.Contains(err.Error(), "Burst") {
				t.Errorf("%v: %v", r, err)
			}
			continue
		}
		now := clock()
		take := func(cost int64) Decision { return k.take(k.hash([]byte("a")), nil, now, cost, seawall.Normal) }
		if got := mostOf(take, r.Burst/64, 4*r.Burst); got > r.Burst {
			t.Errorf("%v: %d given at once", r, got)
		}
		now += int64(float64(r.Burst) / float64(r.Limit) / 4 * float64(second)) // a quarter comes back
		if got := mostOf(take, r.Burst/64, 4*r.Burst); got > r.Burst/3 || got < r.Burst/5 {
			t.Errorf("%v: %d given a quarter of the time later", r, got)
		}
	}
}

// TestUpdateToSlower: a table that is kept when the rate changes still holds the
// debt of a whole burst.
func TestUpdateToSlower(t *testing.T) {
	k := keyed(t, KeyedConfig{Rate: Rate{Limit: 1e6, Burst: 1e8}, Bytes: minBytes})
	k, err := k.changed(KeyedConfig{Rate: Rate{Limit: 1e5, Burst: 1e8}, Bytes: minBytes})
	if err != nil {
		t.Fatal(err)
	}
	now := clock()
	take := func(cost int64) Decision { return k.take(k.hash([]byte("a")), nil, now, cost, seawall.Normal) }
	if got := mostOf(take, 1e6, 1e9); got > 1e8 {
		t.Errorf("%d given at once of a burst of 1e8", got)
	}
}

// TestUpdateAllOrNothing: after an error all is as before.
func TestUpdateAllOrNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits(t, Config{Policies: []Policy{{Name: "a", Rate: Per(1, time.Hour)}, {Name: "b", Rate: Per(1000, time.Hour)}}})
		if err := l.Update(Config{Policies: []Policy{{Name: "a", Rate: Rate{Limit: rate.Inf}}, {Name: "b"}}}); err == nil {
			t.Fatal("a policy without a rate")
		}
		h := l.Middleware(nothing)
		wantStatus(t, ask(h, "192.0.2.1"), 200)
		wantStatus(t, ask(h, "192.0.2.1"), 503)
	})
}

// TestNothingOfNoLimit: seawall.Off admits nothing at all, whatever the Limit.
func TestNothingOfNoLimit(t *testing.T) {
	r := Rate{Limit: rate.Inf, Burst: seawall.Off}
	if limiter(t, r).Allow() {
		t.Error("a Limiter has admitted one")
	}
	if keyed(t, KeyedConfig{Rate: r, Bytes: minBytes}).Take("a", 1, seawall.Normal).OK {
		t.Error("a Keyed has admitted one")
	}
	if got := r.String(); got != "nothing" {
		t.Errorf("it is called %q", got)
	}
}

// TestAlmostNoLimit: what is above what time is counted in is still no more than
// its burst at once.
func TestAlmostNoLimit(t *testing.T) {
	l := limiter(t, Rate{Limit: 1e11, Burst: 10})
	if l.Take(1<<40, seawall.Normal).OK {
		t.Error("2^40 of a burst of 10")
	}
}

// TestUnknownPriority: a number below the lowest is not the highest.
func TestUnknownPriority(t *testing.T) {
	l, err := NewLimiter(LimiterConfig{Rate: Per(100, time.Hour), Reserve: Reserve{1, 0.5, 0.5, 0}})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []seawall.Priority{seawall.Background - 1, math.MinInt8} {
		if l.Take(1, p).OK {
			t.Errorf("%v was admitted from what is kept from Background", p)
		}
	}
}

// TestEmptyTableStaysEmpty: a slot that nobody uses is free however long the
// process runs. Times in the table wrap around: at 1000 a second after 3.1 days.
func TestEmptyTableStaysEmpty(t *testing.T) {
	for _, perSecond := range []rate.Limit{100, 1000, 10_000} {
		k := keyed(t, KeyedConfig{Rate: Rate{Limit: perSecond, Burst: 10}, Bytes: minBytes})
		now, refused := clock(), 0
		step := int64(k.keys.tick * mostTicks / 40)
		for i := range 400 {
			key := fmt.Append(nil, "key", i)
			if d := k.take(k.hash(key), key, now+int64(i)*step, 1, seawall.Normal); !d.OK {
				refused++
			}
		}
		if n := k.displaced.Load(); n > 0 || refused > 0 {
			t.Errorf("%v a second: of 400 keys, one at a time, %d found no room and %d were refused", perSecond, n, refused)
		}
	}
}

// TestSweptInTime: with few requests the table is swept before what is old would
// pass for a debt.
func TestSweptInTime(t *testing.T) {
	for _, every := range []time.Duration{30 * time.Second, 10 * time.Minute, 50 * time.Minute, 2 * time.Hour} {
		t.Run(every.String(), func(t *testing.T) {
			k := keyed(t, KeyedConfig{Rate: Rate{Limit: 10_000, Burst: 1000}, Bytes: minBytes})
			now := clock()
			keys := make([][]byte, 100)
			for i := range keys {
				keys[i] = fmt.Append(nil, "key", i)
				k.take(k.hash(keys[i]), keys[i], now, 1, seawall.Normal)
			}
			step := int64(every) << unitShift
			for at := now + step; at < now+int64(9*time.Hour)<<unitShift; at += step {
				other := fmt.Append(nil, at)
				k.take(k.hash(other), other, at, 1, seawall.Normal)
				for _, key := range keys { // looks, and writes nothing
					if d := k.take(k.hash(key), key, at, 0, seawall.Normal); d.ResetAfter() > time.Second {
						t.Fatalf("after %v of rest a key owes %v", time.Duration((at-now)>>unitShift), d.ResetAfter())
					}
				}
			}
		})
	}
}

// TestRetryAfterInABubble: who comes back exactly when he was told to is admitted,
// also where time stands still between two waits.
func TestRetryAfterInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, r := range []Rate{Per(20, time.Minute), Per(7, time.Hour), Per(1, 24*time.Hour), Per(3, time.Second)} {
			k := keyed(t, KeyedConfig{Rate: r, Bytes: minBytes})
			for range 100 {
				d := k.Take("a", 1, seawall.Normal)
				if d.OK {
					continue
				}
				time.Sleep(d.RetryAfter())
				if d := k.Take("a", 1, seawall.Normal); !d.OK {
					t.Errorf("%v: another %v to wait", r, d.RetryAfter())
					break
				}
			}
		}
	})
}

// TestLongRetryAfterIsEnough: spans beyond what a float64 counts in units.
func TestLongRetryAfterIsEnough(t *testing.T) {
	for _, every := range []time.Duration{1001 * time.Hour, 4001*time.Hour + 7} {
		l := limiter(t, Rate{Limit: rate.Every(every), Burst: 1})
		now := clock()
		l.take(now, 1, seawall.Normal)
		for range 1000 {
			now += 12345
			d, _, _ := l.take(now, 1, seawall.Normal)
			if d, _, _ := l.take(now+int64(d.RetryAfter())<<unitShift, 0, seawall.Normal); d.debt > 0 {
				t.Fatalf("every %v: %d units are missing after RetryAfter", every, d.debt)
			}
		}
	}
}

// TestQuotaIsTold: clients are told the numbers that were configured.
func TestQuotaIsTold(t *testing.T) {
	for _, d := range []time.Duration{time.Second, 7 * time.Second, time.Minute, time.Hour, 24 * time.Hour} {
		for n := int64(1); n < 1000; n++ {
			p, err := newPolicy(Policy{Name: "a", Rate: Per(n, d)}, &Config{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			want := `"a";q=` + strconv.FormatInt(n, 10) + ";w=" + strconv.Itoa(int(d/time.Second))
			if p.told.Load().policy[0] != want {
				t.Fatalf("%d per %v is told as %s", n, d, p.told.Load().policy[0])
			}
		}
	}
}

// TestNoLimitIsToldAsNone: r=0 would stop a client that has no limit at all.
func TestNoLimitIsToldAsNone(t *testing.T) {
	resp := ask(tiers(t, Per(10, time.Second), Rate{Limit: rate.Inf}), "192.0.2.1", "X-Api-Key", "tier")
	if got := resp.Header.Get("RateLimit"); strings.Contains(got, ";r=0") {
		t.Errorf("RateLimit: %s", got)
	}
	h := limits(t, Config{Fields: Legacy, Policies: []Policy{{Rate: Rate{Limit: rate.Inf}}}}).Middleware(nothing)
	resp = ask(h, "192.0.2.1")
	if limit, rest := resp.Header.Get("X-RateLimit-Limit"), resp.Header.Get("X-RateLimit-Remaining"); rest == "0" || strings.HasPrefix(limit, "-") {
		t.Errorf("X-RateLimit-Limit: %s, X-RateLimit-Remaining: %s", limit, rest)
	}
}

// TestTierIsTold: RateLimit-Policy is that of the client's own tier.
func TestTierIsTold(t *testing.T) {
	resp := ask(tiers(t, Per(10, time.Minute), Per(5000, time.Hour)), "192.0.2.1", "X-Api-Key", "tier")
	wantField(t, resp, "RateLimit-Policy", `"default";q=5000;w=3600`)
}

// TestRemainingIsOfThePriority: what is kept for higher priorities is not there
// for who was just refused.
func TestRemainingIsOfThePriority(t *testing.T) {
	h := limits(t, Config{Policies: []Policy{{Rate: Per(100, time.Hour), Reserve: Reserve{1, 1, 0.5, 0}}}}).Middleware(nothing)
	for range 5 {
		wantStatus(t, ask(h, "192.0.2.1"), 200)
	}
	resp := ask(h, "192.0.2.1")
	wantStatus(t, resp, 503)
	wantField(t, resp, "RateLimit", `"default";r=0;t=36`)
}

// TestHugeRemaining: an Integer of a structured field has at most 15 digits.
func TestHugeRemaining(t *testing.T) {
	h := limits(t, Config{Fields: Always, Policies: []Policy{{Rate: Rate{Limit: 6e10, Burst: 1 << 60}}}}).Middleware(nothing)
	got := ask(h, "192.0.2.1").Header.Get("RateLimit")
	if _, r, _ := strings.Cut(got, ";r="); len(strings.Split(r, ";")[0]) > 15 {
		t.Errorf("RateLimit: %s", got)
	}
}

// TestFieldsAfterRefund: what was given back because a later policy refused is
// told as being there.
func TestFieldsAfterRefund(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := limits(t, Config{Policies: []Policy{PerIP(30, time.Hour), Total(10, time.Hour)}}).Middleware(nothing)
		wantStatus(t, ask(h, "192.0.2.1"), 200)
		for range 3 {
			resp := ask(h, "192.0.2.1")
			wantStatus(t, resp, 503)
			wantField(t, resp, "RateLimit", `"per-ip";r=2;t=120, "total";r=0;t=360`)
		}
	})
}

// TestDryRunTellsNobody: a client that obeys the fields would stop by itself
// where a dry run refuses nobody.
func TestDryRunTellsNobody(t *testing.T) {
	h := limits(t, Config{Fields: Always, DryRun: true, Policies: []Policy{PerIP(1, time.Hour)}}).Middleware(nothing)
	for range 2 {
		resp := ask(h, "192.0.2.1")
		wantStatus(t, resp, 200)
		wantField(t, resp, "RateLimit", "")
	}
}

// TestNeverIsNotLater: what costs more than the burst will not be admitted
// tomorrow either.
func TestNeverIsNotLater(t *testing.T) {
	h := limits(t, Config{Policies: []Policy{{Rate: Per(10, time.Hour), Cost: func(*http.Request) int64 { return 5 }}}}).Middleware(nothing)
	resp := ask(h, "192.0.2.1")
	wantStatus(t, resp, 503)
	wantField(t, resp, "Retry-After", "")
}
