package promobserver_test

import (
	"math"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/adapters/promobserver"
)

func newObserver(t testing.TB, cfg promobserver.Config) *promobserver.Observer {
	t.Helper()
	o, err := promobserver.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func newCollector(t testing.TB, all ...seawall.Snapshotter) *promobserver.Collector {
	t.Helper()
	c, err := promobserver.NewCollector(all...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// registry is pedantic: it finds fault with what others let pass.
func registry(t testing.TB, all ...prometheus.Collector) *prometheus.Registry {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	for _, c := range all {
		if err := reg.Register(c); err != nil {
			t.Fatal(err)
		}
	}
	return reg
}

// families is what a scrape over HTTP says, parsed again.
type families map[string]*dto.MetricFamily

func scrape(t testing.TB, g prometheus.Gatherer) families {
	t.Helper()
	w := httptest.NewRecorder()
	promhttp.HandlerFor(g, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("the scrape answers %d: %s", w.Code, w.Body)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation) // old servers know no other names
	all, err := parser.TextToMetricFamilies(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// sum adds all series of a name that have these labels, given as name, value,
// name, value. It is NaN if there is none.
func (f families) sum(name string, labels ...string) float64 {
	total := math.NaN()
	for _, m := range f[name].GetMetric() {
		if !has(m, labels) {
			continue
		}
		v := m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		if math.IsNaN(total) {
			total = 0
		}
		total += v
	}
	return total
}

func has(m *dto.Metric, labels []string) bool {
	for i := 0; i < len(labels); i += 2 {
		value, found := "", false
		for _, l := range m.GetLabel() {
			if l.GetName() == labels[i] {
				value, found = l.GetValue(), true
			}
		}
		if value != labels[i+1] || !found && value != "" {
			return false
		}
	}
	return true
}

func (f families) want(t testing.TB, want float64, name string, labels ...string) {
	t.Helper()
	if got := f.sum(name, labels...); got != want && !(math.IsNaN(got) && math.IsNaN(want)) {
		t.Errorf("%s%q is %v, want %v", name, labels, got, want)
	}
}
