package ratelimit

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
)

// three are the same rate for all together, for each client, and for a fleet.
func three(r Rate, store Remote) []Policy {
	return []Policy{
		{Name: "all", Rate: r},
		{Name: "key", Rate: r, Key: ByClientIP(seawall.ClientIP{}), Bytes: minBytes},
		{Name: "fleet", Rate: r, Sharing: &Sharing{Store: store, Nodes: 1}},
	}
}

// toldRates are the q of the three, as one request is told.
func toldRates(h http.Handler, addr string) string {
	var all []string
	for item := range strings.SplitSeq(ask(h, addr).Header.Get("RateLimit-Policy"), ", ") {
		name, q, _ := strings.Cut(item, ";q=")
		q, _, _ = strings.Cut(q, ";")
		all = append(all, strings.Trim(name, `"`)+" "+q)
	}
	return strings.Join(all, ", ")
}

func campaign(from, until time.Time, r Rate, policies ...string) (all []Change) {
	for _, p := range policies {
		all = append(all, Change{Policy: p, From: from, Until: until, Rate: r})
	}
	return all
}

func closeLimits(t testing.TB, all ...*Limits) {
	t.Helper()
	for _, l := range all {
		if err := l.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

const (
	usual   = "key 60, all 60, fleet 60"
	raised  = "key 600, all 600, fleet 600"
	doubled = "key 1200, all 1200, fleet 1200"
)

// TestCampaign: the first request of a change has it already, and the first after
// it no more.
func TestCampaign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newModelStore(time.Millisecond)
		from := time.Now().Add(time.Hour)
		until := from.Add(time.Hour)
		plan := campaign(from, until, Per(600, time.Minute), "all", "key", "fleet")
		cfg := Config{Policies: three(Per(60, time.Minute), store), Fields: Always, Jitter: seawall.Off, Campaign: plan}
		l := limits(t, cfg)
		h := l.Middleware(nothing)
		for _, c := range []struct {
			at   time.Time
			want string
		}{
			{time.Now(), usual}, {from.Add(-10 * time.Millisecond), usual}, {from, raised}, {from.Add(time.Minute), raised},
			{until.Add(-10 * time.Millisecond), raised}, {until, usual}, {until.Add(24 * time.Hour), usual},
		} {
			sleepUntil(t, c.at)
			if got := toldRates(h, "192.0.2.1"); got != c.want {
				t.Errorf("%v after From: %s, want %s", c.at.Sub(from), got, c.want)
			}
			store.mu.Lock()
			if n, _, _ := strings.Cut(c.want[4:], ","); n != trimRate(store.asked[len(store.asked)-1].Rate) {
				t.Errorf("%v after From: the store was told %v", c.at.Sub(from), store.asked[len(store.asked)-1].Rate)
			}
			store.mu.Unlock()
		}
		closeLimits(t, l)
	})
}

func trimRate(r Rate) string {
	n, _, _ := strings.Cut(r.String(), " ")
	return n
}

// TestCampaignAdmits: it is not only said.
func TestCampaignAdmits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := time.Now().Add(time.Hour)
		for _, name := range []string{"all", "key", "fleet"} {
			store := newModelStore(time.Millisecond)
			cfg := Config{Jitter: seawall.Off, Campaign: campaign(from, from.Add(time.Hour), Per(600, time.Minute), name)}
			for _, p := range three(Per(60, time.Minute), store) {
				if p.Name == name {
					cfg.Policies = []Policy{p}
				}
			}
			l := limits(t, cfg)
			h := l.Middleware(nothing)
			spend := func() (n int) {
				for ask(h, "192.0.2.1").StatusCode == http.StatusOK {
					n++
				}
				return n
			}
			for i, want := range []int{6, 60, 6} {
				sleepUntil(t, from.Add(time.Duration(2*i-1)*30*time.Minute))
				if n := spend(); n < want || n > want+want/20+1 { // some came back meanwhile
					t.Errorf("%s, phase %d: %d at once, want %d", name, i, n, want)
				}
			}
			closeLimits(t, l)
			from = time.Now().Add(time.Hour)
		}
	})
}

