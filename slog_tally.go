package seawall

import (
	"context"
	"log/slog"
	"maps"
	"math"
	"sync/atomic"
	"time"
)

const (
	// maxLogKeys bounds the kinds of lines a LogObserver counts apart.
	maxLogKeys = 256
	// maxLogValue bounds each text in a line, in bytes.
	maxLogValue = 256
)

// logKey is what lines are counted apart by.
type logKey struct {
	component, name string
	reason          Reason
	outcome         Outcome
	dryRun          bool
	limit           bool // changes of a limit, not decisions
}

// logTally counts what has happened since the last line of its kind.
type logTally struct {
	key logKey
	// next is when a line may be written, last when one was (0: never), in
	// nanoseconds since the observer's start.
	next, last atomic.Int64
	counts     [NumPriorities]atomic.Uint64
	longest    atomic.Int64 // Retry-After, in nanoseconds
	user       atomic.Uint64
	// limits is the latest change, told the one in the last line.
	limits, told atomic.Pointer[LimitChange]
}

func (t *logTally) pending() bool {
	for i := range t.counts {
		if t.counts[i].Load() > 0 {
			return true
		}
	}
	return false
}

// tally returns the counts of a kind of line. The map is copied when one is
// added, so that looking takes no lock. Kinds beyond the bound share the counts
// of "other".
func (o *LogObserver) tally(key logKey) *logTally {
	all := *o.tallies.Load()
	t := all[key]
	if t == nil && len(all) >= maxLogKeys {
		key = key.other()
		t = all[key]
	}
	if t == nil {
		t = o.addTally(key)
	}
	return t
}

func (o *LogObserver) addTally(key logKey) *logTally {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := *o.tallies.Load()
	if len(all) >= maxLogKeys {
		key = key.other()
	}
	if t := all[key]; t != nil {
		return t
	}
	t := &logTally{key: key}
	more := maps.Clone(all)
	more[key] = t
	o.tallies.Store(&more)
	return t
}

// other is the key under which those beyond the bound are counted.
func (k logKey) other() logKey {
	k.component, k.name, k.reason = "other", "other", "other"
	k.outcome = min(k.outcome, Degraded+1)
	return k
}

// counted writes a line if one is due, and otherwise sees to it that somebody
// later does. Lines of other kinds that are due it writes as well.
func (o *LogObserver) counted(ctx context.Context, t *logTally) {
	now, next := o.now(), t.next.Load()
	if now >= next && t.next.CompareAndSwap(next, now+int64(o.cfg.Every)) {
		o.write(ctx, t, now)
	} else {
		o.owe(t.next.Load())
	}
	o.sweep(now)
}

// owe notes that there is something to tell at a time.
func (o *LogObserver) owe(at int64) {
	for {
		due := o.due.Load()
		if due != 0 && due <= at || o.due.CompareAndSwap(due, at) {
			return
		}
	}
}

// sweep tells all that is due. Whoever counts does so before it owes, so that
// what this passes by is owed again.
func (o *LogObserver) sweep(now int64) {
	due := o.due.Load()
	if due == 0 || now < due || !o.due.CompareAndSwap(due, 0) {
		return
	}
	for _, t := range *o.tallies.Load() {
		if !t.pending() {
			continue
		}
		next := t.next.Load()
		if now < next || !t.next.CompareAndSwap(next, now+int64(o.cfg.Every)) {
			o.owe(t.next.Load())
			continue
		}
		o.write(context.Background(), t, now) // nobody's request in particular
	}
}

// write takes the counts and tells them. Somebody else may have taken them:
// then there is nothing to tell.
func (o *LogObserver) write(ctx context.Context, t *logTally, now int64) {
	count := uint64(0)
	var priorities []any
	for _, p := range Priorities() {
		if n := t.counts[p-Background].Swap(0); n > 0 {
			count += n
			priorities = append(priorities, slog.Uint64(p.String(), n))
		}
	}
	if count == 0 {
		return
	}
	last := t.last.Swap(now)
	if t.key.limit {
		o.writeLimit(ctx, t, count)
		return
	}
	attrs := []slog.Attr{
		slog.String("component", clip(t.key.component, maxLogValue)), slog.String("name", clip(t.key.name, maxLogValue)),
		slog.String("reason", clip(string(t.key.reason), maxLogValue)), slog.Bool("dry_run", t.key.dryRun),
		slog.Uint64("count", count), slog.Group("priority", priorities...),
	}
	if longest := t.longest.Swap(0); longest > 0 {
		seconds := (&Rejection{RetryAfter: time.Duration(longest)}).RetryAfterSeconds()
		attrs = append(attrs, slog.Int("retry_after_seconds", seconds))
	}
	if last > 0 {
		attrs = append(attrs, slog.Int64("over_seconds", int64(time.Duration(now-last).Round(time.Second)/time.Second)))
	}
	if user := t.user.Swap(0); user != 0 {
		attrs = append(attrs, slog.String("user", ID(user).String()))
	}
	o.logger().LogAttrs(ctx, o.cfg.Level.Level(), "seawall: "+t.key.outcome.String(), attrs...)
}

// writeLimit tells where the limit is now and where it was in the line before.
func (o *LogObserver) writeLimit(ctx context.Context, t *logTally, count uint64) {
	c := t.limits.Load()
	from := c.From
	if before := t.told.Swap(c); before != nil {
		from = before.To
	}
	o.logger().LogAttrs(ctx, slog.LevelDebug, "seawall: limit changed",
		slog.String("component", clip(t.key.component, maxLogValue)), slog.String("name", clip(t.key.name, maxLogValue)),
		slog.Float64("from", from), slog.Float64("to", c.To), slog.Uint64("count", count))
}

// raise sets a to v unless it is higher already.
func raise(a *atomic.Int64, v int64) {
	for {
		old := a.Load()
		if v <= old || a.CompareAndSwap(old, v) {
			return
		}
	}
}

// rateOfChanges lets so many through in each second of the clock.
type rateOfChanges struct {
	window  atomic.Uint64 // the second in the upper half, the count in the lower
	dropped atomic.Uint64
}

func (r *rateOfChanges) take(now int64, most int) bool {
	second := uint64(now/int64(time.Second)) << 32
	for {
		old := r.window.Load()
		taken := old & math.MaxUint32
		if old&^math.MaxUint32 != second {
			taken = 0
		}
		if taken >= uint64(most) {
			return false
		}
		if r.window.CompareAndSwap(old, second|(taken+1)) {
			return true
		}
	}
}
