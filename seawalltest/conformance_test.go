package seawalltest

import (
	"errors"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
)

// checkNamed runs one check.
func (c Conformance) checkNamed(t *testing.T, name string, mw seawall.Middleware) Result {
	t.Helper()
	i := slices.IndexFunc(allChecks(), func(info checkInfo) bool { return info.name == name })
	if i < 0 {
		t.Fatalf("no check %q", name)
	}
	return c.check(allChecks()[i], mw)
}

// failed returns the names of the checks that found something.
func failed(results []Result) []string {
	var names []string
	for _, r := range results {
		if r.Err != nil {
			names = append(names, r.Name)
		}
	}
	return names
}

func TestCheckNames(t *testing.T) {
	names := Checks()
	if len(names) != 62 {
		t.Errorf("%d checks, want 62", len(names))
	}
	slices.Sort(names)
	if unique := slices.Compact(slices.Clone(names)); len(unique) != len(names) {
		t.Errorf("names are used twice: %v", names)
	}
}

// The bare handler passes all there is to pass.
func TestConformanceBare(t *testing.T) {
	Conformance{}.Run(t, identity)
}

// A limiter that is made well passes everything.
func TestConformanceLimiter(t *testing.T) {
	t.Parallel()
	for _, waits := range []bool{false, true} {
		fresh := func(n int) *limiter {
			l := newLimiter(n, giveAlways)
			l.wait = waits
			return l
		}
		l := fresh(64)
		results := Conformance{
			InFlight: l.InFlight,
			Limited:  func(n int) seawall.Middleware { return fresh(n).Middleware },
			New:      func() seawall.Middleware { return fresh(64).Middleware },
		}.Check(l.Middleware)
		for _, r := range results {
			if r.Err != nil || r.Skipped != "" {
				t.Errorf("waits %v: %v", waits, r)
			}
		}
	}
}

// What three handlers of the standard library and the two most common ways to
// record a status break.
func TestConformanceFinds(t *testing.T) {
	t.Parallel()
	assertions := []string{"flusher", "hijacker", "readerfrom", "stringwriter", "h2-flusher", "h2-pusher"}
	controller := []string{"rc-flush", "rc-hijack", "rc-readdeadline", "rc-writedeadline", "rc-fullduplex"}
	for name, test := range map[string]struct {
		mw   seawall.Middleware
		want []string
	}{
		"MaxBytesHandler": {maxBytesHandler, []string{"pattern-outward"}},
		"adds a field":    {around(addsField), []string{"headers-exact"}},
		"recorder+Unwrap": {unwrapped, slices.Concat(assertions, []string{"maxbytes-close", "websocket"})},
		"repanicking":     {around(repanicker), []string{"panic-origin"}},
		"recovering":      {around(recoverer), []string{"panic-propagates", "panic-origin", "abort-handler", "h2-abort-resets", "abort-before-write"}},
		"recorder": {naive, slices.Concat(assertions, controller, []string{
			"stream-first-byte", "h2-stream-first-byte", "maxbytes-close", "full-duplex", "h2-duplex", "websocket", "websocket-rc",
		})},
		"TimeoutHandler": {timeoutHandler, slices.Concat(assertions[:5], controller, []string{
			"no-fake-pusher", "headers-exact", "stream-first-byte", "h2-stream-first-byte", "no-buffering", "early-hints",
			"ctx-no-deadline", "maxbytes-close", "full-duplex", "h2-duplex", "pattern-outward", "panic-origin",
			"same-goroutine", "websocket", "websocket-rc",
		})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			results := Conformance{}.Check(test.mw)
			got := failed(results)
			slices.Sort(got)
			slices.Sort(test.want)
			if !slices.Equal(got, test.want) {
				t.Errorf("fails %d:\n%v\nwant %d:\n%v", len(got), got, len(test.want), test.want)
				for _, r := range results {
					if (r.Err != nil) != slices.Contains(test.want, r.Name) {
						t.Log(r)
					}
				}
			}
		})
	}
}

