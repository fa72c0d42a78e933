package promobserver_test

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/adapters/promobserver"
)

func TestObserverCountsByLabels(t *testing.T) {
	o := newObserver(t, promobserver.Config{})
	ctx := t.Context()
	for i, e := range []seawall.Event{
		{Component: "shed", Name: "api"},
		{Component: "shed", Name: "api", Route: "GET /feed"},
		{Component: "shed", Name: "api", Priority: seawall.Critical, Wait: 30 * time.Millisecond},
		{Component: "shed", Name: "api", Outcome: seawall.Rejected, Reason: seawall.Overloaded, Priority: seawall.Background, Wait: time.Second},
		{Component: "shed", Name: "api", Outcome: seawall.Rejected, Reason: seawall.Overloaded, DryRun: true},
		{Component: "ratelimit", Name: "api", Outcome: seawall.Rejected, Reason: seawall.RateLimited},
		{Component: "cache", Name: "api", Outcome: seawall.Degraded, Reason: "stale"},
		{Component: "cache", Name: "api", Outcome: 77, Priority: 99},
		{Component: "cache", Name: "api", Outcome: 77, Priority: -99},
		{Component: "shed", Name: "api", Outcome: seawall.Rejected, Reason: seawall.Overloaded},
	} {
		for range i + 1 {
			o.Observe(ctx, e)
		}
	}
	const decisions = "seawall_decisions_total"
	f := scrape(t, registry(t, o))
	f.want(t, 1+2, decisions, "component", "shed", "name", "api", "outcome", "admitted", "reason", "", "priority", "normal", "dry_run", "false")
	f.want(t, 3, decisions, "component", "shed", "outcome", "admitted", "priority", "critical")
	f.want(t, 4, decisions, "component", "shed", "outcome", "rejected", "reason", "overloaded", "priority", "background", "dry_run", "false")
	f.want(t, 5, decisions, "component", "shed", "outcome", "rejected", "reason", "overloaded", "priority", "normal", "dry_run", "true")
	f.want(t, 6, decisions, "component", "ratelimit", "outcome", "rejected", "reason", "rate_limited")
	f.want(t, 7, decisions, "component", "cache", "outcome", "degraded", "reason", "stale")
	f.want(t, 8, decisions, "component", "cache", "outcome", "unknown", "priority", "critical")
	f.want(t, 9, decisions, "component", "cache", "outcome", "unknown", "priority", "background")
	f.want(t, 10, decisions, "component", "shed", "outcome", "rejected", "reason", "overloaded", "priority", "normal", "dry_run", "false")
	f.want(t, 55, decisions)
	f.want(t, 3, "seawall_wait_seconds", "component", "shed", "name", "api", "outcome", "admitted", "priority", "critical")
	f.want(t, 4, "seawall_wait_seconds", "outcome", "rejected", "priority", "background")
	f.want(t, 7, "seawall_wait_seconds")
	f.want(t, math.NaN(), decisions, "route", "GET /feed")
	for _, l := range []string{"name", "reason", "to"} {
		f.want(t, 0, "seawall_label_overflow_total", "label", l)
	}
}

func TestObserverRoutes(t *testing.T) {
	o := newObserver(t, promobserver.Config{Routes: []string{"GET /feed", "POST /login"}})
	for route, n := range map[string]int{"GET /feed": 1, "POST /login": 2, "": 4, "GET /admin": 8, "other": 16} {
		for range n {
			o.Observe(t.Context(), seawall.Event{Component: "shed", Name: "api", Route: route})
		}
	}
	f := scrape(t, registry(t, o))
	f.want(t, 1, "seawall_decisions_total", "route", "GET /feed")
	f.want(t, 2, "seawall_decisions_total", "route", "POST /login")
	f.want(t, 28, "seawall_decisions_total", "route", "other")
	f.want(t, 31, "seawall_decisions_total")
}

