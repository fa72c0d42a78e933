package seawall_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
)

// lines is a log that tests can read, one line a record, without the time.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// take returns the lines since the last call.
func (l *lines) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.text.Reset()
	return strings.FieldsFunc(l.text.String(), func(r rune) bool { return r == '\n' })
}

func (l *lines) logger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

func newLog(t *testing.T, cfg seawall.LogConfig) (*seawall.LogObserver, *lines) {
	t.Helper()
	var out lines
	cfg.Logger = out.logger(slog.LevelDebug)
	o, err := seawall.NewLogObserver(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return o, &out
}

// wantLines compares the lines since the last call.
func wantLines(t *testing.T, out *lines, want ...string) {
	t.Helper()
	got := out.take()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the log says\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

var refusal = seawall.Event{
	Component: "shed", Name: "api", Outcome: seawall.Rejected, Reason: seawall.Overloaded,
	Priority: seawall.Normal, RetryAfter: 3 * time.Second, User: 0xfeed,
}

func with(e seawall.Event, change func(*seawall.Event)) seawall.Event {
	change(&e)
	return e
}

func TestLogFirstAtOnceThenOnePerEvery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, out := newLog(t, seawall.LogConfig{})
		ctx := t.Context()
		first := `level=WARN msg="seawall: rejected" component=shed name=api reason=overloaded dry_run=false count=1 priority.normal=1 retry_after_seconds=3`
		o.Observe(ctx, refusal)
		wantLines(t, out, first)

		time.Sleep(9 * time.Second)
		for range 1000 {
			o.Observe(ctx, with(refusal, func(e *seawall.Event) { e.Priority, e.RetryAfter = seawall.Background, 1500*time.Millisecond }))
		}
		o.Observe(ctx, with(refusal, func(e *seawall.Event) { e.Priority, e.RetryAfter = seawall.Critical, 11*time.Second+1 }))
		wantLines(t, out)

		time.Sleep(time.Second)
		o.Observe(ctx, refusal)
		wantLines(t, out, `level=WARN msg="seawall: rejected" component=shed name=api reason=overloaded dry_run=false count=1002 `+
			`priority.critical=1 priority.normal=1 priority.background=1000 retry_after_seconds=12 over_seconds=10`)

		time.Sleep(time.Hour) // quiet: the next is told at once again
		o.Observe(ctx, refusal)
		wantLines(t, out, first+" over_seconds=3600")
	})
}

func TestLogTellsKindsApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, out := newLog(t, seawall.LogConfig{Level: slog.LevelError})
		for range 2 {
			for _, change := range []func(*seawall.Event){
				func(*seawall.Event) {},
				func(e *seawall.Event) { e.DryRun = true },
				func(e *seawall.Event) { e.Name = "b" },
				func(e *seawall.Event) { e.Component, e.Reason = "ratelimit", seawall.RateLimited },
				func(e *seawall.Event) { e.Outcome, e.Reason = seawall.Degraded, "stale" },
				func(e *seawall.Event) { e.Outcome, e.Reason = 200, "?" },
				func(e *seawall.Event) { e.Outcome, e.Reason = seawall.Admitted, "" }, // nobody wants to know
			} {
				o.Observe(t.Context(), with(refusal, func(e *seawall.Event) { e.RetryAfter = 0; change(e) }))
			}
		}
		const end = " count=1 priority.normal=1"
		wantLines(t, out,
			`level=ERROR msg="seawall: rejected" component=shed name=api reason=overloaded dry_run=false`+end,
			`level=ERROR msg="seawall: rejected" component=shed name=api reason=overloaded dry_run=true`+end,
			`level=ERROR msg="seawall: rejected" component=shed name=b reason=overloaded dry_run=false`+end,
			`level=ERROR msg="seawall: rejected" component=ratelimit name=api reason=rate_limited dry_run=false`+end,
			`level=ERROR msg="seawall: degraded" component=shed name=api reason=stale dry_run=false`+end,
			`level=ERROR msg="seawall: unknown" component=shed name=api reason=? dry_run=false`+end,
		)
	})
}