// defects are middlewares and the checks that must find what is wrong with them.
// Together with those of TestConformanceFinds they cover all checks.
func defects(stop <-chan struct{}) map[string]struct {
	conf Conformance
	mw   seawall.Middleware
	want []string
} {
	type defect = struct {
		conf Conformance
		mw   seawall.Middleware
		want []string
	}
	wrapped := func(wrap func(http.ResponseWriter) http.ResponseWriter, want ...string) defect {
		return defect{Conformance{}, wrapping(wrap), want}
	}
	simple := func(f func(http.Handler, http.ResponseWriter, *http.Request), want ...string) defect {
		return defect{Conformance{}, around(f), want}
	}
	leaking := func(give func(*limiter, http.Handler, http.ResponseWriter, *http.Request), want ...string) defect {
		l := newLimiter(1<<20, give)
		return defect{Conformance{InFlight: l.InFlight}, l.Middleware, want}
	}
	limited := func(more int) defect {
		return defect{Conformance{Limited: func(n int) seawall.Middleware {
			return newLimiter(n+more, giveAlways).Middleware
		}}, identity, []string{"limit-exact"}}
	}
	return map[string]defect{
		"boaster": wrapped(func(w http.ResponseWriter) http.ResponseWriter { return boaster{w} },
			"h2-no-fake-hijack", "bare-writer"),
		"earlyHeader": wrapped(func(w http.ResponseWriter) http.ResponseWriter {
			return &earlyHeader{w, w.Header().Clone(), false}
		}, "trailers", "h2-trailers"),
		"lazyStatus": wrapped(func(w http.ResponseWriter) http.ResponseWriter { return &lazyStatus{w, 0} },
			"double-writeheader", "bad-status-panics"),
		"deafWriter": wrapped(func(w http.ResponseWriter) http.ResponseWriter { return deafWriter{w} },
			"write-error", "rc-writedeadline"),
		"deafFlush": wrapped(func(w http.ResponseWriter) http.ResponseWriter { return deafFlush{w} },
			"flusher", "h2-flusher", "stream-first-byte", "h2-stream-first-byte"),
		"doubleStatus":  simple(doubleStatus, "no-superfluous"),
		"shortBody":     simple(shortBody, "upload", "multipart"),
		"readAhead":     simple(readAhead, "expect-100"),
		"unconditional": simple(unconditional, "304", "range", "request-intact"),
		"noHead":        simple(noHead, "head"),
		"fixedType":     simple(fixedType, "sniff", "headers-exact"),
		"deafContext":   simple(deafContext, "disconnect-cancels", "h2-reset-cancels", "pattern-outward"),
		"newRequest":    simple(newRequest, "pathvalue-inward", "request-intact"),
		"closer":        simple(closer, "keepalive"),
		"noHTTP10":      simple(noHTTP10, "http10"),
		"detacher":      simple(detacher, "shutdown-waits", "same-goroutine"),
		"oneByOne":      {Conformance{}, oneByOne, []string{"h2-concurrent"}},
		"one seat":      {Conformance{}, newLimiter(1, giveAlways).Middleware, []string{"stack-twice"}},
		"per request":   {Conformance{}, spawner(stop, false, true), []string{"no-goroutine-leak", "no-bg-goroutines"}},
		"at start":      {Conformance{}, spawner(stop, true, false), []string{"no-goroutine-leak", "no-bg-goroutines"}},
		"at New": {Conformance{New: func() seawall.Middleware {
			go plantedLeak(stop)
			return identity
		}}, identity, []string{"no-bg-goroutines"}},
		"givePlainly":        leaking(givePlainly, "slots-after-panic", "slots-after-abort", "slots-after-goexit", "stack-twice"),
		"giveOnRecover":      leaking(giveOnRecover, "slots-after-goexit"),
		"giveIfConnected":    leaking(giveIfConnected, "slots-after-disconnect"),
		"giveUnlessHijacked": leaking(giveUnlessHijacked, "slots-after-hijack"),
		"one too many":       limited(+1),
		"one too few":        limited(-1),
		"no count": {Conformance{InFlight: func() int { return 0 }}, identity, []string{
			"slots-after-panic", "slots-after-disconnect",
		}},
	}
}

