package spike

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
)

func minimal() Load { return Load{Profile: Steady(100), Duration: time.Second} }

func TestLoadDefaults(t *testing.T) {
	l, err := minimal().resolve()
	if err != nil {
		t.Fatal(err)
	}
	mix := Mix{Critical: 0.1, Normal: 0.5, Sheddable: 0.4}
	want := Load{
		Profile: Steady(100), Duration: time.Second, Mix: mix, Users: 20_000, ZipfS: 1.1,
		Journeys: Journeys{Share: 0.1, Length: 4, Think: 50 * time.Millisecond, Mix: mix},
		Timeout:  time.Second, MaxInFlight: 20_000, MaxRequests: 1_000_000,
	}
	if !reflect.DeepEqual(l, want) {
		t.Errorf("got  %+v\nwant %+v", l, want)
	}
	// Resolving twice changes nothing: a record's load can be run again.
	if again, err := l.resolve(); err != nil || !reflect.DeepEqual(again, l) {
		t.Errorf("resolved twice: %+v, %v", again, err)
	}
}

func TestLoadOff(t *testing.T) {
	l := minimal()
	l.Journeys = Journeys{Share: seawall.Off, Think: seawall.Off}
	l.Retries.Max = seawall.Off
	l, err := l.resolve()
	if err != nil {
		t.Fatal(err)
	}
	if l.Journeys.Share != 0 || l.Journeys.Think != 0 || l.Retries.Max != 0 {
		t.Errorf("Off is not off: %+v %+v", l.Journeys, l.Retries)
	}
}

func TestLoadValidate(t *testing.T) {
	for _, tt := range []struct {
		change func(*Load)
		want   string
	}{
		{func(l *Load) { l.Profile = Profile{} }, "Profile.Points must be between 1 and 100000 points (got 0)"},
		{func(l *Load) { l.Profile = Steady(math.NaN()) }, "Profile.Points[0].Rate must be between 0 and 1e+06 (got NaN)"},
		{func(l *Load) { l.Profile = Steady(math.Inf(1)) }, "Profile.Points[0].Rate"},
		{func(l *Load) { l.Profile = Steady(-1) }, "(got -1)"},
		{func(l *Load) { l.Duration = 0 }, "Duration must be positive"},
		{func(l *Load) { l.Duration = -time.Second }, "Duration must be positive and at most 24h0m0s (got -1s)"},
		{func(l *Load) { l.Duration = 25 * time.Hour }, "(got 25h0m0s)"},
		{func(l *Load) { l.Mix.Critical = -1 }, "Mix.Critical must be between 0 and 1e9 (got -1)"},
		{func(l *Load) { l.Mix.Background = math.NaN() }, "Mix.Background"},
		{func(l *Load) { l.Users = -5 }, "Users must be between 1 and 10000000 (got -5)"},
		{func(l *Load) { l.ZipfS = 1 }, "ZipfS must be above 1 and at most 100 (got 1)"},
		{func(l *Load) { l.ZipfS = math.Inf(1) }, "ZipfS"},
		{func(l *Load) { l.Journeys.Share = 1.5 }, "Journeys.Share must be between 0 and 1 (got 1.5)"},
		{func(l *Load) { l.Journeys.Share = math.NaN() }, "Journeys.Share"},
		{func(l *Load) { l.Journeys.Length = 1 }, "Journeys.Length must be between 2 and 100 (got 1)"},
		{func(l *Load) { l.Journeys.Think = -time.Second }, "Journeys.Think must be between 0 and 1h (got -1s)"},
		{func(l *Load) { l.Journeys.Mix.Normal = -2 }, "Journeys.Mix.Normal must be between 0 and 1e9 (got -2)"},
		{func(l *Load) { l.Timeout = -time.Second }, "Timeout must be positive and at most 24h0m0s (got -1s)"},
		{func(l *Load) { l.Retries.Max = 101 }, "Retries.Max must be between 0 and 100 (got 101)"},
		{func(l *Load) { l.Retries.Delay = -1 }, "Retries.Delay must be between 0 and 24h0m0s (got -1ns)"},
		{func(l *Load) { l.MaxInFlight = -1 }, "MaxInFlight must be between 1 and 1000000 (got -1)"},
		{func(l *Load) { l.MaxRequests = -1 }, "MaxRequests must be between 1 and 20000000 (got -1)"},
	} {
		l := minimal()
		tt.change(&l)
		err := l.Validate()
		if err == nil || !strings.HasPrefix(err.Error(), "seawall/spike: ") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want ...%s...", err, tt.want)
		}
		if _, runErr := l.Run(t.Context(), instant, nil); runErr == nil {
			t.Errorf("Run accepts what Validate refuses: %v", err)
		}
	}
	if err := minimal().Validate(); err != nil {
		t.Error(err)
	}
	if _, err := minimal().Run(t.Context(), nil, nil); err == nil {
		t.Error("Run accepts a nil target")
	}
}

