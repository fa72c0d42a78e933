package spike

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seawall-go/seawall"
)

// progressEvery is how often Run reports.
const progressEvery = 200 * time.Millisecond

// Run sends the load to target and returns the record of it. It returns when
// the last request has been answered or given up. progress, when not nil, is
// called just before the start, every 200 ms and at the end, never twice at
// once; a slow one delays only the next report.
//
// When ctx ends, Run stops sending, cancels what is under way, and returns the
// record so far with the cause.
//
// Each request runs in a goroutine of its own; MaxInFlight bounds them.
func (l Load) Run(ctx context.Context, target Target, progress func(Progress)) (*Record, error) {
	l, err := l.resolve()
	if err != nil {
		return nil, err
	}
	if target == nil {
		return nil, errors.New("seawall/spike: target must not be nil")
	}
	r := &runner{load: l, target: target, routes: newRoutes(l)}
	return r.run(ctx, progress)
}

type runner struct {
	load   Load
	target Target
	routes routes
	start  time.Time

	inFlight atomic.Int64
	reserved atomic.Int64
	attempts atomic.Uint64
	unkept   atomic.Uint64 // dropped without a sample
	ended    [numOutcomes]atomic.Uint64
	byPrio   [seawall.NumPriorities]struct{ requests, success atomic.Uint64 }

	wg      sync.WaitGroup
	mu      sync.Mutex
	samples []Sample
}

func (r *runner) run(ctx context.Context, progress func(Progress)) (*Record, error) {
	if progress != nil {
		progress(r.progress(0))
	}
	cpu := cpuTime()
	r.start = time.Now()
	stop := r.report(progress)
	r.send(ctx)
	r.wg.Wait()
	stop()

	rec := &Record{
		Load:     r.load,
		Started:  r.start,
		Elapsed:  time.Since(r.start),
		CPU:      cpuTime() - cpu,
		Attempts: r.attempts.Load(),
		Dropped:  r.ended[Dropped].Load() + r.unkept.Load(),
		Samples:  r.samples,
	}
	slices.SortFunc(rec.Samples, func(a, b Sample) int {
		return cmp.Or(cmp.Compare(a.Intended, b.Intended), cmp.Compare(a.ID, b.ID))
	})
	if ctx.Err() != nil {
		return rec, context.Cause(ctx)
	}
	return rec, nil
}

// send is the arrival process: it never waits for a request.
func (r *runner) send(ctx context.Context) {
	due, who := newArrivals(r.load), newPeople(r.load)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for n := uint64(0); ; n++ {
		at, ok := due.draw()
		if !ok {
			return
		}
		req := who.draw(n, at)
		if wait := at - time.Since(r.start); wait > 0 {
			timer.Reset(wait)
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			}
		} else if ctx.Err() != nil {
			return
		}
		if !r.reserve() {
			continue
		}
		if r.inFlight.Add(1) > int64(r.load.MaxInFlight) {
			r.inFlight.Add(-1)
			r.keep(&req, Sample{Outcome: Dropped})
			continue
		}
		r.wg.Go(func() {
			defer r.inFlight.Add(-1)
			r.serve(ctx, &req)
		})
	}
}

// reserve takes a place in the record.
func (r *runner) reserve() bool {
	if r.reserved.Add(1) <= int64(r.load.MaxRequests) {
		return true
	}
	r.reserved.Add(-1)
	r.unkept.Add(1)
	return false
}

// serve sees a request, or a whole journey, through.
func (r *runner) serve(ctx context.Context, req *Request) {
	var think *rand.Rand
	for {
		end, outcome := r.request(ctx, req)
		if outcome != Success || req.Journey == 0 || req.Step >= r.load.Journeys.Length {
			return
		}
		if think == nil {
			think = rand.New(rand.NewPCG(r.load.Seed^req.Journey<<20, streamThink))
		}
		pause := time.Duration(think.ExpFloat64() * float64(r.load.Journeys.Think))
		next := *req
		next.ID, next.Step, next.Intended = req.ID+1, req.Step+1, end+pause
		r.routes.pick(&next)
		if next.Intended >= r.load.Duration || !r.sleepUntil(ctx, next.Intended) || !r.reserve() {
			return
		}
		req = &next
	}
}