func TestDefectsAreFound(t *testing.T) {
	t.Parallel()
	found := make(map[string]bool)
	for _, name := range []string{"hijacker", "readerfrom", "stringwriter", "h2-pusher", "no-fake-pusher", "rc-flush", "rc-hijack",
		"rc-readdeadline", "rc-fullduplex", "no-buffering", "early-hints", "ctx-no-deadline", "maxbytes-close",
		"full-duplex", "h2-duplex", "panic-propagates", "panic-origin", "abort-handler", "abort-before-write",
		"h2-abort-resets", "websocket", "websocket-rc"} {
		found[name] = true // in TestConformanceFinds
	}
	stop := make(chan struct{})
	defer close(stop)
	var all sync.WaitGroup // at once, as some pay all their patience
	for name, defect := range defects(stop) {
		for _, want := range defect.want {
			found[want] = true
			all.Go(func() {
				fresh := defects(stop)[name]
				fresh.conf.patience, fresh.conf.events = 3*time.Second, 100
				if r := fresh.conf.checkNamed(t, want, fresh.mw); r.Err == nil {
					t.Errorf("%s: %v", name, r)
				} else {
					t.Logf("%s: %v", name, r)
				}
			})
		}
	}
	all.Wait()
	for _, name := range Checks() {
		if !found[name] {
			t.Errorf("no test sees %s fail", name)
		}
	}
}

// A middleware that never returns is a finding, and not the end of the test.
func TestCheckDoesNotHang(t *testing.T) {
	stop := make(chan struct{})
	stuck := func(http.Handler) http.Handler {
		return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stop })
	}
	defer close(stop)
	for _, name := range []string{"sniff", "shutdown-waits", "pattern-outward", "bare-writer"} {
		if r := (Conformance{patience: 50 * time.Millisecond}).checkNamed(t, name, stuck); r.Err == nil {
			t.Errorf("%v", r)
		} else {
			t.Log(r)
		}
	}
}

func TestCheckSurvivesPanicInMiddleware(t *testing.T) {
	r := Conformance{}.check(allChecks()[0], func(http.Handler) http.Handler { panic("no") })
	if r.Err == nil || !strings.Contains(r.Err.Error(), "panic: no") {
		t.Errorf("%v", r)
	}
}

func TestResultString(t *testing.T) {
	for want, r := range map[string]Result{
		"a: ok":           {Name: "a"},
		"a: b":            {Name: "a", Err: errors.New("b")},
		"a: skipped: why": {Name: "a", Skipped: "why"},
	} {
		if got := r.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestValidate(t *testing.T) {
	if err := (Conformance{Except: []string{"head", "304"}}).validate(identity); err != nil {
		t.Error(err)
	}
	err := Conformance{Except: []string{"head", "tail", "x"}}.validate(identity)
	if err == nil || !strings.Contains(err.Error(), "tail, x") {
		t.Errorf("unknown names: %v", err)
	}
	if err := (Conformance{}).validate(nil); err == nil {
		t.Error("a nil middleware is taken")
	}
}

// TestRunInChild is run by TestRun, in a process of its own, as it must fail.
func TestRunInChild(t *testing.T) {
	switch os.Getenv("SEAWALLTEST_RUN") {
	case "":
		t.Skip("a part of TestRun")
	case "naive":
		Conformance{Except: []string{"hijacker", "keepalive"}}.Run(t, naive)
	case "unknown":
		Conformance{Except: []string{"tail"}}.Run(t, identity)
	}
}

func TestRun(t *testing.T) {
	run := func(mode string) string {
		cmd := exec.Command(os.Args[0], "-test.v", "-test.run=^TestRunInChild$/^(flusher|hijacker|keepalive|head|slots-after-panic)$")
		cmd.Env = append(os.Environ(), "SEAWALLTEST_RUN="+mode)
		out, err := cmd.CombinedOutput()
		if err == nil {
			t.Errorf("%s: the test passes", mode)
		}
		return string(out)
	}
	out := run("naive")
	for _, want := range []string{
		"--- FAIL: TestRunInChild/flusher",
		"--- PASS: TestRunInChild/hijacker", "excepted: *seawalltest.naiveRecorder is no http.Hijacker",
		"--- PASS: TestRunInChild/keepalive", "excepted, but passes",
		"--- PASS: TestRunInChild/head",
		"--- SKIP: TestRunInChild/slots-after-panic", "Conformance.InFlight is nil",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	if out := run("unknown"); !strings.Contains(out, "unknown checks: tail") {
		t.Errorf("an unknown exception:\n%s", out)
	}
}
