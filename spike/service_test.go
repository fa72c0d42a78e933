package spike

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

const ms = time.Millisecond

func TestServiceDraws(t *testing.T) {
	for name, s := range map[string]Service{
		"log-normal": LogNormal(80*ms, 0.6),
		"narrow":     LogNormal(80*ms, 0.1),
		"bimodal":    Bimodal(5*ms, 0.9, 200*ms),
		"constant":   Constant(30 * ms),
		"mixture":    {Modes: []Mode{{1, 10 * ms, 0.3}, {0, time.Hour, 0}, {2, 100 * ms, 0.5}}},
	} {
		rng := rand.New(rand.NewPCG(1, 2))
		all := make([]time.Duration, 100_000)
		sum := 0.0
		for i := range all {
			all[i] = s.Draw(rng)
			sum += float64(all[i])
		}
		slices.Sort(all)
		if mean := sum / float64(len(all)); math.Abs(mean/float64(s.Mean())-1) > 0.02 {
			t.Errorf("%s: mean %v, want %v", name, time.Duration(mean), s.Mean())
		}
		for _, q := range []float64{0.1, 0.5, 0.8, 0.99} {
			got, want := all[rank(len(all), q)], s.Quantile(q)
			if math.Abs(float64(got)/float64(want)-1) > 0.03 {
				t.Errorf("%s: %v quantile %v, want %v", name, q, got, want)
			}
		}
	}
}

func TestServiceQuantiles(t *testing.T) {
	s := LogNormal(80*ms, 0.6)
	// exp(mu) and exp(mu + 2.3263 sigma), mu = ln 80 ms - 0.18.
	for q, want := range map[float64]time.Duration{0.5: 66821617, 0.99: 269831000} {
		if got := s.Quantile(q); (got - want).Abs() > 20*time.Microsecond {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	if got := Bimodal(5*ms, 0.9, 200*ms).Quantile(0.5); got != 5*ms {
		t.Errorf("median of 90 %% 5 ms is %v", got)
	}
	if got := Bimodal(5*ms, 0.9, 200*ms).Quantile(0.99); got != 200*ms {
		t.Errorf("p99 of 10 %% 200 ms is %v", got)
	}
	if got := Bimodal(5*ms, 0.9, 200*ms).Mean(); got != 24500*time.Microsecond {
		t.Errorf("mean is %v", got)
	}
	for _, q := range []float64{0, 1, -1, math.NaN()} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Quantile(%v) does not panic", q)
				}
			}()
			s.Quantile(q)
		}()
	}
}

func TestServiceValidate(t *testing.T) {
	for want, s := range map[string]Service{
		"Service.Modes must be 1 to 16 modes (got 0)": {},
		"(got 17)":                               {Modes: make([]Mode, 17)},
		"Service.Modes[0].Mean must be positive": LogNormal(-ms, 0.6),
		"Service.Modes[0].Sigma must be between 0 and 3 (got N": LogNormal(ms, math.NaN()),
		"Service.Modes[1].Share must be between 0 and":          Bimodal(ms, 1.5, ms),
		"Service.Modes must be of a positive share":             {Modes: []Mode{{0, ms, 0}}},
	} {
		if err := s.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want ...%s...", err, want)
		}
	}
}
