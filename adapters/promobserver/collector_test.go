package promobserver_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/adapters/promobserver"
)

// component answers with what a test gives it.
type component struct{ get func() seawall.Snapshot }

func (c *component) Snapshot() seawall.Snapshot { return c.get() }

func fixed(s seawall.Snapshot) *component {
	return &component{func() seawall.Snapshot { return s }}
}

func gauge(name string, v float64, labels ...string) seawall.Metric {
	m := seawall.Metric{Name: name, Kind: seawall.Gauge, Value: v}
	for i := 0; i < len(labels); i += 2 {
		m.Labels = append(m.Labels, seawall.Label{Name: labels[i], Value: labels[i+1]})
	}
	return m
}

func count(name string, v float64, labels ...string) seawall.Metric {
	m := gauge(name, v, labels...)
	m.Kind = seawall.Counter
	return m
}

const skipped = "seawall_scrape_skipped_total"

func TestCollectorShowsSnapshots(t *testing.T) {
	c := newCollector(t,
		fixed(seawall.Snapshot{Component: "shed", Name: "api", Metrics: []seawall.Metric{
			gauge("limit", 24), count("requests_total", 5, "outcome", "admitted"), count("requests_total", 7, "outcome", "rejected"), count("work", 2),
		}}),
		fixed(seawall.Snapshot{Component: "shed", Name: "admin", DryRun: true, Metrics: []seawall.Metric{gauge("limit", math.Inf(1))}}),
		fixed(seawall.Snapshot{Component: "breaker", Name: "api", Metrics: []seawall.Metric{gauge("limit", -3)}}),
		fixed(seawall.Snapshot{Metrics: []seawall.Metric{gauge("bare", 1)}}),
	)
	err := testutil.CollectAndCompare(c, strings.NewReader(`
# HELP seawall_bare From the component's Snapshot: bare.
# TYPE seawall_bare gauge
seawall_bare{name=""} 1
# HELP seawall_breaker_dry_run From the component's Snapshot: breaker dry run.
# TYPE seawall_breaker_dry_run gauge
seawall_breaker_dry_run{name="api"} 0
# HELP seawall_breaker_limit From the component's Snapshot: breaker limit.
# TYPE seawall_breaker_limit gauge
seawall_breaker_limit{name="api"} -3
# HELP seawall_dry_run From the component's Snapshot: dry run.
# TYPE seawall_dry_run gauge
seawall_dry_run{name=""} 0
# HELP seawall_scrape_skipped_total What scrapes had to leave out.
# TYPE seawall_scrape_skipped_total counter
seawall_scrape_skipped_total{cause="duplicate"} 0
seawall_scrape_skipped_total{cause="invalid"} 0
seawall_scrape_skipped_total{cause="limit"} 0
seawall_scrape_skipped_total{cause="panic"} 0
# HELP seawall_shed_dry_run From the component's Snapshot: shed dry run.
# TYPE seawall_shed_dry_run gauge
seawall_shed_dry_run{name="admin"} 1
seawall_shed_dry_run{name="api"} 0
# HELP seawall_shed_limit From the component's Snapshot: shed limit.
# TYPE seawall_shed_limit gauge
seawall_shed_limit{name="admin"} +Inf
seawall_shed_limit{name="api"} 24
# HELP seawall_shed_requests_total From the component's Snapshot: shed requests.
# TYPE seawall_shed_requests_total counter
seawall_shed_requests_total{name="api",outcome="admitted"} 5
seawall_shed_requests_total{name="api",outcome="rejected"} 7
# HELP seawall_shed_work_total From the component's Snapshot: shed work.
# TYPE seawall_shed_work_total counter
seawall_shed_work_total{name="api"} 2
`))
	if err != nil {
		t.Error(err)
	}
}

