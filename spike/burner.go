package spike

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// BurnerConfig sizes a Burner.
type BurnerConfig struct {
	// Work is the mean processor time of one request, at most 10 s. Default 2 ms.
	Work time.Duration `json:"work_ns"`
	// Sigma of its logarithm, 0 to 3. Default 0: always the mean.
	Sigma float64 `json:"sigma"`
	// Seed of the work.
	Seed uint64 `json:"seed"`
}

func (c BurnerConfig) resolve() (BurnerConfig, error) {
	if c.Work == 0 {
		c.Work = 2 * time.Millisecond
	}
	if c.Work < 0 || c.Work > 10*time.Second {
		return c, badf("Work", "positive and at most 10s", c.Work)
	}
	if !finite(c.Sigma) || c.Sigma < 0 || c.Sigma > 3 {
		return c, badf("Sigma", "between 0 and 3", c.Sigma)
	}
	return c, nil
}

// Burner is a backend that computes: its resource is the processor, which the
// server shares with the reading, refusing and answering of requests. Unlike a
// [Backend] it has no queue of its own; those who wait, wait in the scheduler.
// A request that has been begun is computed to its end, whoever has left.
//
// How many a second it serves depends on the machine: measure it with
// [MeasureCapacity]. Work alone promises 1/Work a second and processor, of which
// net/http takes its part. Use it in a process of its own, see [StartServer], or
// the load generator will be starved by what it measures.
//
// Its methods are safe for concurrent use. It starts no goroutine.
type Burner struct {
	service Service
	perLoop float64 // nanoseconds

	inService atomic.Int64
	mu        sync.Mutex
	rng       *rand.Rand
	stats     BackendStats
}

// NewBurner finds out, in about 20 ms of full load, how many loops a nanosecond
// is worth on an undisturbed processor, and returns a burner. From then on a
// request is a number of loops: on a busy machine it takes longer, but not more
// processor time.
func NewBurner(cfg BurnerConfig) (*Burner, error) {
	cfg, err := cfg.resolve()
	if err != nil {
		return nil, err
	}
	return &Burner{
		service: LogNormal(cfg.Work, cfg.Sigma),
		perLoop: calibrate(),
		rng:     rand.New(rand.NewPCG(cfg.Seed, streamService)),
	}, nil
}

// calibrate returns what a loop takes in nanoseconds: the best of several
// rounds, since whatever disturbs one only makes it longer.
func calibrate() float64 {
	const rounds, least = 20, 500 * time.Microsecond
	loops := uint64(1000)
	best := 0.0
	for round := 0; round < rounds; {
		start := time.Now()
		burn(loops)
		took := time.Since(start)
		if took < least && loops < 1<<40 { // too short for the clock
			loops *= 2
			continue
		}
		if per := max(float64(took), 1) / float64(loops); round == 0 || per < best {
			best = per
		}
		round++
	}
	return best
}

// sink keeps the compiler from leaving the loops out.
var sink atomic.Uint64

//go:noinline
func burn(loops uint64) {
	x := loops
	for range loops {
		x = mix64(x)
	}
	sink.Store(x)
}

// Serve burns what one request takes. ctx stops nothing: it only tells whether
// the work was for nobody.
func (b *Burner) Serve(ctx context.Context) {
	b.inService.Add(1)
	defer b.inService.Add(-1)
	b.mu.Lock()
	work := b.service.Draw(b.rng)
	b.mu.Unlock()
	burn(uint64(float64(work) / b.perLoop))
	gone := ctx.Err() != nil
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.Served++
	b.stats.Busy += work
	if gone {
		b.stats.WastedRequests++
		b.stats.Wasted += work
	}
}

// Handler burns for every request and answers 200 with a tiny body.
func (b *Burner) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.Serve(r.Context())
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Content-Length", "3")
		io.WriteString(w, "ok\n")
	})
}

// Stats returns the counters. Busy and Wasted are processor time, by
// calibration. Wasted is what net/http had noticed by the end of the work: on a
// busy processor it hears late that a client has gone, so that it is a lower
// bound. Waiting, Failed and Left are 0.
func (b *Burner) Stats() BackendStats {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.stats
	s.InService = int(b.inService.Load())
	return s
}
