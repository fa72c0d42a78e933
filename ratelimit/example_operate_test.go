package ratelimit_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/ratelimit"
)

// On the day of a campaign everybody may do ten times as much for six hours,
// and every process knows it beforehand.
func ExampleChange() {
	noon := time.Now().Truncate(time.Hour)
	limits := seawall.Must(ratelimit.New(ratelimit.Config{
		Policies: []ratelimit.Policy{ratelimit.PerIP(60, time.Minute)},
		Campaign: []ratelimit.Change{
			{Policy: "per-ip", From: noon.Add(-time.Hour), Until: noon.Add(5 * time.Hour), Rate: ratelimit.Per(600, time.Minute)},
		},
	}))
	fmt.Println(limits.Stats().Policies[0].Rate)
	_, err := ratelimit.New(ratelimit.Config{
		Policies: []ratelimit.Policy{ratelimit.PerIP(60, time.Minute)},
		Campaign: []ratelimit.Change{{Policy: "per-user", From: noon, Until: noon.Add(time.Hour), Rate: ratelimit.Per(1, time.Second)}},
	})
	fmt.Println(err) // today, and not on that day
	// Output:
	// 600 per 1m0s, burst 60
	// seawall/ratelimit: Campaign[0].Policy: there is no policy "per-user"
}

// What an operator does at night, and what ends by itself if it is forgotten.
func ExampleLimits_Override() {
	limits := seawall.Must(ratelimit.New(ratelimit.Config{Policies: []ratelimit.Policy{ratelimit.PerIP(60, time.Minute)}}))
	for _, o := range []seawall.Override{
		{Control: "per-ip.factor", Value: "0.5", For: time.Hour, By: "ann", Why: "the database is slow"},
		{Control: "mode", Value: "dry_run", For: 10 * time.Minute, By: "bob", Why: "to be sure"},
		{Control: "per-ip.factor", Value: "5000", By: "bob"},
	} {
		if err := limits.Override(context.Background(), o); err != nil {
			fmt.Println(err)
		}
	}
	for _, c := range limits.Controls() {
		fmt.Printf("%s=%s %q\n", c.Name, c.Value, c.Why)
	}
	// Output:
	// seawall/ratelimit: override of per-ip.factor must be a number from 0.01 to 100 (got "5000")
	// mode=dry_run "to be sure"
	// per-ip.mode=dry_run ""
	// per-ip.factor=0.5 "the database is slow"
}

// A new configuration holds at once, or not at all.
func ExampleLimits_Update() {
	config := func(n int64) ratelimit.Config {
		return ratelimit.Config{Policies: []ratelimit.Policy{ratelimit.PerIP(n, time.Minute)}}
	}
	limits := seawall.Must(ratelimit.New(config(60)))
	fmt.Println(limits.Update(config(120)))
	fmt.Println(limits.Update(config(0)))
	fmt.Println(limits.Stats().Policies[0].Rate)
	// Output:
	// <nil>
	// seawall/ratelimit: policy "per-ip": Rate.Limit must be positive (got 0); to admit nothing, say Burst: seawall.Off
	// 120 per 1m0s, burst 12
}

// Who is refused most, when addresses may be shown.
func ExampleLimits_Stats() {
	p := ratelimit.PerIP(10, time.Hour)
	p.ShowKeys = true
	limits := seawall.Must(ratelimit.New(ratelimit.Config{Policies: []ratelimit.Policy{p}}))
	h := limits.Middleware(http.NotFoundHandler())
	for range 5 {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	}
	st := limits.Stats().Policies[0]
	fmt.Println(st.Admitted, "admitted,", st.Refused, "refused")
	for _, k := range st.Top {
		fmt.Println(k.Key, k.Refused)
	}
	// Output:
	// 1 admitted, 4 refused
	// 192.0.2.1 4
}

func ExampleLimits_Snapshot() {
	limits := seawall.Must(ratelimit.New(ratelimit.Config{Policies: []ratelimit.Policy{ratelimit.Total(1, time.Hour)}}))
	for range 3 {
		_ = limits.Take(httptest.NewRequest(http.MethodGet, "/", nil), seawall.Class{})
	}
	s := limits.Snapshot()
	fmt.Println(s.Component, s.Name, s.State)
	for _, m := range s.Metrics {
		fmt.Println(m.Name, m.Labels[1].Value, m.Value)
	}
	// Output:
	// ratelimit default limiting
	// decisions_total admitted 1
	// decisions_total rejected 2
}
