package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/seawalltest"
)

// fleetPolicy is one of all processes together, of that burst and almost nothing
// after it.
func fleetPolicy(name string, store Remote, burst int64) Policy {
	return Policy{Name: name, Rate: Rate{Limit: rate.Every(time.Hour), Burst: burst}, Sharing: &Sharing{Store: store, Nodes: 1}}
}

func sharedStats(l *Limits, name string) SharedStats {
	for _, p := range l.Stats().Policies {
		if p.Name == name && p.Shared != nil {
			return *p.Shared
		}
	}
	return SharedStats{}
}

// statuses counts the answers to n requests.
func statuses(h http.Handler, n int, addr string, fields ...string) map[int]int {
	all := make(map[int]int)
	for range n {
		all[ask(h, addr, fields...).StatusCode]++
	}
	return all
}

// TestSharingMiddleware: two processes, one limit, 429 for one's own and 503 for
// all, with fields, and all of it given out.
func TestSharingMiddleware(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newModelStore(time.Millisecond)
		own := fleetPolicy("own", store, 20)
		own.Key, own.Bytes = ByClientIP(seawall.ClientIP{}), minBytes
		own.Sharing.Exact = true
		all := fleetPolicy("all", store, 50)
		all.Sharing.Exact = true
		cfg := Config{Policies: []Policy{own, all}}
		a, b := limits(t, cfg), limits(t, cfg)
		ha, hb := a.Middleware(nothing), b.Middleware(nothing)
		first := statuses(ha, 15, "192.0.2.1")
		second := statuses(hb, 15, "192.0.2.1")
		if first[200] != 15 || second[200] != 5 || second[429] != 10 {
			t.Errorf("20 for one client: %v and %v", first, second)
		}
		resp := ask(hb, "192.0.2.1")
		wantField(t, resp, "RateLimit", `"own";r=0;t=3600`)
		wantField(t, resp, "RateLimit-Policy", `"own";q=1;w=3600`)
		for i := range 3 { // 30 more are there for all
			statuses(ha, 15, fmt.Sprint("192.0.2.1", i))
		}
		resp = ask(hb, "192.0.2.99")
		wantStatus(t, resp, 503)
		for name := range strings.SplitSeq("own all", " ") {
			if st := sharedStats(a, name); !st.Up || st.Failed > 0 || st.Fallbacks > 0 {
				t.Errorf("%s: %+v", name, st)
			}
		}
		n := 0
		for _, l := range []*Limits{a, b} {
			for _, p := range l.Stats().Policies {
				if p.Name == "all" {
					n += int(p.Admitted)
				}
			}
		}
		if n != 50 {
			t.Errorf("%d admitted of the 50 for all", n)
		}
		closeLimits(t, a, b)
	})
}

// TestSharingRefund: what a later policy refuses goes back into the lease it came
// from, and costs neither tokens nor calls.
func TestSharingRefund(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newModelStore(time.Millisecond)
		own := fleetPolicy("own", store, 100)
		own.Key, own.Bytes = ByClientIP(seawall.ClientIP{}), minBytes
		total := Policy{Name: "total", Rate: Rate{Limit: rate.Every(time.Hour), Burst: 10}}
		l := limits(t, Config{Policies: []Policy{own, total}})
		h := l.Middleware(nothing)
		if got := statuses(h, 10, "192.0.2.1"); got[200] != 10 {
			t.Fatalf("%v", got)
		}
		held, calls := sharedStats(l, "own").Held, store.calls.Load()
		if got := statuses(h, 100, "192.0.2.1"); got[503] != 100 {
			t.Errorf("%v", got)
		}
		if n := sharedStats(l, "own").Held; n != held {
			t.Errorf("%d held, and after 100 refusals by another policy %d", held, n)
		}
		if n := store.calls.Load() - calls; n > 0 {
			t.Errorf("%d calls for them", n)
		}
		closeLimits(t, l)
		if got := store.take(RemoteTake{Key: store.asked[0].Key, Rate: own.Rate, UpTo: 100}); got.Left != 90 {
			t.Errorf("%d left at the end, want 100 - 10", got.Left)
		}
	})
}

// TestSharingRefundLost is the same without the store: what nobody has used the
// store is not told of when it is back.
func TestSharingRefundLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newModelStore(time.Millisecond)
		store.down.Store(true)
		own := fleetPolicy("own", store, 100)
		own.Key, own.Bytes = ByClientIP(seawall.ClientIP{}), minBytes
		l := limits(t, Config{Policies: []Policy{own, {Name: "total", Rate: Rate{Limit: rate.Every(time.Hour), Burst: 10}}}})
		h := l.Middleware(nothing)
		if got := statuses(h, 60, "192.0.2.1"); got[200] != 10 || got[503] != 50 {
			t.Errorf("%v", got)
		}
		store.down.Store(false)
		time.Sleep(time.Second)
		statuses(h, 1, "192.0.2.1") // asks whether it is back
		time.Sleep(time.Second)
		closeLimits(t, l)
		var used int64
		for _, a := range store.asked {
			used += a.Used
		}
		if used != 10 {
			t.Errorf("the store was told of %d used, want 10", used)
		}
	})
}

