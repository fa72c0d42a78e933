package shed_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/shed"
	"github.com/seawall-go/seawall/spike"
)

// accident is a random scenario: a backend nobody has chosen, calm, then crowds,
// gaps and faults, then calm again.
type accident struct {
	seed uint64
	sc   spike.Scenario
	cfg  shed.Config
	base float64 // of the capacity, before the trouble
	cv2  float64 // of the service time
	// From trouble until over there may be anything; then half of the capacity
	// is asked for. What is refused from settled on counts.
	trouble, over, settled time.Duration
}

// uniform draws between two numbers, evenly; spread does so by their logarithm.
func uniform(r *rand.Rand, lo, hi float64) float64 { return lo + (hi-lo)*r.Float64() }

func spread(r *rand.Rand, lo, hi float64) float64 {
	return lo * math.Pow(hi/lo, r.Float64())
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// accidentOf draws the accident of a seed.
func accidentOf(seed uint64) accident {
	r := rand.New(rand.NewPCG(seed, 77))
	a := accident{seed: seed}
	b := &a.sc.Backend
	for {
		*b = spike.BackendConfig{Slots: int(spread(r, 1, 501)), Seed: seed}
		mean := seconds(spread(r, 200e-6, 2))
		if r.IntN(4) > 0 {
			sigma := uniform(r, 0, 1.5)
			b.Service, a.cv2 = spike.LogNormal(mean, sigma), math.Exp(sigma*sigma)-1
		} else {
			share, times := uniform(r, 0.5, 0.95), spread(r, 2, 40)
			b.Service = spike.Bimodal(mean, share, seconds(times*mean.Seconds()))
			m := share + (1-share)*times
			a.cv2 = (share+(1-share)*times*times)/(m*m) - 1
		}
		if r.IntN(2) == 0 {
			b.Contention = seawall.Off
		}
		// More than this would only take long.
		if m := b.Service.Mean(); b.Capacity() <= 1000 && m <= 2*time.Second {
			break
		}
	}
	capacity, mean := b.Capacity(), b.Service.Mean()
	a.base = uniform(r, 0.05, 0.65)
	if r.IntN(3) == 0 {
		a.cfg.MinLimit = 1 + r.IntN(8)
	}
	if r.IntN(3) == 0 {
		a.cfg.MaxLimit = max(64, 4*b.Slots)
	}

	// Nothing can be known of the backend before it has answered a few times.
	ramp := 2*time.Second + 10*mean
	a.trouble = ramp + seconds(uniform(r, 5, 40))
	points := []spike.Point{{At: 0, Rate: 0}, {At: ramp, Rate: a.base * capacity}, {At: a.trouble, Rate: a.base * capacity}}
	at := a.trouble
	for range 1 + r.IntN(4) {
		lasts := seconds(uniform(r, 0.5, 8))
		rate := capacity * spread(r, 0.3, 8)
		switch r.IntN(4) {
		case 0: // a gap
			points = append(points, spike.Point{At: at, Rate: 0}, spike.Point{At: at + lasts, Rate: 0})
		case 1: // a ramp
			points = append(points, spike.Point{At: at + lasts, Rate: rate})
		default: // a step
			points = append(points, spike.Point{At: at, Rate: rate}, spike.Point{At: at + lasts, Rate: rate})
		}
		at += lasts
	}
	a.over = at
	for range r.IntN(4) {
		f := spike.Fault{At: a.trouble + seconds(uniform(r, 0, 10)), For: seconds(uniform(r, 0.2, 10))}
		switch r.IntN(4) {
		case 0:
			f.Kind, f.Value = spike.FaultSlow, spread(r, 1.5, 10)
		case 1:
			f.Kind, f.Value = spike.FaultCapacity, math.Floor(float64(b.Slots)*uniform(r, 0, 1))
		case 2:
			f.Kind, f.For = spike.FaultHang, f.For/4
		default:
			f.Kind, f.Value = spike.FaultLatency, spread(r, 0.001, 1)
		}
		a.sc.Faults = append(a.sc.Faults, f)
		a.over = max(a.over, f.At+f.For)
	}
	a.settled = a.over + 30*time.Second
	points = append(points, spike.Point{At: at, Rate: 0.5 * capacity})
	a.sc.Load = spike.Load{
		Profile: spike.Profile{Points: points}, Duration: a.settled + 20*time.Second, Seed: seed,
		Mix:     spike.Mix{Critical: r.Float64(), Normal: r.Float64(), Sheddable: r.Float64(), Background: r.Float64()},
		Timeout: max(time.Second, 20*mean),
	}
	if r.IntN(2) == 0 {
		a.sc.Load.Journeys.Share = seawall.Off
	}
	if r.IntN(3) == 0 {
		a.sc.Load.Retries = spike.Retries{Max: 1 + r.IntN(3), Delay: seconds(uniform(r, 0, 1))}
	}
	a.sc.Name, a.sc.Start, a.sc.End = fmt.Sprint("seed ", seed), a.trouble, a.over
	return a
}

func (a *accident) String() string {
	var w strings.Builder
	b, l := a.sc.Backend, a.sc.Load
	fmt.Fprintf(&w, "seed %d: %d slots, %v (%.1f a second), contention %v, limit %d to %d, base %.2f, trouble %.1f s to %.1f s, retries %+v, mix %.2f\n  load over the capacity:",
		a.seed, b.Slots, b.Service.Modes, b.Capacity(), b.Contention, a.cfg.MinLimit, a.cfg.MaxLimit, a.base, a.trouble.Seconds(), a.over.Seconds(), l.Retries, l.Mix)
	for _, p := range l.Profile.Points {
		fmt.Fprintf(&w, " %.1fs %.2f", p.At.Seconds(), p.Rate/b.Capacity())
	}
	for _, f := range a.sc.Faults {
		fmt.Fprintf(&w, "\n  %v %.3g from %.1f s for %.1f s", f.Kind, f.Value, f.At.Seconds(), f.For.Seconds())
	}
	return w.String()
}

// look is how the Shedder was at a moment.
type look struct {
	at      time.Duration
	st      shed.Stats
	refused uint64 // without those who gave up or came too late
}

func (l look) String() string {
	s := &l.st
	return fmt.Sprintf("%6.1fs %-8s limit %4d knee %6.1f inside %4d waiting %4d baseline %10v cv %.2f slower %-5v X %7.1f offered %7.1f floor %-10s/%3d calm %5.1f peak %5.1f refused %d",
		l.at.Seconds(), s.State, s.Limit, s.Knee, s.InFlight, s.Waiting, s.Baseline, s.Variation, s.Slower, s.Throughput, s.Offered, s.Floor, s.Cohort, s.CalmMean, s.CalmPeak, l.refused)
}

const looksPerSecond = 10

// told plays the accident against the oracle.
func (a *accident) told(t *testing.T) (rec *spike.Record) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := seawall.Must(spike.NewBackend(a.sc.Backend))
		o := seawall.Must(spike.NewOracle(spike.OracleConfig{Slots: a.sc.Backend.Slots}))
		var err error
		if rec, _, err = a.sc.Follow(o).Run(t.Context(), b, spike.Against(b.Target(o.Guard)), nil); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
	})
	return rec
}