// TestCampaignStartedInTheMiddle: a process that comes late is not late.
func TestCampaignStartedInTheMiddle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := time.Now().Add(time.Hour)
		store := newModelStore(0)
		cfg := Config{
			Policies: three(Per(60, time.Minute), store), Fields: Always,
			Campaign: campaign(from, from.Add(time.Hour), Per(600, time.Minute), "all", "key", "fleet"),
		}
		sleepUntil(t, from.Add(30*time.Minute))
		l := limits(t, cfg)
		if got := toldRates(l.Middleware(nothing), "192.0.2.1"); got != raised {
			t.Errorf("at first %s, want %s", got, raised)
		}
		sleepUntil(t, from.Add(2*time.Hour))
		late := limits(t, cfg)
		if got := toldRates(late.Middleware(nothing), "192.0.2.1"); got != usual {
			t.Errorf("after it %s, want %s", got, usual)
		}
		closeLimits(t, l, late)
	})
}

// TestCampaignJitter: a fleet changes over the whole of the jitter, each process
// by the same time after From and after Until, and none before.
func TestCampaignJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const fleet, jitter = 100, 10 * time.Second
		from := time.Now().Add(time.Minute)
		until := from.Add(time.Minute)
		var begins, ends [fleet]time.Duration
		var all [fleet]*Limits
		for i := range all {
			all[i] = limits(t, Config{
				Policies: []Policy{{Name: "all", Rate: Per(60, time.Minute)}}, Fields: Always, Jitter: jitter,
				Campaign: campaign(from, until, Per(600, time.Minute), "all"),
			})
		}
		look := func(at time.Time, changed string, when *[fleet]time.Duration) {
			for sleepUntil(t, at.Add(-100*time.Millisecond)); time.Since(at) <= jitter; time.Sleep(100 * time.Millisecond) {
				for i, l := range all {
					if when[i] == 0 && toldRates(l.Middleware(nothing), "192.0.2.1") == changed {
						when[i] = time.Since(at) + 1
					}
				}
			}
		}
		look(from, "all 600", &begins)
		look(until, "all 60", &ends)
		least, most := jitter, time.Duration(0)
		for i, d := range begins {
			if d < 1 || d > jitter+1 || d != ends[i] {
				t.Errorf("process %d: begins %v after From, ends %v after Until", i, d, ends[i])
			}
			least, most = min(least, d), max(most, d)
		}
		if least > jitter/5 || most < jitter*4/5 {
			t.Errorf("the fleet changes from %v to %v, want over all of %v", least, most, jitter)
		}
	})
}

// TestCampaignAndOverride: a factor is one of whatever is in force.
func TestCampaignAndOverride(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := time.Now().Add(time.Hour)
		store := newModelStore(0)
		l := limits(t, Config{
			Policies: three(Per(60, time.Minute), store), Fields: Always, Jitter: seawall.Off,
			Campaign: campaign(from, from.Add(time.Hour), Per(600, time.Minute), "all", "key", "fleet"),
		})
		h := l.Middleware(nothing)
		sleepUntil(t, from.Add(-30*time.Minute))
		for _, p := range []string{"all", "key", "fleet"} {
			if err := l.Override(context.Background(), seawall.Override{Control: p + ".factor", Value: "2", For: time.Hour}); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []struct {
			at   time.Duration
			want string
		}{{-30 * time.Minute, "key 120, all 120, fleet 120"}, {0, doubled}, {30*time.Minute - 10*time.Millisecond, doubled}, {30 * time.Minute, raised}, {time.Hour, usual}} {
			sleepUntil(t, from.Add(c.at))
			if got := toldRates(h, "192.0.2.1"); got != c.want {
				t.Errorf("%v after From: %s, want %s", c.at, got, c.want)
			}
		}
		closeLimits(t, l)
	})
}

// TestCampaignUpdate: an Update in the middle changes nothing of what it says
// again, and a plan that is gone is over.
func TestCampaignUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := time.Now()
		store := newModelStore(0)
		cfg := Config{
			Policies: three(Per(60, time.Minute), store), Fields: Always, Jitter: time.Minute,
			Campaign: campaign(from, from.Add(time.Hour), Per(600, time.Minute), "all", "key", "fleet"),
		}
		l := limits(t, cfg)
		h := l.Middleware(nothing)
		sleepUntil(t, from.Add(10*time.Minute))
		for i, want := range []string{raised, raised, usual} {
			if got := toldRates(h, "192.0.2.1"); got != want {
				t.Errorf("%d: %s, want %s", i, got, want)
			}
			if i == 1 {
				cfg.Campaign = nil
			}
			if err := l.Update(cfg); err != nil {
				t.Fatal(err)
			}
		}
		cfg.Campaign = campaign(from, from.Add(time.Hour), Per(600, time.Minute), "nobody")
		if err := l.Update(cfg); err == nil {
			t.Error("a campaign of no policy was taken")
		}
		if got := toldRates(h, "192.0.2.1"); got != usual {
			t.Errorf("after an Update that failed: %s", got)
		}
		closeLimits(t, l)
	})
}

