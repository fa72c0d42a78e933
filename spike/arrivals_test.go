package spike

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
)

// drawAll returns the arrivals of a load.
func drawAll(t *testing.T, l Load) []Request {
	t.Helper()
	l, err := l.resolve()
	if err != nil {
		t.Fatal(err)
	}
	due, who := newArrivals(l), newPeople(l)
	var all []Request
	for {
		at, ok := due.draw()
		if !ok {
			return all
		}
		all = append(all, who.draw(uint64(len(all)), at))
	}
}

func alone(p Profile, d time.Duration) Load {
	return Load{Profile: p, Duration: d, Journeys: Journeys{Share: seawall.Off}}
}

// near fails unless got is within k standard deviations of a Poisson count.
func near(t *testing.T, what string, got, want, k float64) {
	t.Helper()
	if math.Abs(got-want) > k*math.Sqrt(want)+1 {
		t.Errorf("%s: got %.0f, want %.0f ± %.0f", what, got, want, k*math.Sqrt(want))
	}
}

func TestArrivalsFollowTheProfile(t *testing.T) {
	for name, p := range map[string]Profile{
		"steady": Steady(500),
		"step":   Step(50, 2000, 20*sec, 10*sec),
		"flash":  Flash(50, 2000, 20*sec, sec, 10*sec, 10*sec),
		"ramp":   Ramp(0, 1000, 0, 60*sec),
		"sine":   Sine(500, 1, 20*sec),
		"idle":   {Points: []Point{{0, 0}, {30 * sec, 0}, {30 * sec, 1000}}},
		"to nil": {Points: []Point{{0, 1000}, {10 * sec, 0}}},
	} {
		all := drawAll(t, alone(p, 60*sec))
		if !slices.IsSortedFunc(all, func(a, b Request) int { return int(a.Intended - b.Intended) }) {
			t.Errorf("%s: not in order of time", name)
		}
		counts := make([]float64, 60)
		for _, r := range all {
			counts[r.Intended/sec]++
		}
		for i, got := range counts {
			want := 0.0
			for ms := range 1000 {
				want += p.Rate(time.Duration(i)*sec+time.Duration(ms)*time.Millisecond) / 1000
			}
			near(t, name, got, want, 4.5)
		}
	}
}

// TestArrivalsAfterALull: what comes rarely before a step does not delay what
// comes often after it.
func TestArrivalsAfterALull(t *testing.T) {
	for seed := range uint64(20) {
		l := alone(Step(0.01, 1000, 10*sec, 10*sec), 20*sec)
		l.Seed = seed
		n := 0
		for _, r := range drawAll(t, l) {
			if r.Intended >= 10*sec {
				n++
			}
		}
		near(t, "after the lull", float64(n), 10_000, 5)
	}
}

// TestArrivalsArePoisson: exponential gaps, and counts as scattered as their
// mean.
func TestArrivalsArePoisson(t *testing.T) {
	all := drawAll(t, alone(Steady(1000), 100*sec))
	sum, squares, before := 0.0, 0.0, time.Duration(0)
	counts := make([]float64, 1000)
	long := 0
	for _, r := range all {
		gap := (r.Intended - before).Seconds()
		sum, squares, before = sum+gap, squares+gap*gap, r.Intended
		if gap > 0.003 {
			long++
		}
		counts[r.Intended/(100*time.Millisecond)]++
	}
	n := float64(len(all))
	mean := sum / n
	if cv := math.Sqrt(squares/n-mean*mean) / mean; math.Abs(cv-1) > 0.02 {
		t.Errorf("coefficient of variation of the gaps is %.3f, want 1", cv)
	}
	near(t, "gaps above three means", float64(long), n*math.Exp(-3), 4)
	variance := 0.0
	for _, c := range counts {
		variance += (c - n/1000) * (c - n/1000) / 1000
	}
	if f := variance / (n / 1000); f < 0.85 || f > 1.15 {
		t.Errorf("variance over mean of the counts is %.3f, want 1", f)
	}
}

func TestSameSeedSameArrivals(t *testing.T) {
	l := Load{Profile: Step(100, 1000, sec, sec), Duration: 3 * sec, Seed: 7}
	first := drawAll(t, l)
	if !slices.Equal(first, drawAll(t, l)) {
		t.Error("the same seed draws other arrivals")
	}
	l.Seed = 8
	if slices.Equal(first, drawAll(t, l)) {
		t.Error("another seed draws the same arrivals")
	}
	// When requests come does not depend on who comes.
	l.Seed, l.Users, l.Mix = 7, 5, Mix{Background: 1}
	for i, r := range drawAll(t, l) {
		if r.Intended != first[i].Intended || r.ID != first[i].ID {
			t.Fatalf("request %d moved from %v to %v with the users", i, first[i].Intended, r.Intended)
		}
	}
}

func TestMixAndJourneys(t *testing.T) {
	l := Load{
		Profile: Steady(2000), Duration: 50 * sec,
		Mix:      Mix{Critical: 1, Normal: 2, Sheddable: 3, Background: 4},
		Journeys: Journeys{Share: 0.2, Length: 5, Mix: Mix{Normal: 1, Critical: 1}},
	}
	all := drawAll(t, l)
	singles, starts, inJourneys := map[seawall.Priority]float64{}, 0.0, map[seawall.Priority]float64{}
	for _, r := range all {
		if r.Journey == 0 {
			singles[r.Priority]++
			continue
		}
		if r.Step != 1 {
			t.Fatalf("an arrival in the middle of a journey: %+v", r)
		}
		starts++
		inJourneys[r.Priority]++
	}
	// A fifth of 100,000 requests in journeys of five: 4,000 starts.
	near(t, "journeys", starts, 4000, 4.5)
	for i, p := range seawall.Priorities() {
		near(t, "single "+p.String(), singles[p], 80_000*float64(i+1)/10, 4.5)
	}
	near(t, "critical journeys", inJourneys[seawall.Critical], 2000, 4.5)
	near(t, "normal journeys", inJourneys[seawall.Normal], 2000, 4.5)
	if inJourneys[seawall.Sheddable]+inJourneys[seawall.Background] > 0 {
		t.Errorf("journeys of a priority that is not in their mix: %v", inJourneys)
	}
}

func TestNobodyOfAZeroShare(t *testing.T) {
	for _, r := range drawAll(t, Load{Profile: Steady(1000), Duration: 20 * sec}) {
		if r.Priority == seawall.Background {
			t.Fatal("Background has no share in the default mix")
		}
	}
}

// TestUsersAreHuman: the most active user asks more often than the average,
// but not like a robot.
func TestUsersAreHuman(t *testing.T) {
	counts := map[uint64]int{}
	all := drawAll(t, alone(Steady(10_000), 20*sec))
	for _, r := range all {
		if r.User >= 20_000 {
			t.Fatalf("user %d of 20000", r.User)
		}
		counts[r.User]++
	}
	average := float64(len(all)) / 20_000
	if top := float64(counts[0]) / average; top < 6 || top > 11 {
		t.Errorf("the most active user asks %.1f times as often as the average, want about 8", top)
	}
	if last := float64(counts[19_999]) / average; last > 1 {
		t.Errorf("the least active user asks %.1f times as often as the average", last)
	}
	for _, users := range []int{1, 2} { // too few for a distribution
		l := alone(Steady(1000), sec)
		l.Users = users
		for _, r := range drawAll(t, l) {
			if r.User >= uint64(users) {
				t.Fatalf("user %d of %d", r.User, users)
			}
		}
	}
}