// play plays the accident and looks at the Shedder ten times a second, and once
// when all is over: look 0 is at 100 ms.
func (a *accident) play(t *testing.T) (rec *spike.Record, looks []look) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b, s := seawall.Must(spike.NewBackend(a.sc.Backend)), start(t, a.cfg)
		began := time.Now()
		see := func() {
			l := look{at: time.Since(began), st: s.Stats()}
			for _, p := range l.st.Priorities {
				l.refused += p.Floored + p.Full + p.Expired
			}
			looks = append(looks, l)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for time.Since(began) < a.sc.Load.Duration {
				time.Sleep(time.Second / looksPerSecond)
				see()
			}
		}()
		var err error
		if rec, _, err = a.sc.Run(t.Context(), b, spike.Against(b.Target(guard(s))), nil); err != nil {
			t.Fatal(err)
		}
		<-done
		synctest.Wait()
		see()
		shut(t, s) // nobody is inside; a goroutine that is left fails the bubble
	})
	return rec, looks
}

// TestRandom plays accidents and holds the Shedder to what must be true of all
// of them. SEAWALL_SEED=7 plays one and shows all of it, SEAWALL_LONG=1 plays
// hundreds.
func TestRandom(t *testing.T) { //nolint:tparallel // its subtests are simulations, one a processor
	if raceEnabled || testing.Short() {
		t.Skip("simulations")
	}
	first, n := uint64(1), uint64(40)
	if os.Getenv("SEAWALL_LONG") != "" {
		n = 400
	}
	one := os.Getenv("SEAWALL_SEED")
	if one != "" {
		var err error
		if first, err = strconv.ParseUint(one, 10, 64); err != nil {
			t.Fatalf("SEAWALL_SEED: %v", err)
		}
		n = 1
	}
	for seed := first; seed < first+n; seed++ {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			a := accidentOf(seed)
			rec, looks := a.play(t)
			known, failed := knownAccidents[seed], false
			for _, v := range a.violations(rec, looks, func() *spike.Record { return a.told(t) }) {
				failed = true
				if reason, ok := known[v.property]; ok {
					t.Logf("known to fail (%s): %v", reason, v)
					continue
				}
				t.Error(v)
			}
			if failed || one != "" {
				t.Log(a.String())
			}
			if t.Failed() || one != "" {
				t.Log("\n" + timeline(looks))
			}
		})
	}
}

// timeline shows a look a second.
func timeline(looks []look) string {
	var w strings.Builder
	for i, l := range looks {
		if i%looksPerSecond == looksPerSecond-1 {
			fmt.Fprintln(&w, l)
		}
	}
	return w.String()
}