func TestCampaignErrors(t *testing.T) {
	day := time.Date(2030, 11, 29, 0, 0, 0, 0, time.UTC)
	ok := Change{Policy: "all", From: day, Until: day.Add(time.Hour), Rate: Per(1, time.Second)}
	with := func(change func(*Change)) []Change {
		c := ok
		change(&c)
		return []Change{ok, c}
	}
	for want, cs := range map[string][]Change{
		`Campaign[1].Policy: there is no policy "al"`:          with(func(c *Change) { c.Policy = "al" }),
		`Campaign[1].Policy: there is no policy ""`:            with(func(c *Change) { c.Policy = "" }),
		`Campaign[1].From must be set`:                         with(func(c *Change) { c.From = time.Time{} }),
		`Campaign[1].Until must be after From (got 0001-01-01`: with(func(c *Change) { c.Until = time.Time{} }),
		`Campaign[1].Until must be after From (got 2030-11-29`: with(func(c *Change) { c.Until = c.From }),
		`Campaign[0] and [1] of policy "all" overlap`:          with(func(c *Change) { c.From = c.From.Add(time.Hour - 1); c.Until = c.Until.Add(time.Hour) }),
		`Campaign[1]: Rate.Limit must be positive (got 0)`:     with(func(c *Change) { c.Policy, c.Rate = "key", Rate{} }),
		`Campaign[1]: Rate.Burst must be positive`:             with(func(c *Change) { c.Policy, c.Rate.Burst = "fleet", -2 }),
		`Campaign[1]: the policy has a Quota, not a Rate`:      with(func(c *Change) { c.Policy = "contract" }),
		`Campaign must be at most 1000 changes (got 1001)`:     make([]Change, 1001),
	} {
		ps := three(Per(1, time.Second), newModelStore(0))
		ps = append(ps,
			Policy{Name: "contract", Quota: Quota{N: 1, Each: Day}, Key: ByUser(), Bytes: minBytes})
		_, err := New(Config{Policies: ps, Campaign: cs})
		if err == nil || !strings.HasPrefix(err.Error(), "seawall/ratelimit: "+want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	next := ok
	next.From, next.Until = ok.Until, ok.Until.Add(time.Hour)
	other := ok
	other.Policy = "key"
	if _, err := New(Config{Policies: three(Per(1, time.Second), newModelStore(0)), Campaign: []Change{ok, next, other}}); err != nil {
		t.Errorf("one after the other, and two policies at once: %v", err)
	}
	for _, d := range []time.Duration{-2, time.Hour + 1} {
		if _, err := New(Config{Policies: []Policy{PerIP(1, time.Second)}, Jitter: d}); err == nil || !strings.Contains(err.Error(), "Jitter must be at most 1h0m0s, or seawall.Off (got "+d.String()+")") {
			t.Errorf("Jitter %v: %v", d, err)
		}
	}
}

// TestCampaignUpdateForgivesNobody: not even where the usual burst is shorter than
// that of the campaign.
func TestCampaignUpdateForgivesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := time.Now().Add(-time.Second)
		store := newModelStore(0)
		for _, p := range three(Per(10, time.Minute), store) {
			cfg := Config{
				Policies: []Policy{p}, Jitter: seawall.Off, Fields: Always,
				Campaign: campaign(from, from.Add(time.Hour), Per(600, time.Minute).WithBurst(600), p.Name),
			}
			l := limits(t, cfg)
			h := l.Middleware(nothing)
			if n := statuses(h, 700, "192.0.2.1")[200]; n != 600 {
				t.Errorf("%s: %d, want 600", p.Name, n)
			}
			if err := l.Update(cfg); err != nil {
				t.Fatal(err)
			}
			if n := statuses(h, 700, "192.0.2.1")[200]; n != 0 {
				t.Errorf("%s: %d more by an Update that says the same", p.Name, n)
			}
			cfg.Campaign = nil
			if err := l.Update(cfg); err != nil {
				t.Fatal(err)
			}
			if got := toldRates(h, "192.0.2.1"); got != p.Name+" 10" {
				t.Errorf("without the campaign %s", got)
			}
			closeLimits(t, l)
		}
	})
}
