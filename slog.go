package seawall

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// LogConfig sets up a LogObserver. The zero value is a good one.
type LogConfig struct {
	// Logger writes the lines. Default slog.Default(), as it is at each line.
	Logger *slog.Logger
	// Every is the least time between two lines about the same: component,
	// name, outcome, reason and dry run. From 100 ms to 24 h. Default 10 s.
	Every time.Duration
	// Level is that of lines about decisions and changes of state. Changes of
	// a limit are always slog.LevelDebug. Default slog.LevelWarn.
	Level slog.Leveler
	// Changes bounds the lines about changes of state, per second. Off writes
	// none. Default 10.
	Changes int
	// Users adds the ID of the user who was refused last. Default false.
	Users bool
}

func (c LogConfig) resolve() (LogConfig, error) {
	switch {
	case c.Every == 0:
		c.Every = 10 * time.Second
	case c.Every < 100*time.Millisecond || c.Every > 24*time.Hour:
		return c, fmt.Errorf("seawall: LogConfig.Every must be between 100ms and 24h (got %v)", c.Every)
	}
	switch {
	case c.Changes == 0:
		c.Changes = 10
	case c.Changes == Off:
		c.Changes = 0
	case c.Changes < 0 || c.Changes > 1000:
		return c, fmt.Errorf("seawall: LogConfig.Changes must be between 1 and 1000, or Off (got %d)", c.Changes)
	}
	if c.Level == nil {
		c.Level = slog.LevelWarn
	}
	return c, nil
}

// LogObserver is an Observer that tells a structured log what a person wants to
// read at night: never a line per refusal. The first refusal of a quiet time is
// logged at once, and then at most one line per Every for each component, name,
// outcome, reason and dry run, with the count since the last line:
//
//	level=WARN msg="seawall: rejected" component=shed name=default reason=overloaded dry_run=false count=8127
//	  priority.normal=1911 priority.sheddable=6216 retry_after_seconds=12 over_seconds=10
//
// retry_after_seconds is the longest that a client was told, over_seconds the
// time since the line before (absent in the first one). What was degraded is
// told in the same form. Changes of state are told one by one, but not more than
// Changes a second: those left out are counted, as "dropped", in the next line.
// Changes of a limit are sampled, one line per Every and instance, at debug
// level. It keeps at most 256 kinds of lines; more are counted together, as
// component "other".
//
// It has no goroutine and no timer. What came after the last line is told with
// the next event of whatever kind, or by Flush.
//
// A refusal costs less than 100 ns and no allocation, an admitted request one
// atomic load (and some 6 ns more while something waits to be told). A line is
// written in the goroutine of the request that makes it due, under no lock.
type LogObserver struct {
	cfg   LogConfig
	start time.Time
	// due is when the first of what is counted but not told may be told, in
	// nanoseconds since start; 0: all has been told.
	due     atomic.Int64
	changes rateOfChanges

	mu      sync.Mutex // of whoever adds to tallies
	tallies atomic.Pointer[map[logKey]*logTally]
}

var (
	_ Observer      = (*LogObserver)(nil)
	_ StateObserver = (*LogObserver)(nil)
	_ LimitObserver = (*LogObserver)(nil)
)

// NewLogObserver returns a LogObserver, or an error that names the field of c
// that is wrong.
func NewLogObserver(c LogConfig) (*LogObserver, error) {
	c, err := c.resolve()
	if err != nil {
		return nil, err
	}
	o := &LogObserver{cfg: c, start: time.Now()}
	o.tallies.Store(&map[logKey]*logTally{})
	return o, nil
}

// Observe counts what was not simply admitted, and writes a line if it is time.
func (o *LogObserver) Observe(ctx context.Context, e Event) {
	if e.Outcome == Admitted {
		// While something is left to tell, one in 64 looks at the clock.
		if o.due.Load() != 0 && rand.Uint32()%64 == 0 {
			o.sweep(o.now())
		}
		return
	}
	t := o.tally(logKey{component: e.Component, name: e.Name, reason: e.Reason, outcome: e.Outcome, dryRun: e.DryRun})
	t.counts[min(max(e.Priority, Background), Critical)-Background].Add(1)
	if r := int64(e.RetryAfter); r > t.longest.Load() {
		raise(&t.longest, r)
	}
	if o.cfg.Users && e.User != 0 {
		t.user.Store(uint64(e.User))
	}
	o.counted(ctx, t)
}

// ObserveState writes a line, unless there have been many this second.
func (o *LogObserver) ObserveState(ctx context.Context, c StateChange) {
	now := o.now()
	o.sweep(now)
	if o.cfg.Changes == 0 {
		return
	}
	if !o.changes.take(now, o.cfg.Changes) {
		o.changes.dropped.Add(1)
		return
	}
	attrs := []slog.Attr{
		slog.String("component", clip(c.Component, maxLogValue)), slog.String("name", clip(c.Name, maxLogValue)),
		slog.String("from", clip(c.From, maxLogValue)), slog.String("to", clip(c.To, maxLogValue)),
	}
	if c.Cause != "" {
		attrs = append(attrs, slog.String("cause", clip(c.Cause, maxLogValue)))
	}
	if n := o.changes.dropped.Swap(0); n > 0 {
		attrs = append(attrs, slog.Uint64("dropped", n))
	}
	o.logger().LogAttrs(ctx, o.cfg.Level.Level(), "seawall: state changed", attrs...)
}

// ObserveLimit writes a line at debug level, at most one per Every and instance.
func (o *LogObserver) ObserveLimit(ctx context.Context, c LimitChange) {
	if !o.logger().Enabled(ctx, slog.LevelDebug) {
		o.sweep(o.now())
		return
	}
	t := o.tally(logKey{component: c.Component, name: c.Name, limit: true})
	latest := c // here and not above: it goes to the heap
	t.limits.Store(&latest)
	t.counts[0].Add(1)
	o.counted(ctx, t)
}

// Flush tells at once what has been counted since the last lines. Call it when
// the program ends. It may be called at any time, and the observer used on.
func (o *LogObserver) Flush() {
	now := o.now()
	for _, t := range *o.tallies.Load() {
		if t.pending() {
			t.next.Store(now + int64(o.cfg.Every))
			o.write(context.Background(), t, now)
		}
	}
	if n := o.changes.dropped.Swap(0); n > 0 {
		o.logger().LogAttrs(context.Background(), o.cfg.Level.Level(), "seawall: state changed too often", slog.Uint64("dropped", n))
	}
}

func (o *LogObserver) logger() *slog.Logger {
	if o.cfg.Logger != nil {
		return o.cfg.Logger
	}
	return slog.Default()
}

// now is at least 1: 0 stands for nothing in due.
func (o *LogObserver) now() int64 { return int64(time.Since(o.start)) + 1 }