func TestObserverRareEvents(t *testing.T) {
	o := newObserver(t, promobserver.Config{})
	for range 2 {
		o.ObserveState(t.Context(), seawall.StateChange{Component: "breaker", Name: "pay", From: "closed", To: "open"})
	}
	o.ObserveState(t.Context(), seawall.StateChange{Component: "breaker", Name: "pay", From: "open", To: "closed"})
	o.ObserveLimit(t.Context(), seawall.LimitChange{Component: "shed", Name: "api", From: 10, To: 20})
	for range 3 {
		o.ObserveLimit(t.Context(), seawall.LimitChange{Component: "shed", Name: "api", From: 20, To: 10})
	}
	f := scrape(t, registry(t, o))
	f.want(t, 2, "seawall_state_changes_total", "component", "breaker", "name", "pay", "to", "open")
	f.want(t, 1, "seawall_state_changes_total", "to", "closed")
	f.want(t, 1, "seawall_limit_changes_total", "component", "shed", "name", "api", "direction", "up")
	f.want(t, 3, "seawall_limit_changes_total", "direction", "down")
}

// The wait is a native histogram for servers that ask for one, and classic
// buckets for the others.
func TestObserverWaitHasBothForms(t *testing.T) {
	o := newObserver(t, promobserver.Config{Buckets: []float64{.01, .1}})
	for _, ms := range []time.Duration{5, 50, 50, 500} {
		o.Observe(t.Context(), seawall.Event{Component: "shed", Wait: ms * time.Millisecond})
	}
	all, err := registry(t, o).Gather()
	if err != nil {
		t.Fatal(err)
	}
	var h *dto.Histogram
	for _, f := range all {
		if f.GetName() == "seawall_wait_seconds" {
			h = f.GetMetric()[0].GetHistogram()
		}
	}
	if h == nil || len(h.GetPositiveDelta()) == 0 || len(h.GetBucket()) != 2 ||
		h.GetBucket()[0].GetCumulativeCount() != 1 || h.GetBucket()[1].GetCumulativeCount() != 3 || math.Abs(h.GetSampleSum()-.605) > 1e-9 {
		t.Errorf("%v", h)
	}
}

// Whatever events say, the number of series stays bounded, and every event is
// counted somewhere.
func TestObserverIsBounded(t *testing.T) {
	o := newObserver(t, promobserver.Config{MaxInstances: 3})
	long := strings.Repeat("x", 1000)
	for i := range 200 {
		n := fmt.Sprint(i)
		o.Observe(t.Context(), seawall.Event{Component: "c", Name: n})
		o.Observe(t.Context(), seawall.Event{Component: "c", Name: "0", Outcome: seawall.Rejected, Reason: seawall.Reason("r" + n)})
		o.ObserveState(t.Context(), seawall.StateChange{Component: "c", Name: "0", To: n})
		o.ObserveLimit(t.Context(), seawall.LimitChange{Component: "c", Name: n, To: 1})
	}
	o.Observe(t.Context(), seawall.Event{Component: long, Name: "\xff" + long, Outcome: seawall.Rejected, Reason: seawall.Reason(long)})
	f := scrape(t, registry(t, o))
	f.want(t, 200+200+1, "seawall_decisions_total")
	f.want(t, 197+1, "seawall_decisions_total", "component", "other", "name", "other")
	f.want(t, 197+197+1, "seawall_label_overflow_total", "label", "name")
	f.want(t, 200-20, "seawall_decisions_total", "name", "0", "reason", "other")
	f.want(t, 200-20+1, "seawall_label_overflow_total", "label", "reason")
	f.want(t, 200, "seawall_state_changes_total")
	f.want(t, 200-15, "seawall_state_changes_total", "to", "other")
	f.want(t, 200-15, "seawall_label_overflow_total", "label", "to")
	f.want(t, 200, "seawall_limit_changes_total")
	f.want(t, 197, "seawall_limit_changes_total", "name", "other")
	if n := len(f["seawall_decisions_total"].GetMetric()); n != 3+1+20+1+1 {
		t.Errorf("%d series", n)
	}

	// No text that an event may hold is too odd or too long for a label.
	o = newObserver(t, promobserver.Config{})
	o.Observe(t.Context(), seawall.Event{Component: long, Name: "\xff" + long, Outcome: seawall.Rejected, Reason: seawall.Reason("\xfe" + long)})
	o.ObserveState(t.Context(), seawall.StateChange{Component: "\xff", To: "\xff" + long})
	o.ObserveLimit(t.Context(), seawall.LimitChange{Component: "\xff"})
	f = scrape(t, registry(t, o))
	f.want(t, 1, "seawall_decisions_total", "component", long[:128], "name", long[:127], "reason", long[:127])
	f.want(t, 1, "seawall_state_changes_total", "component", "", "to", long[:127])
}

