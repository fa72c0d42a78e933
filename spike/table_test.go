package spike

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/seawall-go/seawall"
)

func TestTable(t *testing.T) {
	nothing := func(scenario, contender string) Figures {
		f := Figures{Scenario: scenario, Contender: contender}
		for _, r := range rows {
			*r.of(&f) = None
		}
		return f
	}
	bare, better := nothing("10x", "bare"), nothing("10x", "seawall")
	bare.Goodput, better.Goodput = 0.069, 1
	bare.Critical, better.Critical = 0, 0.9996
	bare.P50, better.P50 = 5.412, 1.5
	bare.Recover, better.Recover = Never, 0.1
	bare.Attempts, better.Attempts = 18_000, 17_999
	bare.LagP99 = 0.00123
	bare.CPU = 0.25
	calm := nothing("calm", "bare")
	calm.Goodput = 0.994
	want := strings.TrimPrefix(`
10x                  bare  seawall
----------------------------------
goodput             6.9 %    100 %
  critical            0 %   99.9 %
p50 over unloaded  5.41 x   1.50 x
recovered after     never   0.10 s
attempts            18000    17999
send lag p99       1.2 ms        -
generator CPU        0.25        -

calm       bare
---------------
goodput  99.4 %
`, "\n")
	if got := Table([]Figures{bare, calm, better}); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := Table(nil); got != "" {
		t.Errorf("of nothing: %q", got)
	}
}

func TestPercent(t *testing.T) {
	for x, want := range map[float64]string{
		0: "0 %", 1: "100 %", 0.0004: "0.0 %", 0.05: "5.0 %", 0.0999: "10.0 %", 0.1: "10 %", 0.5: "50 %", 0.985: "98 %",
		0.99: "99 %", 0.9901: "99.0 %", 0.9949: "99.5 %", 0.9996: "99.9 %", 0.99999: "99.9 %", 1.03: "103 %",
	} {
		if got := percent(x); got != want {
			t.Errorf("%v is written %s, want %s", x, got, want)
		}
	}
}

// TestRowsAreAllFigures: a figure that is in no row would be in no table and no
// median.
func TestRowsAreAllFigures(t *testing.T) {
	typ := reflect.TypeFor[Figures]()
	var f Figures
	v := reflect.ValueOf(&f).Elem()
	seen := map[*Number]bool{}
	labels := map[string]bool{}
	for _, r := range rows {
		seen[r.of(&f)] = true
	}
	for i := range typ.NumField() {
		if p, ok := reflect.TypeAssert[*Number](v.Field(i).Addr()); ok && !seen[p] {
			t.Errorf("%s is in no row", typ.Field(i).Name)
		}
	}
	if len(seen) != len(rows) {
		t.Error("two rows show one figure")
	}
	for _, r := range rows {
		if labels[r.label] && !strings.HasPrefix(r.label, " ") {
			t.Errorf("two rows are called %q", r.label)
		}
		labels[r.label] = true
	}
}

func TestMedian(t *testing.T) {
	runs := []Figures{
		{Scenario: "s", Contender: "c", Goodput: 0.9, P50: None, Recover: Never, Settle: 1, P99: None},
		{Scenario: "s", Contender: "c", Goodput: 0.1, P50: 3, Recover: Never, Settle: 2, P99: None},
		{Scenario: "s", Contender: "c", Goodput: 0.8, P50: 5, Recover: 1, Settle: Never, P99: None},
	}
	m := Median(runs)
	is(t, "goodput", m.Goodput, 0.8)
	is(t, "p50", m.P50, 4)
	is(t, "recover", m.Recover, never)
	is(t, "settle", m.Settle, 2)
	is(t, "p99", m.P99, nan)
	if m.Scenario != "s" || m.Contender != "c" {
		t.Errorf("got %+v", m)
	}
	if runs[0].Goodput != 0.9 {
		t.Error("the runs were changed")
	}
	if m := Median(nil); m != (Figures{}) {
		t.Errorf("of nothing: %+v", m)
	}
	is(t, "one", Median(runs[:1]).Goodput, 0.9)
}

func TestFiguresJSON(t *testing.T) {
	f := Figures{Scenario: "10x", Goodput: 0.5, P50: None, Recover: Never, Attempts: 12_345_678}
	data, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"scenario":"10x"`, `"goodput":0.5`, `"p50_ratio":null`, `"recover_seconds":"never"`, `"critical_first_second":0`,
		`"attempts":1.2345678e+07`,
	} {
		if !strings.Contains(string(data), want) {
			t.Errorf("no %s in %s", want, data)
		}
	}
	var back Figures
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if !math.IsNaN(float64(back.P50)) || back.Recover != Never || back.Goodput != 0.5 || back.Attempts != f.Attempts {
		t.Errorf("got %+v", back)
	}
	if err := json.Unmarshal([]byte(`"soon"`), new(Number)); err == nil {
		t.Error("soon is a number")
	}
}

func TestTimeline(t *testing.T) {
	var h hand
	h.rec.Load.Duration = 250 * ms
	h.add(4, 0, 100*ms, Sample{Priority: seawall.Critical, Latency: 150 * ms})
	h.add(1, 50*ms, 60*ms, Sample{Priority: seawall.Normal, Latency: 10 * ms})
	h.add(2, 0, 100*ms, Sample{Outcome: Rejected})
	h.add(3, 100*ms, 200*ms, Sample{Outcome: TimedOut})
	h.add(1, 100*ms, 200*ms, Sample{Outcome: Failed})
	h.add(1, 100*ms, 200*ms, Sample{Outcome: Dropped})
	h.add(1, 200*ms, 300*ms, Sample{Priority: seawall.Sheddable, Latency: sec})
	h.add(1, 210*ms, 300*ms, Sample{Priority: seawall.Background, Latency: 2 * sec})
	h.add(1, 900*ms, sec, Sample{}) // beyond the end
	got := Timeline(&h.rec, 0)
	want := []Bucket{
		{At: 0, Offered: 7, OfferedBy: [...]int{4, 3, 0, 0}, Critical: 4, Normal: 1, Rejected: 2, Completed: 1, P50: 150 * ms, P99: 150 * ms},
		{At: 100 * ms, Offered: 5, OfferedBy: [...]int{0, 5, 0, 0}, TimedOut: 3, Failed: 1, Dropped: 1, Completed: 2},
		{At: 200 * ms, Offered: 2, OfferedBy: [...]int{0, 0, 1, 1}, Sheddable: 1, Background: 1, Completed: 2, P50: sec, P99: 2 * sec},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	of := func(b Bucket, p seawall.Priority) [2]int {
		offered, success := b.Of(p)
		return [2]int{offered, success}
	}
	for i, p := range seawall.Priorities() {
		if first, last := of(got[0], p), of(got[2], p); first != [...][2]int{{4, 4}, {3, 1}, {}, {}}[i] || last != [...][2]int{{}, {}, {1, 1}, {1, 1}}[i] {
			t.Errorf("%v: %v at first, %v at last", p, first, last)
		}
	}
	if of(got[0], 99) != [2]int{} || (Progress{}).Of(99) != (PriorityCount{}) {
		t.Error("there are requests of no priority")
	}
	if got[0].Success() != 5 || got[2].Success() != 2 {
		t.Errorf("successes %d and %d", got[0].Success(), got[2].Success())
	}
	if fine := Timeline(&h.rec, 1); len(fine) != 250 {
		t.Errorf("%d buckets of a millisecond", len(fine))
	}
	if none := Timeline(&Record{}, 0); len(none) != 0 {
		t.Errorf("of nothing: %+v", none)
	}
}
