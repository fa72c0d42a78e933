//house:sleep the leak check looks at goroutines outside of any bubble

package seawalltest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"testing"
	"time"
)

const plantedGrace = 50 * time.Millisecond

// plantedLeak is the function that must show up in the reports. It ends when
// stop is closed.
func plantedLeak(stop <-chan struct{}) { <-stop }

// fakeTB records what would have failed the test, and runs cleanups when told.
type fakeTB struct {
	testing.TB
	errors   []string
	cleanups []func()
}

func (f *fakeTB) Helper()                      {}
func (f *fakeTB) Cleanup(c func())             { f.cleanups = append(f.cleanups, c) }
func (f *fakeTB) Errorf(s string, args ...any) { f.errors = append(f.errors, fmt.Sprintf(s, args...)) }

func (f *fakeTB) end() {
	for i := len(f.cleanups) - 1; i >= 0; i-- {
		f.cleanups[i]()
	}
	f.cleanups = nil
}

func TestRunAndCheckFindsLeak(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	var out bytes.Buffer
	code := runAndCheck(func() int { go plantedLeak(stop); return 0 }, &out, plantedGrace, nil)
	if code != 1 {
		t.Errorf("code %d with a leak, want 1", code)
	}
	for _, want := range []string{"left 1 goroutines", "plantedLeak", "leak_test.go"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("report has no %q:\n%s", want, out.String())
		}
	}
}

func TestRunAndCheckIgnores(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	var out bytes.Buffer
	code := runAndCheck(func() int { go plantedLeak(stop); return 0 }, &out, plantedGrace, []string{"seawalltest.plantedLeak"})
	if code != 0 || out.Len() > 0 {
		t.Errorf("code %d, report %q for an ignored stack", code, out.String())
	}
}

func TestRunAndCheckKeepsFailure(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	var out bytes.Buffer
	code := runAndCheck(func() int { go plantedLeak(stop); return 3 }, &out, time.Hour, nil)
	if code != 3 || out.Len() > 0 {
		t.Errorf("code %d, report %q after failed tests; want 3 and none", code, out.String())
	}
}

func TestRunAndCheckWaits(t *testing.T) {
	var out bytes.Buffer
	code := runAndCheck(func() int {
		go func() { time.Sleep(20 * time.Millisecond) }()
		return 0
	}, &out, time.Minute, nil)
	if code != 0 {
		t.Errorf("a goroutine that ends in time is reported:\n%s", out.String())
	}
}

// TestMainFailsOnLeak runs this test binary again, so that the exit code is seen.
func TestMainFailsOnLeak(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), "SEAWALLTEST_PLANT_LEAK=1")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != 1 {
		t.Fatalf("exit: %v, want 1\n%s", err, out)
	}
	if !strings.Contains(string(out), "plantedLeak") {
		t.Errorf("no stack of the leak:\n%s", out)
	}
}

func TestCheckLeaks(t *testing.T) {
	fake := &fakeTB{TB: t}
	CheckLeaks(fake)
	stop := make(chan struct{})
	go plantedLeak(stop)
	time.AfterFunc(20*time.Millisecond, func() { close(stop) })
	fake.end()
	if len(fake.errors) > 0 {
		t.Errorf("reported though it ended in time: %s", fake.errors)
	}
}

func TestCheckLeaksFindsLeak(t *testing.T) {
	before := goroutines()
	stop := make(chan struct{})
	go plantedLeak(stop)
	leaked := awaitEnd(before, plantedGrace, nil)
	if len(leaked) != 1 || !strings.Contains(leaked[0].entry, "plantedLeak") {
		t.Errorf("leaked: %+v, want plantedLeak", leaked)
	}
	// What was there at the call is not the test's.
	if leaked := awaitEnd(goroutines(), 0, nil); len(leaked) > 0 {
		t.Errorf("an old goroutine counts: %+v", leaked)
	}
	close(stop)
	if leaked := awaitEnd(before, time.Minute, nil); len(leaked) > 0 {
		t.Errorf("still there: %+v", leaked)
	}
}

func TestLeakCheckClosesDefaultTransport(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	before := goroutines()
	resp, err := http.Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, resp.Body) // else it is not kept alive
	resp.Body.Close()
	if leaked := awaitEnd(before, 10*time.Second, nil); len(leaked) > 0 {
		t.Errorf("keep-alive goroutines count:\n%s", joinStacks(leaked))
	}
}

func TestSystemGoroutinesDoNotCount(t *testing.T) {
	before := goroutines()
	c := make(chan os.Signal, 1)
	signal.Notify(c, os.Interrupt) // starts a loop that never ends
	defer signal.Stop(c)
	if leaked := awaitEnd(before, 0, nil); len(leaked) > 0 {
		t.Errorf("leaked:\n%s", joinStacks(leaked))
	}
}

func TestParseGoroutine(t *testing.T) {
	const stack = "goroutine 34 [chan receive (durable), 2 minutes, synctest bubble 5]:\n" +
		"a.wait(0xc000)\n\t/src/a.go:3 +0x1\na/b%2ec.(*T).run(...)\n\t/src/a.go:9 +0x1\n" +
		"created by testing.(*T).Run in goroutine 1\n\t/src/t.go:1 +0x2\n"
	g, ok := parseGoroutine(stack)
	if !ok || g.id != "34" || g.entry != "a/b%2ec.(*T).run(...)" || g.system() {
		t.Errorf("got %+v, %v", g, ok)
	}
	fresh := "goroutine 9 [runnable]:\na.Test.gowrap1()\n\t/src/a.go:4\nruntime.goexit({})\n\t/src/asm.s:1 +0x1\ncreated by a.Test"
	if g, ok := parseGoroutine(fresh); !ok || g.system() {
		t.Errorf("one that has not run yet: %+v, %v", g, ok)
	}
	for _, bad := range []string{"", "goroutine", "goroutine 3", "panic: x\nmain.main()", "goroutine 3\nx()"} {
		if g, ok := parseGoroutine(bad); ok {
			t.Errorf("%q parsed as %+v", bad, g)
		}
	}
}

func TestJoinStacksIsBounded(t *testing.T) {
	all := make([]goroutine, 1000)
	for i := range all {
		all[i].stack = "x"
	}
	if got := joinStacks(all); len(got) > 200 || !strings.Contains(got, "980 more") {
		t.Errorf("got %q", got)
	}
}