func TestLoadJSON(t *testing.T) {
	want := Load{
		Profile:  Profile{Points: []Point{{0, 1.5}, {time.Second, 1e5}}, Swing: 0.25, Period: time.Minute},
		Duration: 3 * time.Second, Seed: math.MaxUint64, Mix: Mix{1, 2, 3, 4}, Users: 7, ZipfS: 1.3,
		Journeys: Journeys{Share: 0.2, Length: 5, Think: time.Millisecond, Mix: Mix{Normal: 1}},
		Timeout:  2 * time.Second, Retries: Retries{Max: 3, Delay: time.Millisecond},
		MaxInFlight: 10, MaxRequests: 20,
	}
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got Load
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for _, name := range []string{`"duration_ns"`, `"zipf_s"`, `"max_in_flight"`, `"at_ns"`} {
		if !strings.Contains(string(data), name) {
			t.Errorf("no %s in %s", name, data)
		}
	}
}

// TestLoadFieldsSurviveJSON finds a field that someone adds without a tag.
func TestLoadFieldsSurviveJSON(t *testing.T) {
	for _, typ := range []reflect.Type{
		reflect.TypeFor[Load](), reflect.TypeFor[Profile](), reflect.TypeFor[Point](), reflect.TypeFor[Journeys](),
		reflect.TypeFor[Retries](), reflect.TypeFor[Mix](), reflect.TypeFor[Abusers](), reflect.TypeFor[BackendConfig](), reflect.TypeFor[Mode](),
		reflect.TypeFor[Fault](), reflect.TypeFor[Scenario](), reflect.TypeFor[Figures](), reflect.TypeFor[Bucket](),
		reflect.TypeFor[Progress](), reflect.TypeFor[PriorityCount](), reflect.TypeFor[BackendStats](),
	} {
		for f := range typ.Fields() {
			if !f.IsExported() {
				continue
			}
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "" || name != strings.ToLower(name) {
				t.Errorf("%v.%s has the JSON name %q", typ, f.Name, name)
			}
			if f.Type == reflect.TypeFor[time.Duration]() && !strings.HasSuffix(name, "_ns") {
				t.Errorf("%v.%s has the JSON name %q, which does not tell its unit", typ, f.Name, name)
			}
		}
	}
}

func TestOutcomeText(t *testing.T) {
	for o := range Outcome(numOutcomes) {
		text, err := o.MarshalText()
		var back Outcome
		if err != nil || back.UnmarshalText(text) != nil || back != o {
			t.Errorf("%v: %q, %v, back to %v", o, text, err, back)
		}
	}
	if _, err := Outcome(99).MarshalText(); err == nil {
		t.Error("an unknown outcome has a name")
	}
	if new(Outcome).UnmarshalText([]byte("lost")) == nil {
		t.Error("an unknown name is an outcome")
	}
	if got := Outcome(99).String(); got != "outcome(99)" {
		t.Errorf("got %q", got)
	}
}