// Metrics of one name get the labels of all.
func TestCollectorUnitesLabels(t *testing.T) {
	c := newCollector(t,
		fixed(seawall.Snapshot{Component: "c", Name: "a", Metrics: []seawall.Metric{gauge("x", 1), gauge("x", 2, "tier", "local")}}),
		fixed(seawall.Snapshot{Component: "c", Name: "b", Metrics: []seawall.Metric{gauge("x", 3, "state", "open", "tier", "shared"), gauge("x", 4, "state", "open")}}),
	)
	f := scrape(t, registry(t, c))
	for _, m := range f["seawall_c_x"].GetMetric() {
		if len(m.GetLabel()) != 3 {
			t.Errorf("labels %v", m.GetLabel())
		}
	}
	f.want(t, 1, "seawall_c_x", "name", "a", "state", "", "tier", "")
	f.want(t, 2, "seawall_c_x", "name", "a", "tier", "local")
	f.want(t, 3, "seawall_c_x", "name", "b", "state", "open", "tier", "shared")
	f.want(t, 4, "seawall_c_x", "name", "b", "state", "open", "tier", "")
}

// Nothing a component does wrong may fail the scrape: the sound one stays.
func TestCollectorSurvives(t *testing.T) {
	many := make([]seawall.Metric, 1500)
	for i := range many {
		many[i] = gauge("n", float64(i), "i", fmt.Sprint(i))
	}
	wide := make([]string, 0, 80)
	for i := range 40 {
		wide = append(wide, fmt.Sprint("l", i), "v")
	}
	for name, test := range map[string]struct {
		bad   func() seawall.Snapshot
		cause string
		times float64
	}{
		"panic":          {func() seawall.Snapshot { panic("boom") }, "panic", 1},
		"panic of nil":   {func() seawall.Snapshot { panic(error(nil)) }, "panic", 1},
		"panic of error": {func() seawall.Snapshot { panic(errors.New("boom")) }, "panic", 1},
		"same instance":  {sound, "duplicate", 2},
		"same series": {func() seawall.Snapshot {
			return seawall.Snapshot{Component: "b", Metrics: []seawall.Metric{gauge("x", 1), gauge("x", 2), gauge("x", 3, "empty", "")}}
		}, "duplicate", 2},
		"counter below zero": {metrics(count("x_total", -1)), "invalid", 1},
		"endless counter":    {metrics(count("x_total", math.Inf(1))), "invalid", 1},
		"no number":          {metrics(gauge("x", math.NaN()), count("y_total", math.NaN())), "invalid", 0},
		"two kinds":          {metrics(gauge("x_total", 1), count("x_total", 1)), "invalid", 1},
		"no name":            {metrics(gauge("", 1)), "invalid", 1},
		"label twice":        {metrics(gauge("x", 1, "a", "1", "a", "2")), "invalid", 1},
		"label without name": {metrics(gauge("x", 1, "", "1"), gauge("x", 1)), "invalid", 1},
		"odd texts":          {metrics(gauge("1 x-\xff", 1, "\xff-l", "\xff", "__r", "", "1", "")), "invalid", 0},
		"label of ours":      {metrics(gauge("x", 1, "name", "theirs")), "invalid", 0},
		"many":               {metrics(many...), "limit", 1},
		"wide":               {metrics(gauge("x", 1, wide...)), "invalid", 1},
		"name of ours": {func() seawall.Snapshot {
			return seawall.Snapshot{Component: "wait", Metrics: []seawall.Metric{gauge("seconds", 1), gauge("seconds_count", 1)}}
		}, "invalid", 2},
		"skipping": {func() seawall.Snapshot {
			return seawall.Snapshot{Component: "scrape", Metrics: []seawall.Metric{count("skipped", 1)}}
		}, "invalid", 1},
	} {
		t.Run(name, func(t *testing.T) {
			observer := newObserver(t, promobserver.Config{})
			observer.Observe(t.Context(), seawall.Event{Wait: 1})
			reg := registry(t, newCollector(t, fixed(sound()), &component{test.bad}), observer)
			for i := range 2 {
				f := scrape(t, reg)
				f.want(t, 24, "seawall_shed_limit", "name", "api")
				f.want(t, test.times*float64(i+1), skipped, "cause", test.cause)
				f.want(t, test.times*float64(i+1), skipped)
				if name == "no number" && (f["seawall_bad_x"] != nil || f["seawall_bad_y_total"] != nil) {
					t.Error("what is not known is shown")
				}
			}
		})
	}
}

func sound() seawall.Snapshot {
	return seawall.Snapshot{Component: "shed", Name: "api", Metrics: []seawall.Metric{gauge("limit", 24)}}
}

func metrics(all ...seawall.Metric) func() seawall.Snapshot {
	return func() seawall.Snapshot { return seawall.Snapshot{Component: "bad", Name: "b", Metrics: all} }
}