// request makes the attempts and keeps the sample, even when the target leaves
// by a panic or by runtime.Goexit.
func (r *runner) request(ctx context.Context, req *Request) (end time.Duration, outcome Outcome) {
	s := Sample{Outcome: Failed, Lag: max(0, time.Since(r.start)-req.Intended)}
	attempt := 1
	defer func() {
		end = time.Since(r.start)
		s.Latency, s.Attempts = end-req.Intended, uint8(attempt)
		r.keep(req, s)
		outcome = s.Outcome
	}()
	deadline := req.Intended + r.load.Timeout
	for ; ; attempt++ {
		req.Attempt = attempt
		s.Outcome = Failed
		s.Outcome = r.attempt(ctx, req, deadline)
		if s.Outcome == Success || attempt > r.load.Retries.Max || ctx.Err() != nil {
			return
		}
		again := time.Since(r.start) + r.load.Retries.Delay
		if again >= r.load.Duration || !r.sleepUntil(ctx, again) {
			return
		}
		deadline = time.Since(r.start) + r.load.Timeout
	}
}

func (r *runner) attempt(ctx context.Context, req *Request, deadline time.Duration) Outcome {
	ctx, cancel := context.WithDeadline(ctx, r.start.Add(deadline))
	defer cancel()
	r.attempts.Add(1)
	o := r.target(ctx, req)
	if o >= Dropped || (o != Rejected && time.Since(r.start) > deadline) {
		if o >= Dropped {
			return Failed
		}
		return TimedOut
	}
	return o
}

// sleepUntil waits for a time of the run and reports whether ctx allowed it.
func (r *runner) sleepUntil(ctx context.Context, at time.Duration) bool {
	wait := at - time.Since(r.start)
	if wait <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func (r *runner) keep(req *Request, s Sample) {
	s.ID, s.User, s.Journey = req.ID, uint32(req.User), uint32(req.Journey)
	s.Intended, s.Priority, s.Step = req.Intended, req.Priority, uint8(req.Step)
	s.Route, s.Abuser = uint8(req.Route), req.Abuser
	r.ended[s.Outcome].Add(1)
	prio := &r.byPrio[classOf(s.Priority)]
	prio.requests.Add(1)
	if s.Outcome == Success {
		prio.success.Add(1)
	}
	r.mu.Lock()
	r.samples = append(r.samples, s)
	r.mu.Unlock()
}

// report starts the reports and returns what ends them.
func (r *runner) report(progress func(Progress)) (stop func()) {
	if progress == nil {
		return func() {}
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(progressEvery)
		defer ticker.Stop()
		for {
			select {
			case <-quit:
				return
			case <-ticker.C:
				progress(r.progress(time.Since(r.start)))
			}
		}
	}()
	return func() {
		close(quit)
		<-done
		last := r.progress(time.Since(r.start))
		last.Done = true
		progress(last)
	}
}

func (r *runner) progress(at time.Duration) Progress {
	p := Progress{
		At:       at,
		Success:  r.ended[Success].Load(),
		Rejected: r.ended[Rejected].Load(),
		TimedOut: r.ended[TimedOut].Load(),
		Failed:   r.ended[Failed].Load(),
		Dropped:  r.ended[Dropped].Load() + r.unkept.Load(),
		Attempts: r.attempts.Load(),
		InFlight: int(r.inFlight.Load()),
	}
	for i := range r.byPrio { // successes first: never more of them than requests
		p.ByPriority[i].Success = r.byPrio[i].success.Load()
		p.ByPriority[i].Requests = r.byPrio[i].requests.Load()
	}
	return p
}
