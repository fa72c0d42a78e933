package cache

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime/debug"
	"sync"
	"time"
)

// WarmConfig sets up Warm.
type WarmConfig struct {
	// Workers is how many batches are loaded at once. Default 4.
	Workers int
	// Batch is how many keys are loaded together. Default 100.
	Batch int
	// Progress is told how far it is, at most ten times a second and at the end,
	// from one goroutine at a time. Default nobody.
	Progress func(WarmProgress)
	// Total is how many keys there are, for Progress. Default unknown.
	Total int
	// MaxFailures ends it when more keys than that could not be loaded. Default
	// none; seawall.Off is at the first.
	MaxFailures int
}

// WarmProgress is how far Warm is.
type WarmProgress struct {
	// Done is of how many keys, of Total; 0 is unknown.
	Done, Total int
	// Present were there already, Loaded were not, NotFound do not exist, Failed
	// could not be loaded.
	Present, Loaded, NotFound, Failed int
	// Took is since the beginning.
	Took time.Duration
}

// WarmReport is what Warm has done.
type WarmReport[K comparable] struct {
	WarmProgress

	// Failures are the first hundred keys that could not be loaded.
	Failures []WarmFailure[K]
}

// WarmFailure is one key that could not be loaded.
type WarmFailure[K comparable] struct {
	Key K
	Err error
}

const mostFailures = 100

// ErrWarm is returned when more keys failed than MaxFailures.
var ErrWarm = errors.New("seawall/cache: too many keys could not be loaded")

// Warm loads keys before anybody asks for them: at most Workers times Batch at
// once, those in L2 from there. It returns when all are done or ctx is, with what
// it has done until then.
func (c *Cache[K, V]) Warm(ctx context.Context, keys iter.Seq[K], cfg WarmConfig) (WarmReport[K], error) {
	if err := errors.Join(
		count("WarmConfig.Workers", &cfg.Workers, 4),
		count("WarmConfig.Batch", &cfg.Batch, 100),
	); err != nil {
		return WarmReport[K]{}, err
	}
	if cfg.Total < 0 || cfg.MaxFailures < -1 {
		return WarmReport[K]{}, fmt.Errorf("seawall/cache: WarmConfig.Total and MaxFailures must not be negative (got %d and %d)", cfg.Total, cfg.MaxFailures)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w := &warming[K, V]{c: c, cfg: cfg, began: time.Now(), stop: cancel}
	w.report.Total = cfg.Total
	batches := make(chan []K)
	var workers sync.WaitGroup
	for range cfg.Workers {
		workers.Go(func() {
			finished := false
			defer func() {
				if finished {
					return
				}
				err := ErrGoexit
				if v := recover(); v != nil { // of Progress or Clone: the caller is told
					err = &PanicError{v, debug.Stack()}
				}
				w.stop(err)
			}()
			for batch := range batches {
				w.load(ctx, batch)
			}
			finished = true
		})
	}
	func() {
		defer workers.Wait() // also if keys panics
		defer close(batches)
		sendAll(ctx, keys, cfg.Batch, batches)
	}()
	w.tell(true)
	return w.report, context.Cause(ctx)
}

// sendAll sends the keys in batches.
func sendAll[K comparable](ctx context.Context, keys iter.Seq[K], size int, to chan<- []K) {
	var batch []K
	send := func() bool {
		select {
		case to <- batch:
			batch = nil
			return true
		case <-ctx.Done():
			return false
		}
	}
	for key := range keys {
		if batch = append(batch, key); len(batch) == size && !send() || ctx.Err() != nil {
			return
		}
	}
	if len(batch) > 0 {
		send()
	}
}

// warming is one call of Warm.
type warming[K comparable, V any] struct {
	c     *Cache[K, V]
	cfg   WarmConfig
	began time.Time
	stop  context.CancelCauseFunc

	mu     sync.Mutex
	report WarmReport[K]
	told   time.Time

	telling sync.Mutex
}

func (w *warming[K, V]) load(ctx context.Context, keys []K) {
	for r := range w.c.getAll(ctx, keys) {
		if r.err != nil && ctx.Err() != nil && errors.Is(r.err, ctx.Err()) {
			return // it was not tried to the end
		}
		w.note(r)
	}
	w.tell(false)
}

func (w *warming[K, V]) note(r result[K, V]) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := &w.report
	p.Done++
	switch {
	case errors.Is(r.err, ErrClosed):
		p.Done--
		w.stop(ErrClosed)
	case r.err == nil && r.loaded:
		p.Loaded++
	case r.err == nil:
		p.Present++
	case errors.Is(r.err, ErrNotFound):
		p.NotFound++
	default:
		p.Failed++
		if len(p.Failures) < mostFailures {
			p.Failures = append(p.Failures, WarmFailure[K]{r.key, r.err})
		}
		if w.cfg.MaxFailures != 0 && p.Failed > max(w.cfg.MaxFailures, 0) {
			w.stop(fmt.Errorf("%w: %d, the last %w", ErrWarm, p.Failed, r.err))
		}
	}
}

// tell tells Progress, under no lock but its own.
func (w *warming[K, V]) tell(end bool) {
	w.mu.Lock()
	now := time.Now()
	w.report.Took = now.Sub(w.began)
	skip := w.cfg.Progress == nil || !end && now.Sub(w.told) < 100*time.Millisecond
	if !skip {
		w.told = now
	}
	w.mu.Unlock()
	if skip {
		return
	}
	w.telling.Lock()
	defer w.telling.Unlock()
	w.mu.Lock()
	p := w.report.WarmProgress
	w.mu.Unlock()
	w.cfg.Progress(p)
}
