// Package promobserver shows what seawall does in Prometheus.
//
//	observer := seawall.Must(promobserver.New(promobserver.Config{}))
//	shedder := seawall.Must(shed.New(shed.Config{Observer: observer}))
//	state := seawall.Must(promobserver.NewCollector(shedder))
//	prometheus.MustRegister(observer, state)
//	http.Handle("GET /metrics", promhttp.Handler())
//
// The two tell different things, and each is of use alone. An [Observer] counts
// decisions as they are made:
//
//	seawall_decisions_total      component, name, outcome, reason, priority, dry_run, and route if configured
//	seawall_wait_seconds         component, name, outcome, priority; only of those who had to wait
//	seawall_state_changes_total  component, name, to
//	seawall_limit_changes_total  component, name, direction
//	seawall_label_overflow_total label; events counted under "other" to keep the number of series bounded
//
// A [Collector] asks components for their state when it is scraped, and costs
// nothing between scrapes. The metric limit of an instance "api" of component
// shed becomes seawall_shed_limit{name="api"}:
//
//	seawall_<component>_<metric>  name, and the metric's own labels
//	seawall_<component>_dry_run   name; 1 while decisions are made but not enforced
//	seawall_scrape_skipped_total  cause; what a scrape had to leave out: panic, duplicate, invalid or limit
//
// Every label has a bounded number of values, whatever the events say.
package promobserver
