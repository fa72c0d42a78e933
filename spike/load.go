package spike

import (
	"fmt"
	"math"
	"time"

	"github.com/seawall-go/seawall"
)

// Defaults and bounds of Load.
const (
	defaultUsers       = 20_000
	defaultZipfS       = 1.1
	defaultTimeout     = time.Second
	defaultJourneyLen  = 4
	defaultThink       = 50 * time.Millisecond
	defaultMaxInFlight = 20_000
	defaultMaxRequests = 1_000_000

	maxUsers      = 10_000_000
	maxJourneyLen = 100
	maxRetries    = 100
	maxDuration   = 24 * time.Hour
	maxInFlight   = 1_000_000
	maxRequests   = 20_000_000
)

// Load describes an open-loop load. It is plain data: it can be sent to
// another process as JSON, and the same Load makes the same arrivals, users,
// priorities and journeys every time.
type Load struct {
	// Profile is the offered rate over time. Required.
	Profile Profile `json:"profile"`
	// Duration is how long new requests are sent; the run ends when the last of
	// them is answered or given up. At most a day. Required.
	Duration time.Duration `json:"duration_ns"`
	// Seed of everything that is drawn. Every value is a seed, 0 too.
	Seed uint64 `json:"seed"`
	// Mix is the share of each priority in the requests that belong to no
	// journey. Default 10 % Critical, 50 % Normal, 40 % Sheddable.
	Mix Mix `json:"mix"`
	// Users is how many people there are, at most 10 million. Default 20,000.
	Users int `json:"users"`
	// ZipfS is the exponent, above 1, of the popularity (k + Users/20)^-ZipfS of
	// the k-th user. The offset keeps people human: with the defaults the most
	// active user asks about eight times as often as the average one, where a
	// bare Zipf law would give it a seventh of all requests. Default 1.1.
	ZipfS float64 `json:"zipf_s"`
	// Journeys are several requests of one user, in a row.
	Journeys Journeys `json:"journeys"`
	// Routes are the weights of up to 16 routes of the server, such as a fast
	// list and a slow search; they need not add up to 1. Which one is asked for
	// is drawn for each request, whatever its priority. To let a [Backend] take
	// as long for each as one of the modes of its Service, give as many routes as
	// modes, with their shares: [Service.Shares]. Default: none, all is route 0.
	Routes []float64 `json:"routes,omitempty"`
	// Abusers are a few users who ask for much. Default: none.
	Abusers Abusers `json:"abusers"`
	// Timeout is the user's patience with one attempt: then it is cancelled. The
	// first attempt's counts from when the request was due. Default 1 s.
	Timeout time.Duration `json:"timeout_ns"`
	// Retries is what clients do with a failure. Default: nothing.
	Retries Retries `json:"retries"`
	// MaxInFlight bounds the requests and journeys under way at once, pauses
	// included. What exceeds it is recorded as Dropped. At most a million.
	// Default 20,000.
	MaxInFlight int `json:"max_in_flight"`
	// MaxRequests bounds the record (48 bytes a request). What exceeds it is
	// neither sent nor recorded, but counted in Record.Dropped. At most 20
	// million. Default 1,000,000.
	MaxRequests int `json:"max_requests"`
}

// Mix is the share of each priority. The shares are weights: they need not add
// up to 1. All zero is the default.
type Mix struct {
	Critical   float64 `json:"critical"`
	Normal     float64 `json:"normal"`
	Sheddable  float64 `json:"sheddable"`
	Background float64 `json:"background"`
}

// Journeys are several requests of one user, one after the other, with one
// priority. A journey is given up at its first failure.
type Journeys struct {
	// Share of the offered requests that belong to a journey, as long as
	// journeys finish; between 0 and 1. Only the first request of a journey is
	// part of the arrival process, so that under overload, when journeys die
	// early, the offered rate falls below the profile's by as much as their
	// missing steps: at most Share*(Length-1)/Length. Default 0.1; Off is none.
	Share float64 `json:"share"`
	// Length is the number of requests in a journey, 2 to 100. Default 4.
	Length int `json:"length"`
	// Mix is the share of each priority in the journeys. Default: that of Load.
	Mix Mix `json:"mix"`
	// Think is the mean pause, exponentially distributed, between an answer and
	// the next request. Default 50 ms; Off is none.
	Think time.Duration `json:"think_ns"`
}

// Retries is the naive client: it asks again, whatever it was told.
type Retries struct {
	// Max is how often a failed request (rejected, timed out, failed) is tried
	// again, at most 100. Default 0.
	Max int `json:"max"`
	// Delay before each retry. Default none: at once.
	Delay time.Duration `json:"delay_ns"`
}

// Validate says what is wrong with the load, naming the field and the value.
func (l Load) Validate() error {
	_, err := l.resolve()
	return err
}