// Two names that become the same label share its series.
func TestObserverSameLabel(t *testing.T) {
	o := newObserver(t, promobserver.Config{})
	for _, name := range []string{"a", "a\xff", "\xffa"} {
		o.Observe(t.Context(), seawall.Event{Component: "c", Name: name, Wait: 1})
	}
	f := scrape(t, registry(t, o))
	f.want(t, 3, "seawall_decisions_total", "name", "a")
	f.want(t, 3, "seawall_wait_seconds", "name", "a")
}

func TestObserverAtOnce(t *testing.T) {
	o := newObserver(t, promobserver.Config{MaxInstances: 4, Routes: []string{"a"}})
	reg := registry(t, o)
	const workers, each = 8, 2000
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				o.Observe(t.Context(), seawall.Event{
					Component: "c", Name: fmt.Sprint(i % 6), Outcome: seawall.Outcome(i % 3), Reason: seawall.Reason(fmt.Sprint("r", i%50)),
					Priority: seawall.Background + seawall.Priority(i%4), Route: []string{"a", "b"}[i%2], DryRun: w%2 == 0, Wait: time.Duration(i % 2),
				})
				o.ObserveState(t.Context(), seawall.StateChange{Component: "c", To: fmt.Sprint(i % 20)})
				if i%500 == 0 {
					scrape(t, reg)
				}
			}
		})
	}
	wg.Wait()
	f := scrape(t, reg)
	f.want(t, workers*each, "seawall_decisions_total")
	f.want(t, workers*each/2, "seawall_wait_seconds")
	f.want(t, workers*each, "seawall_state_changes_total")
}

func TestObserverNames(t *testing.T) {
	o := newObserver(t, promobserver.Config{Routes: []string{"a"}})
	o.Observe(t.Context(), seawall.Event{Component: "shed", Wait: time.Second})
	o.ObserveState(t.Context(), seawall.StateChange{})
	o.ObserveLimit(t.Context(), seawall.LimitChange{})
	problems, err := testutil.CollectAndLint(o)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	if n := testutil.CollectAndCount(o); n != 1+1+1+1+3 {
		t.Errorf("%d series", n)
	}
}

func TestConfigMistakes(t *testing.T) {
	for want, cfg := range map[string]promobserver.Config{
		"Routes must be at most 500 (got 501)":                      {Routes: make([]string, 501)},
		`Routes[1] must be 1 to 128 bytes of UTF-8 (got "")`:        {Routes: []string{"a", ""}},
		`Routes[0] must be 1 to 128 bytes of UTF-8 (got "\xff")`:    {Routes: []string{"\xff"}},
		`Routes[1] must not be there twice (got "a")`:               {Routes: []string{"a", "a"}},
		"MaxInstances must be between 1 and 10000 (got -1)":         {MaxInstances: seawall.Off},
		"MaxInstances must be between 1 and 10000 (got 1000000000)": {MaxInstances: 1e9},
		"Buckets must be at most 100 (got 101)":                     {Buckets: make([]float64, 101)},
		"Buckets[0] must be finite and above 0 (got 0)":             {Buckets: []float64{0}},
		"Buckets[1] must be finite and above 1 (got 1)":             {Buckets: []float64{1, 1}},
		"Buckets[1] must be finite and above 1 (got NaN)":           {Buckets: []float64{1, math.NaN()}},
		"Buckets[0] must be finite and above 0 (got +Inf)":          {Buckets: []float64{math.Inf(1)}},
	} {
		if o, err := promobserver.New(cfg); o != nil || err == nil || err.Error() != "seawall/promobserver: "+want {
			t.Errorf("%+v: %v; want %s", cfg, err, want)
		}
	}
	// What New was given is the caller's again.
	routes, buckets := []string{"a"}, []float64{1}
	o := newObserver(t, promobserver.Config{Routes: routes, Buckets: buckets})
	routes[0], buckets[0] = "b", -1
	o.Observe(t.Context(), seawall.Event{Route: "a", Wait: 1})
	scrape(t, registry(t, o)).want(t, 1, "seawall_decisions_total", "route", "a")
}
