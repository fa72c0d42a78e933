package seawall_test

import (
	"encoding/json"
	"errors"
	"expvar"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
)

// component has whatever snapshot a test gives it.
type component seawall.Snapshot

func (c component) Snapshot() seawall.Snapshot { return seawall.Snapshot(c) }

type stubborn struct{}

func (stubborn) MarshalJSON() ([]byte, error) {
	return nil, errors.New(strings.Repeat("never, ", 1000))
}

// Package expvar throws errors away and writes nothing in their place: one
// value that cannot be written would make all of /debug/vars unreadable.
func TestSnapshotAlwaysMarshals(t *testing.T) {
	type node struct{ Next *node }
	loop := &node{}
	loop.Next = loop
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, c := range map[string]struct {
		snapshot seawall.Snapshot
		want     string
	}{
		"no number": {
			seawall.Snapshot{Component: "c", At: at, Metrics: []seawall.Metric{
				{Name: "nan", Kind: seawall.Gauge, Value: math.NaN()},
				{Name: "inf", Kind: seawall.Gauge, Labels: []seawall.Label{{Name: "l", Value: "v"}}, Value: math.Inf(1)},
				{Name: "less", Kind: seawall.Counter, Value: math.Inf(-1)},
				{Name: "max", Kind: seawall.Gauge, Value: math.MaxFloat64},
				{Name: "zero", Kind: seawall.Gauge},
			}},
			`{"component":"c","name":"","at":"2026-01-02T03:04:05Z","state":"","metrics":[` +
				`{"name":"nan","kind":"gauge","value":null},` +
				`{"name":"inf","kind":"gauge","labels":[{"name":"l","value":"v"}],"value":null},` +
				`{"name":"less","kind":"counter","value":null},` +
				`{"name":"max","kind":"gauge","value":1.7976931348623157e+308},` +
				`{"name":"zero","kind":"gauge","value":0}]}`,
		},
		"detail": {
			seawall.Snapshot{At: at, Detail: struct{ N int }{3}},
			`{"component":"","name":"","at":"2026-01-02T03:04:05Z","state":"","metrics":null,"detail":{"N":3}}`,
		},
		"detail without a number": {
			seawall.Snapshot{At: at, DryRun: true, Detail: struct{ F float64 }{math.NaN()}},
			`{"component":"","name":"","at":"2026-01-02T03:04:05Z","state":"","dry_run":true,"metrics":null,"detail_error":"json: unsupported value: NaN"}`,
		},
		"detail in a circle":  {seawall.Snapshot{Detail: loop}, `"detail_error":"json: unsupported value: encountered a cycle`},
		"detail of functions": {seawall.Snapshot{Detail: func() {}}, `"detail_error":"json: unsupported type: func()"`},
		"detail that refuses": {seawall.Snapshot{Detail: stubborn{}}, `"detail_error":"json: error calling MarshalJSON for type seawall_test.stubborn: never,`},
		"no year of JSON's":   {seawall.Snapshot{At: time.Date(123456, 1, 1, 0, 0, 0, 0, time.UTC)}, `"at":"0001-01-01T00:00:00Z"`},
		"no UTF-8":            {seawall.Snapshot{State: "\xff"}, `"state":"\ufffd"`},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := json.Marshal(c.snapshot)
			if err != nil || !strings.Contains(string(text), c.want) || len(text) > 1000 {
				t.Errorf("%s, %v\nwant %s", text, err, c.want)
			}
			for what, s := range map[string]seawall.Snapshotter{"value": component(c.snapshot), "pointer": (*component)(&c.snapshot)} {
				if got := expvar.Func(seawall.Var(s)).String(); got != string(text) {
					t.Errorf("expvar, %s: %s", what, got)
				}
			}
		})
	}
	if got := expvar.Func(seawall.Var(nil)).String(); got != "null" {
		t.Errorf("nobody: %s", got)
	}
}

// What somebody else reads must not have become 0 on the way.
func TestMetricRoundTrip(t *testing.T) {
	for _, v := range []float64{0, -1.5, 1e300, math.NaN()} {
		before := seawall.Metric{Name: "limit", Kind: seawall.Gauge, Labels: []seawall.Label{{Name: "a", Value: "b"}}, Value: v}
		text, err := json.Marshal(before)
		if err != nil {
			t.Fatal(err)
		}
		var after seawall.Metric
		if err := json.Unmarshal(text, &after); err != nil {
			t.Fatal(err)
		}
		if after.Name != before.Name || after.Kind != before.Kind || len(after.Labels) != 1 || after.Labels[0] != before.Labels[0] ||
			(after.Value != v && !(math.IsNaN(v) && math.IsNaN(after.Value))) {
			t.Errorf("%+v became %+v by %s", before, after, text)
		}
	}
	var m seawall.Metric
	if err := json.Unmarshal([]byte(`{"name":"x"}`), &m); err != nil || !math.IsNaN(m.Value) {
		t.Errorf("without a value: %+v, %v", m, err)
	}
	for _, bad := range []string{`{"value":"3"}`, `[]`, `{"name":3}`} {
		if err := json.Unmarshal([]byte(bad), &m); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}

func FuzzMetricJSON(f *testing.F) {
	f.Add(`{"name":"limit","kind":"gauge","labels":[{"name":"a","value":"b"}],"value":3}`)
	f.Add(`{"name":"limit","kind":"counter","value":null}`)
	f.Add(`{"value":1e999}`)
	f.Fuzz(func(t *testing.T, text string) {
		var m seawall.Metric
		if json.Unmarshal([]byte(text), &m) != nil {
			return
		}
		first, err := json.Marshal(m)
		if err != nil {
			t.Fatalf("%q was read as %+v, which cannot be written: %v", text, m, err)
		}
		var again seawall.Metric
		if err := json.Unmarshal(first, &again); err != nil {
			t.Fatalf("%s: %v", first, err)
		}
		if second, _ := json.Marshal(again); string(second) != string(first) {
			t.Fatalf("%s became %s", first, second)
		}
	})
}