// What was counted after the last line is told by whatever comes next.
func TestLogTellsTheRest(t *testing.T) {
	const rest = `level=WARN msg="seawall: rejected" component=shed name=api reason=overloaded dry_run=false count=7 ` +
		`priority.normal=7 retry_after_seconds=3 over_seconds=`
	for name, next := range map[string]func(o *seawall.LogObserver, ctx context.Context){
		"admitted": func(o *seawall.LogObserver, ctx context.Context) {
			for range 64 * 40 { // each has a chance of 1 in 64
				o.Observe(ctx, seawall.Event{Component: "shed", Name: "api"})
			}
		},
		"another kind": func(o *seawall.LogObserver, ctx context.Context) {
			o.Observe(ctx, with(refusal, func(e *seawall.Event) { e.Name = "other" }))
		},
		"state": func(o *seawall.LogObserver, ctx context.Context) { o.ObserveState(ctx, seawall.StateChange{}) },
		"limit": func(o *seawall.LogObserver, ctx context.Context) { o.ObserveLimit(ctx, seawall.LimitChange{}) },
		"flush": func(o *seawall.LogObserver, _ context.Context) { o.Flush() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, out := newLog(t, seawall.LogConfig{})
				for range 8 {
					o.Observe(t.Context(), refusal)
				}
				out.take()
				if name != "flush" {
					time.Sleep(9 * time.Second)
					next(o, t.Context()) // not due yet, but may have lines of its own
					if all := strings.Join(out.take(), "\n"); strings.Contains(all, "count=7") {
						t.Errorf("told too early: %s", all)
					}
					time.Sleep(time.Second)
				}
				next(o, t.Context())
				if all := strings.Join(out.take(), "\n"); strings.Count(all, rest) != 1 {
					t.Errorf("the log says\n%s\nwant once\n%s", all, rest)
				}
				time.Sleep(time.Hour)
				next(o, t.Context())
				if all := strings.Join(out.take(), "\n"); strings.Contains(all, "name=api") {
					t.Errorf("told twice: %s", all)
				}
			})
		})
	}
}

func TestLogFlushCountsAsALine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, out := newLog(t, seawall.LogConfig{Every: time.Second})
		o.Flush()
		wantLines(t, out)
		o.Observe(t.Context(), refusal)
		o.Observe(t.Context(), refusal)
		time.Sleep(time.Second)
		o.Flush()
		out.take()
		o.Observe(t.Context(), refusal)
		wantLines(t, out)
		time.Sleep(time.Second)
		o.Observe(t.Context(), refusal)
		if got := out.take(); len(got) != 1 || !strings.Contains(got[0], "count=2 ") {
			t.Errorf("%q", got)
		}
	})
}

func TestLogUsers(t *testing.T) {
	for users, want := range map[bool]string{false: "", true: " user=000000000000feed"} {
		o, out := newLog(t, seawall.LogConfig{Users: users})
		o.Observe(t.Context(), refusal)
		wantLines(t, out, `level=WARN msg="seawall: rejected" component=shed name=api reason=overloaded dry_run=false count=1 `+
			`priority.normal=1 retry_after_seconds=3`+want)
	}
}

func TestLogStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, out := newLog(t, seawall.LogConfig{Changes: 2})
		change := seawall.StateChange{Component: "breaker", Name: "payments", From: "closed", To: "open", Cause: "7 of 10 calls failed"}
		line := `level=WARN msg="seawall: state changed" component=breaker name=payments from=closed to=open cause="7 of 10 calls failed"`
		for range 5 {
			o.ObserveState(t.Context(), change)
		}
		wantLines(t, out, line, line)
		time.Sleep(time.Second)
		o.ObserveState(t.Context(), change)
		wantLines(t, out, line+" dropped=3")
		for range 3 {
			o.ObserveState(t.Context(), seawall.StateChange{Component: "shed", To: "hold"})
		}
		wantLines(t, out, `level=WARN msg="seawall: state changed" component=shed name="" from="" to=hold`)
		o.Flush()
		wantLines(t, out, `level=WARN msg="seawall: state changed too often" dropped=2`)

		o, out = newLog(t, seawall.LogConfig{Changes: seawall.Off})
		o.ObserveState(t.Context(), change)
		o.Flush()
		wantLines(t, out)
	})
}

func TestLogLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, out := newLog(t, seawall.LogConfig{})
		for to := range 30 { // 0, where the limit begins, is a limit like any other
			o.ObserveLimit(t.Context(), seawall.LimitChange{Component: "shed", Name: "api", From: float64(to) - 1, To: float64(to)})
		}
		wantLines(t, out, `level=DEBUG msg="seawall: limit changed" component=shed name=api from=-1 to=0 count=1`)
		time.Sleep(10 * time.Second)
		o.ObserveLimit(t.Context(), seawall.LimitChange{Component: "shed", Name: "api", From: 29, To: 30})
		wantLines(t, out, `level=DEBUG msg="seawall: limit changed" component=shed name=api from=0 to=30 count=30`)

		var quiet lines
		o = seawall.Must(seawall.NewLogObserver(seawall.LogConfig{Logger: quiet.logger(slog.LevelInfo)}))
		o.ObserveLimit(t.Context(), seawall.LimitChange{})
		o.Flush()
		wantLines(t, &quiet)
	})
}

// Kinds beyond the bound are counted together, and nothing is lost.
func TestLogKeysAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, out := newLog(t, seawall.LogConfig{})
		for i := range 1000 {
			o.Observe(t.Context(), with(refusal, func(e *seawall.Event) { e.Name = fmt.Sprint("n", i) }))
		}
		o.Flush()
		got := out.take()
		if len(got) != 258 || !strings.Contains(got[257], "component=other name=other reason=other dry_run=false count=743 ") {
			t.Errorf("%d lines, the last %q", len(got), got[len(got)-1])
		}
	})
}

