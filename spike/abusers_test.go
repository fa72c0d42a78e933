package spike

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/seawall-go/seawall"
)

// abused is a load with abusers: one user in a hundred, a fifth of the singles.
func abused() Load {
	return Load{Profile: Steady(2000), Duration: 20 * sec, Users: 5000, Abusers: Abusers{Users: 0.01, Load: 0.2}, Seed: 3}
}

func TestAbusers(t *testing.T) {
	honest := abused()
	honest.Abusers = Abusers{}
	without, with := drawAll(t, honest), drawAll(t, abused())
	if len(without) != len(with) {
		t.Fatalf("%d requests without abusers, %d with them", len(without), len(with))
	}
	counts, singles, total := map[uint64]float64{}, 0.0, 0.0
	for i, r := range with {
		if r.Journey == 0 {
			singles++
		}
		same := without[i]
		if r.Abuser {
			if r.Journey != 0 || r.User < 5000 || r.User >= 5050 {
				t.Fatalf("no abuser: %+v", r)
			}
			counts[r.User]++
			total++
			same.User, same.Abuser = r.User, true
		} else if r.User >= 5000 {
			t.Fatalf("an honest one beyond the honest: %+v", r)
		}
		if r != same { // time, priority, journey, and the user of the honest
			t.Fatalf("abusers turn %+v into %+v", without[i], r)
		}
	}
	near(t, "requests of abusers", total, 0.2*singles, 4.5)
	if len(counts) != 50 {
		t.Errorf("%d abusers, want 50", len(counts))
	}
	for user, n := range counts {
		near(t, fmt.Sprintf("requests of abuser %d", user), n, total/50, 5)
	}
}

func TestAbusersBounds(t *testing.T) {
	l := abused()
	l.Abusers = Abusers{Load: 0.5}
	if l, err := l.resolve(); err != nil || l.Abusers.Users != 0.01 {
		t.Errorf("by default %v abusers, %v", l.Abusers.Users, err)
	}
	l.Users, l.Abusers.Load = 3, 1 // a hundredth of three is still one
	for _, r := range drawAll(t, l) {
		if r.Abuser != (r.Journey == 0) || (r.Abuser && r.User != 3) {
			t.Fatalf("got %+v", r)
		}
	}
	if l, err := (Load{Profile: Steady(1), Duration: sec}).resolve(); err != nil || l.Abusers != (Abusers{}) {
		t.Errorf("by default %+v, %v", l.Abusers, err)
	}
	for want, a := range map[string]Abusers{
		"Abusers.Users must be between 0 and 1 (got -0.1)": {Users: -0.1},
		"Abusers.Users must be between 0 and 1 (got 2)":    {Users: 2, Load: 0.1},
		"Abusers.Users must be between 0 and 1 (got NaN)":  {Users: math.NaN()},
		"Abusers.Load must be between 0 and 1 (got 1.5)":   {Load: 1.5},
		"Abusers.Load must be between 0 and 1 (got -1)":    {Load: seawall.Off},
		"Abusers.Load must be between 0 and 1 (got NaN)":   {Load: math.NaN()},
	} {
		l := abused()
		l.Abusers = a
		if err := l.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want ...%s...", err, want)
		}
	}
}

// TestAbusersAreRecorded: the target sees the flag, and so do the samples.
func TestAbusersAreRecorded(t *testing.T) {
	rec := run(t, abused(), func(_ context.Context, r *Request) Outcome {
		if r.Abuser {
			return Rejected
		}
		return Success
	})
	n := 0
	for _, s := range rec.Samples {
		if s.Abuser != (s.User >= 5000) || s.Abuser != (s.Outcome == Rejected) {
			t.Fatalf("got %+v", s)
		}
		if s.Abuser {
			n++
		}
	}
	if n == 0 {
		t.Error("no abuser is in the record")
	}
}

func TestAnalyzeAbusers(t *testing.T) {
	var h hand
	h.add(10, sec, 2*sec, Sample{Abuser: true}) // before the spike
	h.add(6, 2*sec, 4*sec, Sample{})
	h.add(4, 2*sec, 4*sec, Sample{Outcome: Rejected})
	if f := Analyze(&h.rec, plain(), BackendStats{}); f.Success != 0.6 || strings.Contains(Table([]Figures{f}), "honest") {
		t.Errorf("without abusers in the spike:\n%s", Table([]Figures{f}))
	} else {
		is(t, "honest", f.Honest, nan)
		is(t, "honest critical", f.HonestCritical, nan)
		is(t, "abusers", f.Abusers, nan)
	}
	h.add(1, 2*sec, 4*sec, Sample{Priority: seawall.Critical})
	h.add(1, 2*sec, 4*sec, Sample{Priority: seawall.Critical, Outcome: TimedOut})
	h.add(2, 2*sec, 4*sec, Sample{Priority: seawall.Critical, Abuser: true})
	h.add(6, 2*sec, 4*sec, Sample{Outcome: Rejected, Abuser: true})
	f := Analyze(&h.rec, plain(), BackendStats{})
	is(t, "success", f.Success, 9./20)
	is(t, "critical", f.Critical, 3./4)
	is(t, "honest", f.Honest, 7./12)
	is(t, "honest critical", f.HonestCritical, 0.5)
	is(t, "abusers", f.Abusers, 0.25)
	other := f
	other.Honest, other.HonestCritical, other.Abusers = None, None, None
	if text := Table([]Figures{other, f}); !strings.Contains(text, "  honest critical") || !strings.Contains(text, "  abusers") {
		t.Errorf("got\n%s", text)
	}
}