// resolve fills in the defaults and checks what results.
func (l Load) resolve() (Load, error) {
	if err := l.Profile.Validate(); err != nil {
		return l, err
	}
	if l.Duration <= 0 || l.Duration > maxDuration {
		return l, badf("Duration", "positive and at most %v", l.Duration, maxDuration)
	}
	if err := l.resolvePeople(); err != nil {
		return l, err
	}
	if err := l.resolveJourneys(); err != nil {
		return l, err
	}
	if l.Timeout == 0 {
		l.Timeout = defaultTimeout
	}
	if l.Timeout < 0 || l.Timeout > maxDuration {
		return l, badf("Timeout", "positive and at most %v", l.Timeout, maxDuration)
	}
	if l.Retries.Max == seawall.Off {
		l.Retries.Max = 0
	}
	if l.Retries.Max < 0 || l.Retries.Max > maxRetries {
		return l, badf("Retries.Max", "between 0 and %d", l.Retries.Max, maxRetries)
	}
	if l.Retries.Delay < 0 || l.Retries.Delay > maxDuration {
		return l, badf("Retries.Delay", "between 0 and %v", l.Retries.Delay, maxDuration)
	}
	if l.MaxInFlight == 0 {
		l.MaxInFlight = defaultMaxInFlight
	}
	if l.MaxInFlight < 1 || l.MaxInFlight > maxInFlight {
		return l, badf("MaxInFlight", "between 1 and %d", l.MaxInFlight, maxInFlight)
	}
	if l.MaxRequests == 0 {
		l.MaxRequests = defaultMaxRequests
	}
	if l.MaxRequests < 1 || l.MaxRequests > maxRequests {
		return l, badf("MaxRequests", "between 1 and %d", l.MaxRequests, maxRequests)
	}
	return l, nil
}

func (l *Load) resolvePeople() error {
	if l.Mix == (Mix{}) {
		l.Mix = Mix{Critical: 0.10, Normal: 0.50, Sheddable: 0.40}
	}
	if err := l.Mix.check("Mix"); err != nil {
		return err
	}
	if l.Users == 0 {
		l.Users = defaultUsers
	}
	if l.Users < 1 || l.Users > maxUsers {
		return badf("Users", "between 1 and %d", l.Users, maxUsers)
	}
	if l.ZipfS == 0 {
		l.ZipfS = defaultZipfS
	}
	if !finite(l.ZipfS) || l.ZipfS <= 1 || l.ZipfS > 100 {
		return badf("ZipfS", "above 1 and at most 100", l.ZipfS)
	}
	if err := checkRoutes(l.Routes); err != nil {
		return err
	}
	return l.Abusers.resolve()
}

func (l *Load) resolveJourneys() error {
	j := &l.Journeys
	switch j.Share {
	case 0:
		j.Share = 0.1
	case seawall.Off:
		j.Share = 0
	}
	if !finite(j.Share) || j.Share < 0 || j.Share > 1 {
		return badf("Journeys.Share", "between 0 and 1", j.Share)
	}
	if j.Length == 0 {
		j.Length = defaultJourneyLen
	}
	if j.Length < 2 || j.Length > maxJourneyLen {
		return badf("Journeys.Length", "between 2 and %d", j.Length, maxJourneyLen)
	}
	if j.Mix == (Mix{}) {
		j.Mix = l.Mix
	}
	if err := j.Mix.check("Journeys.Mix"); err != nil {
		return err
	}
	switch j.Think {
	case 0:
		j.Think = defaultThink
	case seawall.Off:
		j.Think = 0
	}
	if j.Think < 0 || j.Think > time.Hour {
		return badf("Journeys.Think", "between 0 and 1h", j.Think)
	}
	return nil
}

func (m Mix) check(field string) error {
	for _, p := range seawall.Priorities() {
		if w := m.of(p); !finite(w) || w < 0 || w > 1e9 {
			return badf(field+"."+title(p), "between 0 and 1e9", w)
		}
	}
	return nil
}

// of returns the weight of p.
func (m Mix) of(p seawall.Priority) float64 {
	switch p {
	case seawall.Critical:
		return m.Critical
	case seawall.Normal:
		return m.Normal
	case seawall.Sheddable:
		return m.Sheddable
	case seawall.Background:
		return m.Background
	default:
		return 0
	}
}

// badf makes the error for a field: what it must be, and what it is.
func badf(field, must string, got any, args ...any) error {
	return fmt.Errorf("seawall/spike: %s must be %s (got %v)", field, fmt.Sprintf(must, args...), got)
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// title is the priority's name as it is written in field names.
func title(p seawall.Priority) string {
	s := p.String()
	return string(s[0]-'a'+'A') + s[1:]
}
