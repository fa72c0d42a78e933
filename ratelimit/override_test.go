package ratelimit

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
)

// setControl overrides one control, for a while unless that is 0.
func setControl(t testing.TB, l *Limits, control, value string, lasts time.Duration) {
	t.Helper()
	if err := l.Override(context.Background(), seawall.Override{Control: control, Value: value, For: lasts, By: "ann", Why: "because"}); err != nil {
		t.Error(err)
	}
}

func controlOf(t testing.TB, l *Limits, name string) seawall.Control {
	t.Helper()
	for _, c := range l.Controls() {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("there is no control %s", name)
	return seawall.Control{}
}

func TestControls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits(t, Config{Policies: []Policy{
			PerIP(100, time.Minute),
			{Name: "contract", Quota: Quota{N: 10, Each: Day}, DryRun: true},
		}})
		var names []string
		for _, c := range l.Controls() {
			names = append(names, c.Name+"="+c.Value)
			if c.Help == "" || c.Overridden || c.By != "" || !c.Until.IsZero() {
				t.Errorf("%+v", c)
			}
		}
		if got, want := strings.Join(names, " "), "mode=enforce per-ip.mode=enforce per-ip.factor=1 contract.mode=dry_run"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		setControl(t, l, "per-ip.factor", "2.5", time.Hour)
		c := controlOf(t, l, "per-ip.factor")
		if !c.Overridden || c.Value != "2.5" || !c.Until.Equal(time.Now().Add(time.Hour)) || c.By != "ann" || c.Why != "because" || len(c.Options) != 0 {
			t.Errorf("%+v", c)
		}
		if !strings.Contains(c.Help, "250 per 1m0s, burst 25") {
			t.Errorf("what is in force is not told: %s", c.Help)
		}
		time.Sleep(time.Hour)
		if c := controlOf(t, l, "per-ip.factor"); c.Overridden || c.Value != "1" || !strings.Contains(c.Help, "100 per 1m0s") {
			t.Errorf("an hour later %+v", c)
		}
	})
}

// TestOverrideEnds: by itself, to the first request after it, and by an empty
// value.
func TestOverrideEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits(t, Config{Policies: []Policy{{Name: "all", Rate: Rate{Limit: 1, Burst: seawall.Off}}}})
		h := l.Middleware(nothing)
		wantStatus(t, ask(h, "192.0.2.1"), 503)
		setControl(t, l, "all.mode", "off", 10*time.Second)
		setControl(t, l, "mode", "dry_run", 25*time.Second)
		wantStatus(t, ask(h, "192.0.2.1"), 200)
		time.Sleep(10 * time.Second)
		wantStatus(t, ask(h, "192.0.2.1"), 200) // in dry run still
		time.Sleep(15*time.Second - time.Nanosecond)
		wantStatus(t, ask(h, "192.0.2.1"), 200)
		time.Sleep(time.Nanosecond)
		wantStatus(t, ask(h, "192.0.2.1"), 503)
		if st := l.Stats().Policies[0]; st.Mode != "enforce" || st.Refused != 4 {
			t.Errorf("%+v", st)
		}
		setControl(t, l, "mode", "off", 0)
		time.Sleep(24 * time.Hour)
		wantStatus(t, ask(h, "192.0.2.1"), 200)
		setControl(t, l, "mode", "", 0)
		wantStatus(t, ask(h, "192.0.2.1"), 503)
	})
}