func TestCollectorExportsOddNames(t *testing.T) {
	f := scrape(t, registry(t, newCollector(t, fixed(seawall.Snapshot{Component: "9-c", Name: "\xffn", Metrics: []seawall.Metric{
		gauge("1 x-\xff", 1, "name", "theirs", "__r", "2", "l.m", "3\xff"),
	}}))))
	f.want(t, 1, "seawall__9_c__1_x__", "name", "n", "exported_name", "theirs", "exported_r", "2", "l_m", "3")
}

func TestCollectorAddAndRemove(t *testing.T) {
	a, b := fixed(seawall.Snapshot{Component: "c", Name: "a"}), fixed(seawall.Snapshot{Component: "c", Name: "b"})
	c := newCollector(t, a)
	reg := registry(t, c)
	names := func(want ...string) {
		t.Helper()
		f := scrape(t, reg)
		f.want(t, 0, skipped)
		if n := len(f["seawall_c_dry_run"].GetMetric()); n != len(want) {
			t.Errorf("%d instances, want %q", n, want)
		}
		for _, name := range want {
			f.want(t, 0, "seawall_c_dry_run", "name", name)
		}
	}
	names("a")
	if err := c.Add(b, a, b); err != nil { // those it has are not shown twice
		t.Error(err)
	}
	names("a", "b")
	c.Remove(a, nil, uncomparable{})
	names("b")
	c.Remove(a, b)
	names()

	full := make([]seawall.Snapshotter, 1000)
	for i := range full {
		full[i] = fixed(seawall.Snapshot{})
	}
	for want, add := range map[string][]seawall.Snapshotter{
		"Snapshotter 1 must not be nil": {a, nil},
		"Snapshotter 0 must not be nil": {(*component)(nil)},
		"Snapshotter 0 must be comparable, such as a pointer (got promobserver_test.uncomparable)": {uncomparable{}},
		"Snapshotters must be at most 1000 (got 1001)":                                             append([]seawall.Snapshotter{a}, full...),
	} {
		if err := c.Add(add...); err == nil || err.Error() != "seawall/promobserver: "+want {
			t.Errorf("%v, want %s", err, want)
		}
		if c, err := promobserver.NewCollector(add...); c != nil || err == nil {
			t.Errorf("%v, %v", c, err)
		}
	}
	names() // an error adds nothing
}

type uncomparable struct{ _ []int }

func (uncomparable) Snapshot() seawall.Snapshot { return seawall.Snapshot{} }

func TestCollectorAtOnce(t *testing.T) {
	c := newCollector(t)
	reg := registry(t, c)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 100 {
				s := fixed(seawall.Snapshot{Component: "c", Name: fmt.Sprint(w, i)})
				if err := c.Add(s); err != nil {
					t.Error(err)
				}
				if _, err := reg.Gather(); err != nil {
					t.Error(err)
				}
				c.Remove(s)
			}
		})
	}
	wg.Wait()
	if n := testutil.CollectAndCount(c); n != 4 {
		t.Errorf("%d series are left, want those of %s", n, skipped)
	}
}

// Whatever a component says, a scrape is valid.
func FuzzCollector(f *testing.F) {
	f.Add("shed", "api", "limit", "tier", "local", "state", "", 3.0, true)
	f.Add("", "", "", "", "", "", "", math.NaN(), false)
	f.Add("wait", "\xff", "seconds_count", "name", "__", "le", "quantile", math.Inf(1), true)
	f.Add("9", "a\nb\"", "x_total", "__name__", "a", "__name__", "b", -1.0, false)
	f.Fuzz(func(t *testing.T, comp, name, metric, l1, v1, l2, v2 string, value float64, counter bool) {
		m, n := gauge(metric, value, l1, v1, l2, v2), gauge(metric, 1, l2, v1)
		if counter {
			m.Kind = seawall.Counter
		}
		s := seawall.Snapshot{Component: comp, Name: name, Metrics: []seawall.Metric{m, n, m}}
		reg := prometheus.NewPedanticRegistry()
		reg.MustRegister(newCollector(t, fixed(s), fixed(s), fixed(sound())), newObserver(t, promobserver.Config{}))
		scrape(t, reg)
	})
}
