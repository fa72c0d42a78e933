package ratelimit

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/seawall-go/seawall"
)

// PacerConfig sets up a Pacer.
type PacerConfig struct {
	// Name tells this instance from others. Default "default".
	Name string
	// Rate is required. Its Burst does not count, see Burst.
	Rate Rate
	// Burst is how many calls may go out at once after a pause. Default 1: they
	// are spread evenly.
	Burst int
	// MaxWait is how long a call may have to wait; one that would is refused at
	// once. Default 1 s.
	MaxWait time.Duration
}

// Pacer makes callers wait their turn, in the order they come: for calls to a
// partner who allows only so many. Its engine is the limiter of x/time/rate;
// waiting happens outside of its lock. To limit who comes in, use Limits.
type Pacer struct {
	cfg     PacerConfig
	mu      sync.Mutex
	limiter *rate.Limiter
}

// NewPacer returns a Pacer. It starts nothing.
func NewPacer(cfg PacerConfig) (*Pacer, error) {
	if cfg.Name == "" {
		cfg.Name = "default"
	}
	if cfg.MaxWait == 0 {
		cfg.MaxWait = time.Second
	}
	if cfg.MaxWait < 0 {
		return nil, fmt.Errorf("seawall/ratelimit: MaxWait must be positive (got %v)", cfg.MaxWait)
	}
	if cfg.Burst == 0 {
		cfg.Burst = 1
	}
	switch {
	case cfg.Burst < 0:
		return nil, fmt.Errorf("seawall/ratelimit: Burst must be positive (got %d)", cfg.Burst)
	case cfg.Rate.Burst < 0:
		return nil, fmt.Errorf("seawall/ratelimit: Rate.Burst must not be negative here (got %d)", cfg.Rate.Burst)
	}
	cfg.Rate.Burst = int64(cfg.Burst)
	if _, err := (LimiterConfig{Rate: cfg.Rate}).meter(); err != nil {
		return nil, err
	}
	return &Pacer{cfg: cfg, limiter: rate.NewLimiter(cfg.Rate.Limit, int(max(0, cfg.Rate.Burst)))}, nil
}

// Wait returns when it is the caller's turn. If that would be after MaxWait, or
// after ctx is done, it returns a *seawall.Rejection at once, and takes no turn.
func (p *Pacer) Wait(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return p.refuse(0, err)
	}
	r, delay, err := p.turn(ctx)
	if err != nil || delay <= 0 {
		return err
	}
	t := time.NewTimer(delay)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		p.mu.Lock()
		r.CancelAt(time.Now())
		p.mu.Unlock()
		return p.refuse(0, ctx.Err())
	}
}

// turn takes one, if it comes in time. The clock is read and a turn given back
// under one lock: x/time lets in too many when readings arrive out of order
// (golang/go#65508), and of a turn after which another was taken it gives back
// nothing.
func (p *Pacer) turn(ctx context.Context) (*rate.Reservation, time.Duration, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	r := p.limiter.ReserveN(now, 1)
	delay := r.DelayFrom(now)
	if deadline, ok := ctx.Deadline(); ok && deadline.Sub(now) < delay {
		r.CancelAt(now)
		return nil, 0, p.refuse(delay, context.DeadlineExceeded)
	}
	if delay > p.cfg.MaxWait {
		r.CancelAt(now)
		return nil, 0, p.refuse(delay-p.cfg.MaxWait, nil)
	}
	return r, delay, nil
}

func (p *Pacer) refuse(after time.Duration, cause error) error {
	return &seawall.Rejection{
		Component: component, Name: p.cfg.Name, Reason: seawall.RateLimited, RetryAfter: after,
		Status: http.StatusServiceUnavailable, Cause: cause,
	}
}

// Transport is base, with a turn to wait for before each request;
// http.DefaultTransport if base is nil. Errors of Wait come back as they are.
func (p *Pacer) Transport(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	return pacedTransport{p, base}
}

type pacedTransport struct {
	pacer *Pacer
	base  http.RoundTripper
}

func (t pacedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := t.pacer.Wait(r.Context()); err != nil {
		if r.Body != nil {
			_ = r.Body.Close() // as every RoundTripper must
		}
		return nil, err
	}
	return t.base.RoundTrip(r)
}
