package promobserver_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/adapters/promobserver"
	"github.com/seawall-go/seawall/shed"
)

// Every decision in Prometheus, and the few lines that a person reads in the log.
func Example() {
	metrics := seawall.Must(promobserver.New(promobserver.Config{}))
	log := seawall.Must(seawall.NewLogObserver(seawall.LogConfig{Logger: slog.Default()}))
	defer log.Flush()

	shedder := seawall.Must(shed.New(shed.Config{Observer: seawall.Observers(metrics, log)}))
	defer shedder.Close(context.Background())

	registry := prometheus.NewRegistry()
	registry.MustRegister(metrics, seawall.Must(promobserver.NewCollector(shedder)))

	served := shedder.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	served.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	show(registry, "seawall_decisions_total", "seawall_shed_in_flight", "seawall_shed_state")
	// Output:
	// seawall_decisions_total{component="shed",dry_run="false",name="default",outcome="admitted",priority="normal",reason=""} 1
	// seawall_shed_in_flight{name="default"} 0
	// seawall_shed_state{name="default",state="climb"} 0
	// seawall_shed_state{name="default",state="converge"} 0
	// seawall_shed_state{name="default",state="hold"} 0
	// seawall_shed_state{name="default",state="open"} 1
}

// show prints the series of some names, as a scrape has them.
func show(g prometheus.Gatherer, names ...string) {
	w := httptest.NewRecorder()
	promhttp.HandlerFor(g, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for line := range strings.Lines(w.Body.String()) {
		for _, name := range names {
			if strings.HasPrefix(line, name+"{") {
				fmt.Print(line)
			}
		}
	}
}

// With the routes that matter as a label; all others are one more.
func ExampleNew() {
	observer := seawall.Must(promobserver.New(promobserver.Config{Routes: []string{"POST /login"}}))
	registry := prometheus.NewRegistry()
	registry.MustRegister(observer)

	// A component calls it so:
	for _, route := range []string{"POST /login", "GET /feed", "GET /avatar"} {
		observer.Observe(context.Background(), seawall.Event{
			Component: "shed", Name: "api", Outcome: seawall.Rejected, Reason: seawall.Overloaded, Route: route,
		})
	}
	show(registry, "seawall_decisions_total")
	// Output:
	// seawall_decisions_total{component="shed",dry_run="false",name="api",outcome="rejected",priority="normal",reason="overloaded",route="POST /login"} 1
	// seawall_decisions_total{component="shed",dry_run="false",name="api",outcome="rejected",priority="normal",reason="overloaded",route="other"} 2
}

// Whatever has a Snapshot can be shown, without an Observer and at no cost
// between scrapes.
func ExampleNewCollector() {
	shedder := seawall.Must(shed.New(shed.Config{Name: "api", MaxLimit: 300, DryRun: true}))
	defer shedder.Close(context.Background())
	registry := prometheus.NewRegistry()
	registry.MustRegister(seawall.Must(promobserver.NewCollector(shedder)))
	show(registry, "seawall_shed_in_flight", "seawall_shed_dry_run")
	// Output:
	// seawall_shed_dry_run{name="api"} 1
	// seawall_shed_in_flight{name="api"} 0
}

// Components that come and go.
func ExampleCollector_Add() {
	collector := seawall.Must(promobserver.NewCollector())
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector)

	shedder := seawall.Must(shed.New(shed.Config{Name: "partner"}))
	if err := collector.Add(shedder); err != nil {
		fmt.Println(err)
	}
	show(registry, "seawall_shed_in_flight")
	collector.Remove(shedder)
	shedder.Close(context.Background())
	show(registry, "seawall_shed_in_flight")
	// Output: seawall_shed_in_flight{name="partner"} 0
}
