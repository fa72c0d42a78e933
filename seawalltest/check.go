package seawalltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seawall-go/seawall"
)

// defaultPatience is how long a check may take. Those that pass take
// milliseconds; the time is there for machines with other things to do.
const defaultPatience = 10 * time.Second

// check is one running check: what *testing.T is to a test. All that a check
// waits for, it waits for until ctx ends.
type check struct {
	Conformance
	mw    seawall.Middleware
	ctx   context.Context
	label string // of all goroutines that the check started, and their children

	mu       sync.Mutex
	over     bool
	errs     []error
	cleanups []func()
}

var checkCount atomic.Int64

// runCheck runs one check in a goroutine of its own, so that it may be ended by
// fatalf and cannot hang its caller.
func runCheck(info checkInfo, conf Conformance, mw seawall.Middleware) Result {
	if conf.patience == 0 {
		conf.patience = defaultPatience
	}
	if conf.events == 0 {
		conf.events = defaultEvents
	}
	start := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), conf.patience)
	defer cancel()
	c := &check{Conformance: conf, mw: mw, ctx: ctx, label: strconv.FormatInt(checkCount.Add(1), 10)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer c.cleanup()
		defer func() {
			if p := recover(); p != nil {
				c.errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		pprof.SetGoroutineLabels(pprof.WithLabels(ctx, pprof.Labels(checkLabel, c.label)))
		info.run(c)
		if ctx.Err() != nil && !c.failed() { // an error that was hoped for may have been this one
			c.errorf("not done within %v", c.patience)
		}
	}()
	late := time.NewTimer(4 * conf.patience) // waiting and clearing up take one each, at most
	defer late.Stop()
	select {
	case <-done:
	case <-late.C:
		c.errorf("the check hangs")
	}
	return Result{Name: info.name, Err: c.finish(), Took: time.Since(start)}
}

// errorf notes a finding. It may be called from any goroutine.
func (c *check) errorf(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.over && len(c.errs) < 5 { // more tell nothing new
		c.errs = append(c.errs, fmt.Errorf(format, args...))
	}
}

// fatalf notes a finding and ends the check. Only the goroutine of the check may
// call it.
func (c *check) fatalf(format string, args ...any) {
	c.errorf(format, args...)
	runtime.Goexit()
}

// must ends the check if err is not nil.
func (c *check) must(err error, what string) {
	if err != nil {
		c.fatalf("%s: %w", what, err)
	}
}

func (c *check) finish() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	return errors.Join(c.errs...)
}

func (c *check) failed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.errs) > 0
}

// atEnd has f called after the check, the last one first.
func (c *check) atEnd(f func()) { c.cleanups = append(c.cleanups, f) }

func (c *check) cleanup() {
	for i := len(c.cleanups) - 1; i >= 0; i-- {
		c.cleanups[i]()
	}
	c.cleanups = nil
}

// wait waits for ch to be closed or to deliver, and reports whether it was in
// time. Handlers use it too: it only returns.
func wait[T any](c *check, ch <-chan T) (v T, ok bool) {
	select {
	case v = <-ch:
		return v, true
	case <-c.ctx.Done():
		return v, false
	}
}

// await is wait for the goroutine of the check: too late ends the check.
func await[T any](c *check, ch <-chan T, what string) T {
	v, ok := wait(c, ch)
	if !ok {
		c.fatalf("waited %v in vain until %s", c.patience, what)
	}
	return v
}

// eventually polls until cond holds, and reports whether it did in time.
func (c *check) eventually(cond func() bool) bool {
	for pause := time.Millisecond; !cond(); pause = min(2*pause, 50*time.Millisecond) {
		select {
		case <-c.ctx.Done():
			return false
		case <-time.After(pause):
		}
	}
	return true
}

const checkLabel = "seawalltest.check"

// ownGoroutines returns what the goroutine profile says about the goroutines
// that descend from this check, the caller not counted. The runtime hands labels
// down at every go statement, so that those of other tests are told apart.
func (c *check) ownGoroutines() []string {
	var buf bytes.Buffer
	pprof.Lookup("goroutine").WriteTo(&buf, 1)
	mark := fmt.Sprintf("%q:%q", checkLabel, c.label)
	var own []string
	for record := range strings.SplitSeq(buf.String(), "\n\n") {
		if strings.Contains(record, mark) && !strings.Contains(record, "(*check).ownGoroutines") {
			_, stack, _ := strings.Cut(record, " @ ")
			_, stack, _ = strings.Cut(stack, "\n")
			own = append(own, strings.TrimSpace(stack))
		}
	}
	return own
}

// noGoroutines waits until all goroutines of the check but this one are gone.
func (c *check) noGoroutines() {
	if !c.eventually(func() bool { return len(c.ownGoroutines()) == 0 }) {
		own := c.ownGoroutines()
		if len(own) > 0 {
			c.errorf("goroutines are left:\n%s", strings.Join(own[:min(len(own), 10)], "\n\n"))
		}
	}
}

// goroutineID returns the number of the calling goroutine.
func goroutineID() string {
	buf := make([]byte, 64)
	fields := strings.Fields(string(buf[:runtime.Stack(buf, false)]))
	if len(fields) < 2 {
		return ""
	}
	return fields[1]
}
