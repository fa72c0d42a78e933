package seawall_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
)

// plainObserver wants decisions only.
type plainObserver struct{ log *[]string }

func (o plainObserver) Observe(_ context.Context, e seawall.Event) {
	*o.log = append(*o.log, "event "+e.Name)
}

// fullObserver wants everything.
type fullObserver struct{ plainObserver }

func (o fullObserver) ObserveState(_ context.Context, c seawall.StateChange) {
	*o.log = append(*o.log, "state "+c.To)
}

func (o fullObserver) ObserveLimit(_ context.Context, c seawall.LimitChange) {
	*o.log = append(*o.log, "limit "+c.Name)
}

func TestObserversPassEachKindToThoseThatWantIt(t *testing.T) {
	var a, b, c []string
	joined := seawall.Observers(plainObserver{&a}, nil, fullObserver{plainObserver{&b}},
		seawall.ObserverFunc(func(_ context.Context, e seawall.Event) { c = append(c, "func "+e.Name) }))
	ctx := context.Background()
	joined.Observe(ctx, seawall.Event{Name: "x"})
	joined.(seawall.StateObserver).ObserveState(ctx, seawall.StateChange{To: "open"})
	joined.(seawall.LimitObserver).ObserveLimit(ctx, seawall.LimitChange{Name: "y"})
	for name, got := range map[string][2][]string{
		"plain": {a, {"event x"}},
		"full":  {b, {"event x", "state open", "limit y"}},
		"func":  {c, {"func x"}},
	} {
		if !slices.Equal(got[0], got[1]) {
			t.Errorf("%s saw %q, want %q", name, got[0], got[1])
		}
	}
	// Joined ones can be joined again.
	a, b, c = nil, nil, nil
	again := seawall.Observers(joined, plainObserver{&a})
	again.Observe(ctx, seawall.Event{Name: "z"})
	again.(seawall.StateObserver).ObserveState(ctx, seawall.StateChange{To: "closed"})
	if want := []string{"event z", "event z"}; !slices.Equal(a, want) || !slices.Equal(b, []string{"event z", "state closed"}) {
		t.Errorf("nested: %q and %q", a, b)
	}
}

func TestObserversOfNoneAndOne(t *testing.T) {
	var none seawall.ObserverFunc
	for name, o := range map[string]seawall.Observer{
		"none":     seawall.Observers(),
		"nil":      seawall.Observers(nil, nil),
		"nil func": seawall.Observers(none, nil, seawall.ObserverFunc(nil)),
	} {
		if o != nil {
			t.Errorf("%s: %T, want nil", name, o)
		}
	}
	var log []string
	one := fullObserver{plainObserver{&log}}
	if got := seawall.Observers(nil, one, none); got != seawall.Observer(one) {
		t.Errorf("one was wrapped in %T", got)
	}
	// A plain one alone keeps saying that it wants nothing more.
	if _, ok := seawall.Observers(plainObserver{&log}).(seawall.StateObserver); ok {
		t.Error("a plain observer claims to want states")
	}
}

func TestOutcomeNames(t *testing.T) {
	for o, want := range map[seawall.Outcome]string{seawall.Admitted: "admitted", seawall.Rejected: "rejected", seawall.Degraded: "degraded", 3: "unknown", 255: "unknown"} {
		if o.String() != want {
			t.Errorf("%d: %q, want %q", uint8(o), o, want)
		}
	}
}

// Snapshots and controls are what debug pages and operators' tools read: their
// JSON is an interface.
func TestControlJSON(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct {
		value any
		want  string
	}{
		{
			seawall.Snapshot{Component: "shed", Name: "api", At: at, State: "open", Metrics: []seawall.Metric{
				{Name: "in_flight", Kind: seawall.Gauge, Value: 3},
				{Name: "admitted_total", Kind: seawall.Counter, Labels: []seawall.Label{{Name: "priority", Value: "normal"}}, Value: 7},
			}},
			`{"component":"shed","name":"api","at":"2026-01-02T03:04:05Z","state":"open","metrics":[` +
				`{"name":"in_flight","kind":"gauge","value":3},` +
				`{"name":"admitted_total","kind":"counter","labels":[{"name":"priority","value":"normal"}],"value":7}]}`,
		},
		{
			seawall.Control{Name: "limit", Help: "Requests in flight.", Value: "100"},
			`{"name":"limit","help":"Requests in flight.","value":"100","overridden":false}`,
		},
		{
			seawall.Control{Name: "mode", Value: "dry_run", Options: []string{"enforce", "dry_run"}, Overridden: true, Until: at},
			`{"name":"mode","help":"","value":"dry_run","options":["enforce","dry_run"],"overridden":true,"until":"2026-01-02T03:04:05Z"}`,
		},
	} {
		text, err := json.Marshal(c.value)
		if err != nil || string(text) != c.want {
			t.Errorf("%T:\n%s, %v\nwant\n%s", c.value, text, err, c.want)
		}
	}
	var o seawall.Override
	dec := json.NewDecoder(strings.NewReader(`{"control":"limit","value":"50","for_ns":60000000000,"by":"ops","why":"test"}`))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&o); err != nil || o != (seawall.Override{Control: "limit", Value: "50", For: time.Minute, By: "ops", Why: "test"}) {
		t.Errorf("override %+v, %v", o, err)
	}
}