// TestOverrideMode: the policy's own mode counts for more than that of all, in
// whatever order they were set, and both for more than the configuration.
func TestOverrideMode(t *testing.T) {
	for _, c := range []struct{ cfg, all, own, want string }{
		{"enforce", "", "", "enforce"},
		{"dry_run", "", "", "dry_run"},
		{"enforce", "dry_run", "", "dry_run"},
		{"dry_run", "enforce", "", "enforce"},
		{"dry_run", "off", "", "off"},
		{"enforce", "off", "enforce", "enforce"},
		{"dry_run", "enforce", "dry_run", "dry_run"},
		{"enforce", "enforce", "off", "off"},
	} {
		for _, first := range []string{"mode", "all.mode"} {
			var events []seawall.Event
			l := limits(t, Config{
				Policies: []Policy{{Name: "all", Rate: Rate{Limit: 1, Burst: seawall.Off}}}, DryRun: c.cfg == "dry_run",
				Observer: seawall.ObserverFunc(func(_ context.Context, e seawall.Event) { events = append(events, e) }),
			})
			if first == "mode" {
				setControl(t, l, "mode", c.all, 0)
			}
			setControl(t, l, "all.mode", c.own, 0)
			if first != "mode" {
				setControl(t, l, "mode", c.all, 0)
			}
			if got := l.Stats().Policies[0].Mode; got != c.want {
				t.Errorf("%+v: %s", c, got)
			}
			want := http.StatusOK
			if c.want == "enforce" {
				want = http.StatusServiceUnavailable
			}
			wantStatus(t, ask(l.Middleware(nothing), "192.0.2.1"), want)
			if e := events[0]; (e.Outcome == seawall.Rejected) != (c.want != "off") || e.Outcome == seawall.Rejected && e.DryRun != (c.want == "dry_run") {
				t.Errorf("%+v: told of %+v", c, e)
			}
		}
	}
}

// TestOverrideFactor: of rates and bursts, of those for all, for each and for a
// fleet; never below a burst of one, and what is off or without a limit stays it.
func TestOverrideFactor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ps := three(Per(60, time.Minute), newModelStore(0))
		ps = append(ps, Policy{Name: "nothing", Rate: Rate{Limit: 1, Burst: seawall.Off}}, Policy{Name: "no-limit", Rate: Rate{Limit: 1e18}})
		l := limits(t, Config{Policies: ps, DryRun: true})
		for value, want := range map[string]string{
			"0.01": "0.6 per 1m0s, burst 1", "0.5": "30 per 1m0s, burst 3", "1": "60 per 1m0s, burst 6", "1e2": "6000 per 1m0s, burst 600",
		} {
			for _, p := range ps {
				setControl(t, l, p.Name+".factor", value, 0)
			}
			for _, st := range l.Stats().Policies {
				if st.Name == "nothing" && st.Rate != "nothing" || st.Name != "nothing" && st.Name != "no-limit" && st.Rate != want {
					t.Errorf("%s times %s: %s, want %s", st.Name, value, st.Rate, want)
				}
			}
			if err := l.Take(from("192.0.2.1:1"), seawall.Class{}); err != nil {
				t.Error(err)
			}
		}
		closeLimits(t, l)
	})
}

