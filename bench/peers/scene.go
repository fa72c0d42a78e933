package peers

import (
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

// Case is one thing that is measured.
type Case string

// The cases.
const (
	// Admit takes a permit and gives it back.
	Admit Case = "admit"
	// Reject is a refusal while the house is full, in the way in which nearly
	// all of a flood is refused. Nobody waits.
	Reject Case = "reject"
	// RejectFull is seawall's other refusal: of somebody important enough to
	// pass the floor, who finds no seat and does not wait. The others have
	// one kind; it stands beside both.
	RejectFull Case = "reject-full"
	// HandlerAdmit and HandlerReject are the same through the library's
	// net/http middleware, classification and answer included.
	HandlerAdmit  Case = "handler-admit"
	HandlerReject Case = "handler-reject"
)

// admits says what has to become of every single request of the case.
func (c Case) admits() bool {
	switch c {
	case Reject, RejectFull, HandlerReject, HotRefuse, HandlerRefuse:
		return false
	default:
		return true
	}
}

// Library is a contender.
type Library struct {
	Name string
	// build brings the library into the state of the case.
	build func(Case) (*Scene, error)
	// lacks are the cases for which it offers nothing.
	lacks []Case
}

// Has says whether the library offers what the case measures.
func (l Library) Has(c Case) bool { return !slices.Contains(l.lacks, c) }

// Suite is a package of seawall and those who do the same work.
type Suite struct {
	Name string
	// Crowded suites have millions of objects, or hundreds of scenes, alive.
	Crowded bool
	// Rounds are the cases that are measured in the same rounds. All scenes of
	// a round are alive at once: one that fills memory has a round of its own,
	// or the collector would charge the others for it.
	Rounds [][]Case
	// Libraries are the contenders, seawall first.
	Libraries []Library
}

// Suites lists them all.
func Suites() []Suite { return []Suite{Shed(), RateLimit(), Cache(), HTTPCache()} }

// Cases are those of all rounds.
func (s Suite) Cases() []Case { return slices.Concat(s.Rounds...) }

// Shed compares limits of what is in flight.
func Shed() Suite {
	return Suite{
		Name:   "shed",
		Rounds: [][]Case{{Admit, Reject, RejectFull, HandlerAdmit, HandlerReject}},
		Libraries: []Library{
			{Name: "seawall", build: seawallScene},
			{Name: "failsafe", build: failsafeScene},
			{Name: "failsafe-priority", build: failsafePriorityScene},
			{Name: "gozero", build: gozeroScene},
			{Name: "kratos", build: kratosScene},
		},
	}
}

// Scene brings the library into the state that c measures. Close the scene
// when done.
func (l Library) Scene(c Case) (*Scene, error) {
	s, err := l.build(c)
	if err != nil {
		return nil, fmt.Errorf("%s/%s: %w", c, l.Name, err)
	}
	s.name, s.admits = string(c)+"/"+l.Name, c.admits()
	if s.handler != nil {
		s.loop = serving(s.handler, s.header)
	}
	return s, nil
}

// Scene is a library in a state in which it admits everybody, or nobody.
type Scene struct {
	name   string
	admits bool
	// loop makes n requests, one after the other, and returns how many of
	// them were admitted. It holds all that a call costs and nothing else.
	loop func(n int) (admitted int)
	// handler and header make the loop of a case that goes through HTTP.
	handler http.Handler
	header  http.Header
	// ready brings the state back, if it is not the same after a pause.
	ready func() error
	used  time.Time
	// count is how many requests the library has counted as decided in the
	// way this case measures; nil if it does not count.
	count func() uint64
	// hits is the part of requests that was in the cache, measured anew; nil where
	// it is always all of them.
	hits func() float64
	// pages is what a case of HTTPCache asks.
	pages http.Handler
	// coalesced are the crowds of HTTPCoalesce; nil elsewhere.
	coalesced *crowds
	// free gives back what fills the house.
	free func()
	stop func()
}

// HitRatio is the part of requests that finds what it asks for in the cache,
// measured anew; 1 where nothing else is let pass.
func (s *Scene) HitRatio() float64 {
	if s.hits == nil {
		return 1
	}
	return s.hits()
}

// Close ends whatever the scene has started.
func (s *Scene) Close() {
	s.Free()
	if s.stop != nil {
		s.stop()
		s.stop = nil
	}
}

// Free gives back what fills the house.
func (s *Scene) Free() {
	if s.free != nil {
		s.free()
		s.free = nil
	}
}

// Ready brings the scene into the state it is about, after a pause. A state
// that was used a moment ago still holds.
func (s *Scene) Ready() error {
	if s.ready == nil || time.Since(s.used) < 30*time.Millisecond {
		return nil
	}
	if err := s.ready(); err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	return nil
}

// Run makes n requests in so many goroutines. It is an error if a single one
// of them was not decided as it should be: then something else was measured.
func (s *Scene) Run(n, goroutines int) error {
	return s.run(n, func() int { return s.parallel(n, goroutines) })
}

// run judges n requests that f makes.
func (s *Scene) run(n int, f func() (admitted int)) error {
	var before uint64
	if s.count != nil {
		before = s.count()
	}
	admitted := f()
	s.used = time.Now()
	want := 0
	if s.admits {
		want = n
	}
	if admitted != want {
		return fmt.Errorf("%s: %d of %d requests were admitted (want %d)", s.name, admitted, n, want)
	}
	if s.count != nil {
		if got := s.count() - before; got != uint64(n) {
			return fmt.Errorf("%s: %d of %d requests were decided in the way that is measured", s.name, got, n)
		}
	}
	return nil
}

func (s *Scene) parallel(n, goroutines int) int {
	if goroutines <= 1 {
		return s.loop(n)
	}
	var (
		wg    sync.WaitGroup
		total = make([]int, goroutines)
	)
	for i := range goroutines {
		share := n / goroutines
		if i < n%goroutines {
			share++
		}
		wg.Go(func() { total[i] = s.loop(share) })
	}
	wg.Wait()
	admitted := 0
	for _, a := range total {
		admitted += a
	}
	return admitted
}

// Form is how many goroutines ask at once.
type Form string

// The forms.
const (
	Serial   Form = "serial"
	Parallel Form = "parallel" // one for each processor
)

// Forms lists them.
func Forms() []Form { return []Form{Serial, Parallel} }

func (f Form) goroutines() int {
	if f == Serial {
		return 1
	}
	return runtime.GOMAXPROCS(0)
}

// Measure is the body of a benchmark. An error is a state other than the one
// that was to be measured. It is tried three times: on a machine that stands
// still for a tick or two a law may rightly think that the crowd has gone.
func (s *Scene) Measure(b *testing.B, f Form) (err error) {
	b.Helper()
	b.ReportAllocs()
	for range 3 {
		b.StopTimer()
		if err = s.measure(b, f); err == nil {
			return nil
		}
		s.used = time.Time{} // not ready any more
	}
	return err
}

func (s *Scene) measure(b *testing.B, f Form) error {
	b.Helper()
	if err := s.Ready(); err != nil {
		return err
	}
	if err := s.Run(64, f.goroutines()); err != nil {
		return fmt.Errorf("before the measurement: %w", err)
	}
	return s.run(b.N, func() int {
		b.ResetTimer()
		b.StartTimer()
		defer b.StopTimer()
		return s.parallel(b.N, f.goroutines())
	})
}

// Time is how long n requests take, without what a benchmark does around them.
func (s *Scene) Time(f Form, n int) (took time.Duration, err error) {
	if err := s.Ready(); err != nil {
		return 0, err
	}
	err = s.run(n, func() int {
		began := time.Now()
		defer func() { took = time.Since(began) }()
		return s.parallel(n, f.goroutines())
	})
	return took, err
}

// Quiet is the time a request takes in a service that has all the time in the
// world: so many bursts of 256 requests, 60 ms apart. Caches are cold then,
// and what is sampled only now and then under load is sampled each time.
func (s *Scene) Quiet(bursts int) (time.Duration, error) {
	const burst = 256
	var total time.Duration
	for range bursts {
		time.Sleep(60 * time.Millisecond)
		began := time.Now()
		admitted := s.loop(burst)
		total += time.Since(began)
		if (admitted == burst) != s.admits {
			return 0, fmt.Errorf("%s: %d of %d requests were admitted", s.name, admitted, burst)
		}
	}
	return total / time.Duration(bursts*burst), nil
}
