package promobserver

import (
	"math"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/seawall-go/seawall"
)

// page is what one scrape shows. The zero page is empty.
type page struct {
	families map[string]*family
	order    []string
	skipped  map[string]int
}

// family is all series of one name.
type family struct {
	name   string
	help   string
	kind   prometheus.ValueType
	labels []string // the union of those of all series; the first is "name"
	series []series
}

type series struct {
	labels map[string]string
	value  float64
}

// taken are names that somebody else exports: one of another type would fail
// the whole scrape.
var taken = []string{nameDecisions, nameWait, nameWait + "_bucket", nameWait + "_count", nameWait + "_sum", nameStates, nameLimits, nameOverflow, nameSkipped}

func (p *page) skip(cause string) {
	if p.skipped == nil {
		p.skipped = map[string]int{}
	}
	p.skipped[cause]++
}

// add takes the numbers of one component.
func (p *page) add(s seawall.Snapshot) {
	metrics := s.Metrics
	if len(metrics) > maxMetrics {
		metrics = metrics[:maxMetrics]
		p.skip(causeLimit)
	}
	dry := seawall.Metric{Name: "dry_run", Kind: seawall.Gauge}
	if s.DryRun {
		dry.Value = 1
	}
	p.metric(s, dry)
	for _, m := range metrics {
		p.metric(s, m)
	}
}

func (p *page) metric(s seawall.Snapshot, m seawall.Metric) {
	name, kind := "seawall_"+clean(s.Component)+"_"+clean(m.Name), prometheus.GaugeValue
	if s.Component == "" {
		name = "seawall_" + clean(m.Name)
	}
	if m.Kind == seawall.Counter {
		kind = prometheus.CounterValue
		if !strings.HasSuffix(name, "_total") {
			name += "_total"
		}
	}
	if math.IsNaN(m.Value) {
		return // not known yet
	}
	labels, ok := labelsOf(s, m)
	if !ok || m.Name == "" || slices.Contains(taken, name) ||
		kind == prometheus.CounterValue && (m.Value < 0 || math.IsInf(m.Value, 0)) {
		p.skip(causeInvalid)
		return
	}
	f := p.families[name]
	if f == nil {
		f = &family{name: name, kind: kind, labels: []string{labelInstance}, help: help(name)}
		if p.families == nil {
			p.families = map[string]*family{}
		}
		p.families[name] = f
		p.order = append(p.order, name)
	}
	union := f.labels
	for _, l := range m.Labels {
		if n := labelName(l.Name); !slices.Contains(union, n) {
			union = append(union, n)
		}
	}
	if f.kind != kind || len(union) > maxLabels {
		p.skip(causeInvalid)
		return
	}
	f.labels = union
	f.series = append(f.series, series{labels, m.Value})
}

// write sends all series, each with all labels of its family. An empty label
// and a missing one are the same to Prometheus, so two series may turn out to
// be one only here: then the first counts.
func (p *page) write(ch chan<- prometheus.Metric) {
	for _, name := range p.order {
		f := p.families[name]
		slices.Sort(f.labels[1:])
		desc := prometheus.NewDesc(f.name, f.help, f.labels, nil)
		seen := map[string]bool{}
		for _, s := range f.series {
			values := make([]string, len(f.labels))
			for i, l := range f.labels {
				values[i] = s.labels[l]
			}
			key := strings.Join(values, "\xff") // which is in no UTF-8
			if seen[key] {
				p.skip(causeDuplicate)
				continue
			}
			seen[key] = true
			m, err := prometheus.NewConstMetric(desc, f.kind, s.value, values...)
			if err != nil {
				p.skip(causeInvalid)
				continue
			}
			ch <- m
		}
	}
}

// labelsOf returns the metric's labels with the instance's name, or false if
// one of them has no name or is there twice.
func labelsOf(s seawall.Snapshot, m seawall.Metric) (map[string]string, bool) {
	labels := map[string]string{labelInstance: label(s.Name)}
	for _, l := range m.Labels {
		name := labelName(l.Name)
		if _, twice := labels[name]; twice || name == "" {
			return nil, false
		}
		labels[name] = label(l.Value)
	}
	return labels, true
}

// labelName keeps away from the instance's label, as Prometheus itself does
// when a label is there already, and from the names it reserves.
func labelName(s string) string {
	name := clean(s)
	if name == labelInstance || strings.HasPrefix(name, "__") {
		return "exported_" + strings.TrimLeft(name, "_")
	}
	return name
}

// clean makes a part of a name of letters, digits and underscores, at most
// maxLabel of them, that does not begin with a digit.
func clean(s string) string {
	if len(s) > maxLabel {
		s = s[:maxLabel]
	}
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_':
			b.WriteByte(c)
		case '0' <= c && c <= '9':
			if i == 0 {
				b.WriteByte('_')
			}
			b.WriteByte(c)
		default:
			b.WriteByte('_')
		}
	}
	return b.String()
}

// help is made of the name alone: a family has one help, whoever asks.
func help(name string) string {
	words := strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(name, "seawall_"), "_total"), "_", " ")
	return "From the component's Snapshot: " + words + "."
}