func TestLogTextIsCut(t *testing.T) {
	o, out := newLog(t, seawall.LogConfig{})
	long := strings.Repeat("x", 10_000)
	o.Observe(t.Context(), seawall.Event{Component: long, Name: long, Reason: seawall.Reason(long), Outcome: seawall.Rejected, Priority: -128})
	o.Observe(t.Context(), seawall.Event{Component: "a\nb", Outcome: seawall.Rejected, Priority: 127})
	o.ObserveState(t.Context(), seawall.StateChange{Component: long, Name: long, From: long, To: long, Cause: long})
	o.ObserveLimit(t.Context(), seawall.LimitChange{Component: long, Name: long})
	got := out.take()
	for _, line := range got {
		if len(line) > 1500 {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
	if len(got) != 4 || !strings.HasSuffix(got[0], "priority.background=1") || !strings.Contains(got[1], `component="a\nb"`) || !strings.HasSuffix(got[1], "priority.critical=1") {
		t.Errorf("%q", got)
	}
}

func TestLogConfigMistakes(t *testing.T) {
	for want, cfg := range map[string]seawall.LogConfig{
		"seawall: LogConfig.Every must be between 100ms and 24h (got -1ns)":              {Every: seawall.Off},
		"seawall: LogConfig.Every must be between 100ms and 24h (got 1ms)":               {Every: time.Millisecond},
		"seawall: LogConfig.Every must be between 100ms and 24h (got 25h0m0s)":           {Every: 25 * time.Hour},
		"seawall: LogConfig.Changes must be between 1 and 1000, or Off (got -2)":         {Changes: -2},
		"seawall: LogConfig.Changes must be between 1 and 1000, or Off (got 1000000000)": {Changes: 1e9},
	} {
		if o, err := seawall.NewLogObserver(cfg); o != nil || err == nil || err.Error() != want {
			t.Errorf("%+v: %v, %v; want %s", cfg, o, err, want)
		}
	}
}

// The default logger is the one of the moment, not of the start.
func TestLogDefaultLogger(t *testing.T) {
	o := seawall.Must(seawall.NewLogObserver(seawall.LogConfig{}))
	old := slog.Default()
	defer slog.SetDefault(old)
	var out lines
	slog.SetDefault(out.logger(slog.LevelInfo))
	o.Observe(t.Context(), refusal)
	if got := out.take(); len(got) != 1 {
		t.Errorf("%q", got)
	}
}

// counting sums what the lines say, as a handler that many write to at once.
type counting struct {
	slog.Handler
	sum, lines atomic.Uint64
}

func (c *counting) Enabled(context.Context, slog.Level) bool { return true }

func (c *counting) Handle(_ context.Context, r slog.Record) error {
	c.lines.Add(1)
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "count" {
			c.sum.Add(a.Value.Uint64())
		}
		return true
	})
	return nil
}

// Whatever happens at once, the lines together tell every event exactly once,
// and there are no more of them than Every allows.
func TestLogLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c counting
		o := seawall.Must(seawall.NewLogObserver(seawall.LogConfig{Logger: slog.New(&c), Every: time.Second}))
		const workers, each, kinds = 8, 3000, 3
		want := atomic.Uint64{}
		var wg sync.WaitGroup
		for w := range workers {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(1, uint64(w)))
				for range each {
					e := with(refusal, func(e *seawall.Event) { e.Priority = seawall.Background + seawall.Priority(r.IntN(4)) })
					switch r.IntN(10) {
					case 0:
						e.Outcome = seawall.Admitted
					case 1:
						e.DryRun = true
						want.Add(1)
					case 2:
						e.Outcome = seawall.Degraded
						want.Add(1)
					default:
						want.Add(1)
					}
					o.Observe(t.Context(), e)
					if r.IntN(100) == 0 {
						time.Sleep(time.Duration(r.IntN(2000)) * time.Millisecond)
					}
				}
			})
		}
		began := time.Now()
		wg.Wait()
		seconds := uint64(time.Since(began)/time.Second) + 1
		if n := c.lines.Load(); n > seconds*kinds || n < seconds/2 {
			t.Errorf("%d lines in %d s", n, seconds)
		}
		o.Flush()
		if c.sum.Load() != want.Load() {
			t.Errorf("the lines tell %d events, there were %d", c.sum.Load(), want.Load())
		}
	})
}

func BenchmarkLogObserver(b *testing.B) {
	for name, e := range map[string]seawall.Event{
		"admitted": {Component: "shed", Name: "api"},
		"rejected": refusal,
	} {
		b.Run(name, func(b *testing.B) {
			o := seawall.Must(seawall.NewLogObserver(seawall.LogConfig{Logger: slog.New(slog.DiscardHandler)}))
			o.Observe(b.Context(), refusal)
			b.ReportAllocs()
			for b.Loop() {
				o.Observe(b.Context(), e)
			}
		})
		b.Run(name+"/parallel", func(b *testing.B) {
			o := seawall.Must(seawall.NewLogObserver(seawall.LogConfig{Logger: slog.New(slog.DiscardHandler)}))
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					o.Observe(context.Background(), e)
				}
			})
		})
	}
}