func TestOverrideErrors(t *testing.T) {
	ps := three(Per(60, time.Minute), newModelStore(0))
	ps = append(ps, Policy{Name: "contract", Quota: Quota{N: 1, Each: Day}}, Policy{Name: "slow", Rate: Per(1, 300*24*time.Hour)})
	l := limits(t, Config{Policies: ps})
	before := l.Controls()
	for want, o := range map[string]seawall.Override{
		`no control "" (see Controls)`:                                               {},
		`no control "limit" (see Controls)`:                                          {Control: "limit", Value: "1"},
		`no control "all.burst" (see Controls)`:                                      {Control: "all.burst", Value: "1"},
		`override of contract.factor: the policy has a Quota, not a Rate`:            {Control: "contract.factor", Value: "1"},
		`override of mode must be enforce, dry_run or off (got "on")`:                {Control: "mode", Value: "on"},
		`override of all.mode must be enforce, dry_run or off (got "Off")`:           {Control: "all.mode", Value: "Off"},
		`override of all.factor must be a number from 0.01 to 100 (got "0")`:         {Control: "all.factor", Value: "0"},
		`override of all.factor must be a number from 0.01 to 100 (got "-1")`:        {Control: "all.factor", Value: "-1"},
		`override of all.factor must be a number from 0.01 to 100 (got "100.1")`:     {Control: "all.factor", Value: "100.1"},
		`override of key.factor must be a number from 0.01 to 100 (got "NaN")`:       {Control: "key.factor", Value: "NaN"},
		`override of key.factor must be a number from 0.01 to 100 (got "two")`:       {Control: "key.factor", Value: "two"},
		`override of fleet.factor must be a number from 0.01 to 100 (got "Inf")`:     {Control: "fleet.factor", Value: "Inf"},
		`override of "all.factor": For must not be negative (got -1s)`:               {Control: "all.factor", Value: "2", For: -time.Second},
		`override of slow.factor: Rate.Burst 1 at Limit`:                             {Control: "slow.factor", Value: "0.01"},
		`override of all.factor must be a number from 0.01 to 100 (got "\x1b[31m\n`:  {Control: "all.factor", Value: "\x1b[31m\n" + strings.Repeat("x", 1000)},
		`no control "` + strings.Repeat("a", 80) + `" (see Controls)`:                {Control: strings.Repeat("a", 1000)},
		`no control "\x00\r\n" (see Controls)`:                                       {Control: "\x00\r\n"},
		`override of mode must be enforce, dry_run or off (got "` + "xxxxxxxxxxxxxx": {Control: "mode", Value: strings.Repeat("x", 1000)},
	} {
		err := l.Override(context.Background(), o)
		if err == nil || !strings.HasPrefix(err.Error(), "seawall/ratelimit: "+want) || len(err.Error()) > 300 {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	for i, c := range l.Controls() {
		if c.Overridden || c.Value != before[i].Value {
			t.Errorf("what failed has changed %+v", c)
		}
	}
}

// TestOverrideUpdate: overrides are the operator's, and an Update by a deploy
// does not take them back, nor does one that leaves their policy out for a while.
func TestOverrideUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		with, without := Config{Policies: []Policy{PerIP(100, time.Minute), Total(100, time.Second)}}, Config{Policies: []Policy{Total(50, time.Second)}}
		l := limits(t, with)
		setControl(t, l, "per-ip.mode", "off", time.Hour)
		setControl(t, l, "total.factor", "2", time.Hour)
		for i, cfg := range []Config{with, without, with} {
			if err := l.Update(cfg); err != nil {
				t.Fatal(err)
			}
			st := l.Stats().Policies
			if want := []string{"200", "100", "200"}[i] + " per 1s, burst " + []string{"20", "10", "20"}[i]; st[len(st)-1].Rate != want {
				t.Errorf("%d: %+v, want %s", i, st, want)
			}
			if i != 1 && st[0].Mode != "off" {
				t.Errorf("%d: %+v", i, st)
			}
		}
		time.Sleep(time.Hour)
		if st := l.Stats().Policies; st[0].Mode != "enforce" || st[1].Rate != "100 per 1s, burst 10" {
			t.Errorf("an hour later: %+v", st)
		}
	})
}

// TestOverrideUnderLoad: whoever changes limits while they are used sees no race,
// and no request fails or hangs by it.
func TestOverrideUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newModelStore(time.Millisecond)
		cfg := Config{
			Policies: three(Per(600, time.Minute), store), Jitter: seawall.Off,
			Campaign: campaign(time.Now().Add(50*time.Millisecond), time.Now().Add(150*time.Millisecond), Per(6000, time.Minute), "all", "key", "fleet"),
		}
		l := limits(t, cfg)
		h := l.Middleware(nothing)
		var wg sync.WaitGroup
		var answered, odd atomic.Int64
		for i := range 8 {
			wg.Go(func() {
				for range 200 {
					switch ask(h, "192.0.2."+string(rune('1'+i))).StatusCode {
					case 200, 429, 503:
						answered.Add(1)
					default:
						odd.Add(1)
					}
					time.Sleep(time.Millisecond)
				}
			})
		}
		for _, p := range []string{"all", "key", "fleet"} {
			wg.Go(func() {
				for i := range 100 {
					setControl(t, l, p+".factor", []string{"2", "0.5", ""}[i%3], 3*time.Millisecond)
					setControl(t, l, p+".mode", []string{"off", "dry_run", "enforce", ""}[i%4], 2*time.Millisecond)
					l.Controls()
					l.Snapshot()
					time.Sleep(2 * time.Millisecond)
				}
			})
		}
		wg.Go(func() {
			for range 20 {
				if err := l.Update(cfg); err != nil {
					t.Error(err)
				}
				time.Sleep(10 * time.Millisecond)
			}
		})
		wg.Wait()
		if answered.Load() != 8*200 || odd.Load() != 0 {
			t.Errorf("%d answered, %d oddly", answered.Load(), odd.Load())
		}
		time.Sleep(time.Minute)
		for _, st := range l.Stats().Policies {
			if st.Mode != "enforce" || st.Rate != "600 per 1m0s, burst 60" {
				t.Errorf("after all: %+v", st)
			}
		}
		closeLimits(t, l)
	})
}
