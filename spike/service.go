package spike

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// Mode is one kind of work within a Service: log-normal around a mean.
type Mode struct {
	// Share is the weight among the modes; they need not add up to 1.
	Share float64 `json:"share"`
	// Mean duration, positive, at most an hour.
	Mean time.Duration `json:"mean_ns"`
	// Sigma of the logarithm, 0 to 3; 0 is always the mean.
	Sigma float64 `json:"sigma,omitempty"`
}

// Service is a distribution of service times: a mixture of up to 16 modes.
type Service struct {
	Modes []Mode `json:"modes"`
}

// LogNormal is the usual shape of a service time: many a little below the
// mean, few far above. A sigma of 0.6 has a coefficient of variation of 0.66.
func LogNormal(mean time.Duration, sigma float64) Service {
	return Service{Modes: []Mode{{Share: 1, Mean: mean, Sigma: sigma}}}
}

// Bimodal is work of two sizes: fast with the given share, slow otherwise.
func Bimodal(fast time.Duration, share float64, slow time.Duration) Service {
	return Service{Modes: []Mode{{Share: share, Mean: fast}, {Share: 1 - share, Mean: slow}}}
}

// Constant always takes d.
func Constant(d time.Duration) Service { return LogNormal(d, 0) }

// Validate says what is wrong with the distribution.
func (s Service) Validate() error {
	if len(s.Modes) == 0 || len(s.Modes) > maxRoutes {
		return badf("Service.Modes", "1 to 16 modes", len(s.Modes))
	}
	total := 0.0
	for i, m := range s.Modes {
		field := fmt.Sprintf("Service.Modes[%d]", i)
		if !finite(m.Share) || m.Share < 0 || m.Share > 1e9 {
			return badf(field+".Share", "between 0 and 1e9", m.Share)
		}
		if m.Mean <= 0 || m.Mean > time.Hour {
			return badf(field+".Mean", "positive and at most 1h", m.Mean)
		}
		if !finite(m.Sigma) || m.Sigma < 0 || m.Sigma > 3 {
			return badf(field+".Sigma", "between 0 and 3", m.Sigma)
		}
		total += m.Share
	}
	if total <= 0 {
		return badf("Service.Modes", "of a positive share in all", total)
	}
	return nil
}

func (s Service) total() float64 {
	total := 0.0
	for _, m := range s.Modes {
		total += m.Share
	}
	return total
}

// Mean returns the mean service time.
func (s Service) Mean() time.Duration {
	sum := 0.0
	for _, m := range s.Modes {
		sum += m.Share * float64(m.Mean)
	}
	return time.Duration(math.Round(sum / s.total()))
}

// mu is the mean of the logarithm, of nanoseconds.
func (m Mode) mu() float64 { return math.Log(float64(m.Mean)) - m.Sigma*m.Sigma/2 }

// Draw returns a service time.
func (s Service) Draw(rng *rand.Rand) time.Duration {
	x := rng.Float64() * s.total()
	var mode Mode
	for _, m := range s.Modes {
		if m.Share == 0 {
			continue
		}
		if mode = m; x < m.Share {
			break
		}
		x -= m.Share
	}
	return mode.Draw(rng)
}

// Draw returns a service time of this mode.
func (m Mode) Draw(rng *rand.Rand) time.Duration {
	if m.Sigma == 0 {
		return m.Mean
	}
	return time.Duration(math.Exp(m.mu() + m.Sigma*rng.NormFloat64()))
}

// drawRoute draws from the mode of a route, or from all when it has none.
func (s Service) drawRoute(rng *rand.Rand, route int) time.Duration {
	if route >= 0 && route < len(s.Modes) {
		return s.Modes[route].Draw(rng)
	}
	return s.Draw(rng)
}

// Shares returns the shares of the modes: Load.Routes for a load whose routes
// are these modes.
func (s Service) Shares() []float64 {
	shares := make([]float64, len(s.Modes))
	for i, m := range s.Modes {
		shares[i] = m.Share
	}
	return shares
}

// Quantile returns the q-th quantile, q within 0 and 1 exclusively: the
// latency of an idle backend, exact and the same for every contender, where a
// measured one would be a matter of luck and of the machine.
func (s Service) Quantile(q float64) time.Duration {
	if !(q > 0 && q < 1) {
		panic(fmt.Sprintf("seawall/spike: quantile must be within 0 and 1 (got %v)", q))
	}
	lo, hi := 0.0, 1.0
	for s.below(hi) < q && hi < math.MaxInt64/4 {
		hi *= 2
	}
	for range 100 {
		mid := (lo + hi) / 2
		if s.below(mid) < q {
			lo = mid
		} else {
			hi = mid
		}
	}
	return time.Duration(math.Round(hi))
}

// below is the share of service times of at most x nanoseconds.
func (s Service) below(x float64) float64 {
	sum := 0.0
	for _, m := range s.Modes {
		switch {
		case m.Sigma > 0:
			sum += m.Share * 0.5 * math.Erfc((m.mu()-math.Log(x))/(m.Sigma*math.Sqrt2))
		case float64(m.Mean) <= x:
			sum += m.Share
		}
	}
	return sum / s.total()
}