// TestSharingOneBudget: however many stores a request asks, it waits for one
// budget at most.
func TestSharingOneBudget(t *testing.T) {
	for latency, most := range map[time.Duration]time.Duration{
		2 * time.Millisecond: defaultBudget, 4 * time.Millisecond: defaultBudget, time.Second: defaultBudget, 0: 0,
	} {
		synctest.Test(t, func(t *testing.T) {
			var ps []Policy
			for i := range 8 {
				ps = append(ps, fleetPolicy(fmt.Sprint("p", i), newModelStore(latency), 100))
			}
			rec := new(seawalltest.Recorder)
			l := limits(t, Config{Policies: ps, Observer: rec})
			h := l.Middleware(nothing)
			for i := range 5 {
				began := time.Now()
				wantStatus(t, ask(h, "192.0.2.1"), 200)
				took := time.Since(began)
				if took > most {
					t.Errorf("stores that take %v: request %d waited %v", latency, i, took)
				}
				if e := rec.Events()[i]; e.Wait != took {
					t.Errorf("it waited %v, the Observer was told %v", took, e.Wait)
				}
			}
			closeLimits(t, l)
		})
	}
}

// TestSharingObserved: a decision without a store is told as degraded, and each
// change of its state once; a refusal is a refusal all the same.
func TestSharingObserved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, rec := newModelStore(time.Millisecond), new(seawalltest.Recorder)
		l := limits(t, Config{Name: "api", Policies: []Policy{fleetPolicy("all", store, 4)}, Observer: rec})
		h := l.Middleware(nothing)
		outcomes := func() string {
			var all []string
			for _, e := range rec.Events() {
				all = append(all, e.Outcome.String()+" "+string(e.Reason))
			}
			rec.Reset()
			return strings.Join(all, ", ")
		}
		statuses(h, 1, "192.0.2.1")
		if got := outcomes(); got != "admitted " {
			t.Errorf("%s", got)
		}
		if st := l.Snapshot().State; st != "limiting" {
			t.Errorf("state %s", st)
		}
		store.down.Store(true)
		time.Sleep(time.Second)
		statuses(h, 6, "192.0.2.1")
		if got := outcomes(); !strings.HasPrefix(got, "degraded circuit_open, ") || !strings.HasSuffix(got, ", rejected rate_limited") {
			t.Errorf("%s", got)
		}
		if st := l.Snapshot().State; st != "degraded" {
			t.Errorf("state %s", st)
		}
		store.down.Store(false)
		time.Sleep(time.Second)
		statuses(h, 1, "192.0.2.1")
		time.Sleep(time.Second)
		if st := l.Snapshot().State; st != "limiting" {
			t.Errorf("state %s", st)
		}
		closeLimits(t, l)
	})
}

// TestSharingStateTold is TestSharingObserved's for states.
func TestSharingStateTold(t *testing.T) {
	for loss, name := range map[OnLoss]string{Alone: "alone", Open: "open", Closed: "closed"} {
		synctest.Test(t, func(t *testing.T) {
			store, rec := newModelStore(time.Millisecond), new(seawalltest.Recorder)
			p := Policy{Name: "all", Rate: Per(1000, time.Second), Sharing: &Sharing{Store: store, Nodes: 1, OnLoss: loss}}
			l := limits(t, Config{Name: "api", Policies: []Policy{p}, Observer: rec})
			h := l.Middleware(nothing)
			for range 3 {
				store.down.Store(true)
				for range 20 {
					statuses(h, 3, "192.0.2.1")
					time.Sleep(100 * time.Millisecond)
				}
				store.down.Store(false)
				for range 20 {
					statuses(h, 3, "192.0.2.1")
					time.Sleep(100 * time.Millisecond)
				}
			}
			states := rec.States()
			if len(states) != 6 {
				t.Fatalf("%s: told of %d changes, want 6: %+v", name, len(states), states)
			}
			for i, s := range states {
				want := seawall.StateChange{Component: "ratelimit", Name: "api", From: "shared", To: name, Cause: "policy all: the store does not answer: connection refused"}
				if i%2 == 1 {
					want.From, want.To, want.Cause = name, "shared", "policy all: the store answers again"
				}
				if s != want {
					t.Errorf("%+v, want %+v", s, want)
				}
			}
			closeLimits(t, l)
		})
	}
}

// TestSharingClosed: who is refused because the store is not there did nothing
// wrong: 503, soon, and the problem says so; whatever the policy counts by.
func TestSharingClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, key := range []Key{{}, ByClientIP(seawall.ClientIP{})} {
			store := newModelStore(0)
			store.down.Store(true)
			p := fleetPolicy("contract", store, 100)
			p.Key, p.Sharing.OnLoss = key, Closed
			quota := Policy{Name: "contract", Quota: Quota{N: 100, Each: Day}, Key: key, Sharing: p.Sharing}
			for _, p := range []Policy{p, quota} {
				l := limits(t, Config{Policies: []Policy{p}})
				h := l.Middleware(nothing)
				for range 20 {
					resp := ask(h, "192.0.2.1")
					wantStatus(t, resp, http.StatusServiceUnavailable)
					if after := resp.Header.Get("Retry-After"); after != "1" && after != "2" {
						t.Errorf("Retry-After %s", after)
					}
					body := make([]byte, 1000)
					n, _ := resp.Body.Read(body)
					if !strings.Contains(string(body[:n]), "#temporary-reduced-capacity") || !strings.Contains(string(body[:n]), `"violated-policies":["contract"]`) {
						t.Errorf("%s", body[:n])
					}
				}
				closeLimits(t, l)
			}
		}
	})
}

// TestSharingUpdate: leases stay if only the Rate changes, and are given back if
// the store is another one, at the end.
func TestSharingUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, other := newModelStore(time.Millisecond), newModelStore(time.Millisecond)
		cfg := func(store Remote, burst int64) Config { // as a factor does it: the burst comes back in the same time
			p := fleetPolicy("all", store, burst)
			p.Rate.Limit *= rate.Limit(burst) / 100
			return Config{Policies: []Policy{p}}
		}
		l := limits(t, cfg(store, 100))
		h := l.Middleware(nothing)
		statuses(h, 20, "192.0.2.1")
		held := sharedStats(l, "all").Held
		if held == 0 {
			t.Fatal("nothing is held")
		}
		if err := l.Update(cfg(store, 200)); err != nil {
			t.Fatal(err)
		}
		if n := sharedStats(l, "all").Held; n != held {
			t.Errorf("%d held, after the Update %d", held, n)
		}
		began := time.Now()
		statuses(h, 1, "192.0.2.1")
		if d := time.Since(began); d > 0 {
			t.Errorf("a request waited %v although there was a lease", d)
		}
		if err := l.Update(cfg(other, 200)); err != nil {
			t.Fatal(err)
		}
		statuses(h, 20, "192.0.2.1")
		if other.calls.Load() == 0 {
			t.Error("the new store is not asked")
		}
		closeLimits(t, l)
		for name, want := range map[string]struct {
			store *modelStore
			left  int64
		}{"old": {store, 200 - 21}, "new": {other, 200 - 20}} {
			got := want.store.take(RemoteTake{Key: want.store.asked[0].Key, Rate: cfg(store, 200).Policies[0].Rate, UpTo: 200})
			if got.Left != want.left {
				t.Errorf("%s store: %d left after Close, want %d", name, got.Left, want.left)
			}
		}
	})
}

// TestLimitsClose: again and again, at once, without shared policies too; an error
// names the policy whose store does not answer; requests after it are limited.
func TestLimitsClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plain := limits(t, Config{Policies: []Policy{PerIP(10, time.Minute)}})
		closeLimits(t, plain, plain)
		store := newModelStore(time.Millisecond)
		l := limits(t, Config{Policies: []Policy{fleetPolicy("all", store, 4)}})
		h := l.Middleware(nothing)
		statuses(h, 1, "192.0.2.1")
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() { closeLimits(t, l) })
		}
		wg.Wait()
		closeLimits(t, l)
		calls := store.calls.Load()
		if got := statuses(h, 20, "192.0.2.1"); got[200] == 0 || got[503] == 0 {
			t.Errorf("after Close %v", got)
		}
		if n := store.calls.Load() - calls; n > 0 {
			t.Errorf("%d calls after Close", n)
		}
		if err := l.Update(Config{Policies: []Policy{PerIP(10, time.Minute)}}); err == nil {
			t.Error("Update after Close")
		}

		frozen := newModelStore(0)
		frozen.frozen.Store(true)
		l = limits(t, Config{Policies: []Policy{fleetPolicy("all", store, 4), fleetPolicy("stuck", frozen, 4)}})
		statuses(l.Middleware(nothing), 1, "192.0.2.1")
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		err := l.Close(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.HasPrefix(err.Error(), `seawall/ratelimit: closing policy "stuck": `) {
			t.Errorf("%v", err)
		}
		frozen.frozen.Store(false)
		closeLimits(t, l)
	})
}

// wantRetryAfter is that many seconds, and up to a tenth and one more.
func wantRetryAfter(t *testing.T, got string, least int) {
	t.Helper()
	n, err := strconv.Atoi(got)
	if err != nil || n < least || n > least+least/10+least/20+2 { // long ones are told in steps
		t.Errorf("Retry-After %s, want %d", got, least)
	}
}
