package seawalltest

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// leakGrace is how long goroutines may take to end after the tests. It is spent
// only by a leak: the wait ends as soon as the last one is gone.
const leakGrace = 5 * time.Second

// Main runs the tests of a package and then fails, with the stacks, if
// goroutines that were not there before are still there 5 s later:
//
//	func TestMain(m *testing.M) { seawalltest.Main(m) }
//
// It does not return. Goroutines of the testing package, of the runtime and of
// os/signal do not count, nor do the idle connections of http.DefaultTransport,
// which it closes. A stack that contains one of ignore, such as the name of a
// function, does not count either. If tests fail, leaks are not reported: they
// are mostly what a test left behind that stopped half way.
func Main(m *testing.M, ignore ...string) {
	os.Exit(runAndCheck(m.Run, os.Stderr, leakGrace, ignore))
}

func runAndCheck(run func() int, w io.Writer, grace time.Duration, ignore []string) int {
	before := goroutines()
	if code := run(); code != 0 {
		return code
	}
	leaked := awaitEnd(before, grace, ignore)
	if len(leaked) == 0 {
		return 0
	}
	fmt.Fprintf(w, "seawalltest: the tests left %d goroutines behind:\n\n%s\n", len(leaked), joinStacks(leaked))
	return 1
}

// CheckLeaks fails t, with the stacks, if goroutines that were not there when it
// was called are still there 5 s after the end of the test. Call it first, so
// that it looks after all other cleanups. It cannot tell the goroutines of one
// test from those of another: not for tests that run in parallel. A stack that
// contains one of ignore does not count. See [Main] for what never counts.
func CheckLeaks(t testing.TB, ignore ...string) {
	t.Helper()
	before := goroutines()
	t.Cleanup(func() {
		t.Helper()
		if leaked := awaitEnd(before, leakGrace, ignore); len(leaked) > 0 {
			t.Errorf("seawalltest: the test left %d goroutines behind:\n\n%s", len(leaked), joinStacks(leaked))
		}
	})
}

// awaitEnd polls until no goroutine is left that before does not know, and
// returns those that are left after the grace period.
func awaitEnd(before map[string]goroutine, grace time.Duration, ignore []string) []goroutine {
	deadline := time.Now().Add(grace)
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		// At every round: a connection may have become idle only now.
		if t, ok := http.DefaultTransport.(interface{ CloseIdleConnections() }); ok {
			t.CloseIdleConnections()
		}
		leaked := newSince(before, ignore)
		if len(leaked) == 0 || time.Now().After(deadline) {
			return leaked
		}
		time.Sleep(pause)
	}
}

func newSince(before map[string]goroutine, ignore []string) []goroutine {
	var leaked []goroutine
	for id, g := range goroutines() {
		if _, old := before[id]; !old && !g.system() && !g.matches(ignore) {
			leaked = append(leaked, g)
		}
	}
	return leaked
}

// goroutine is one stack as runtime.Stack prints it.
type goroutine struct {
	id    string // a number; never used twice in a process
	entry string // the function the go statement named
	stack string
}

// system reports whether the goroutine belongs to the machinery that runs tests.
func (g goroutine) system() bool {
	for _, pkg := range []string{"testing.", "runtime.", "runtime/", "os/signal.", "main.main"} {
		if strings.HasPrefix(g.entry, pkg) {
			return true
		}
	}
	return false
}

func (g goroutine) matches(ignore []string) bool {
	for _, s := range ignore {
		if strings.Contains(g.stack, s) {
			return true
		}
	}
	return false
}

// goroutines returns all goroutines but the calling one, by id.
func goroutines() map[string]goroutine {
	buf := make([]byte, 64<<10)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	_, others, _ := strings.Cut(string(buf), "\n\n") // the caller comes first
	all := make(map[string]goroutine)
	for stack := range strings.SplitSeq(others, "\n\n") {
		if g, ok := parseGoroutine(stack); ok {
			all[g.id] = g
		}
	}
	return all
}

// parseGoroutine reads "goroutine 7 [select]:", then two lines for each frame, a
// function and its place, and last "created by ...".
func parseGoroutine(stack string) (goroutine, bool) {
	stack = strings.TrimSpace(stack)
	head, frames, ok := strings.Cut(stack, "\n")
	rest, numbered := strings.CutPrefix(head, "goroutine ")
	id, _, spaced := strings.Cut(rest, " ")
	if !ok || !numbered || !spaced {
		return goroutine{}, false
	}
	g := goroutine{id: id, stack: stack}
	for line := range strings.SplitSeq(frames, "\n") {
		switch {
		case strings.HasPrefix(line, "\t"), strings.HasPrefix(line, "created by "):
		case strings.HasPrefix(line, "runtime.goexit("): // below one that has not run yet
		default:
			g.entry = line
		}
	}
	return g, true
}

func joinStacks(all []goroutine) string {
	var b strings.Builder
	for i, g := range all {
		if i == 20 {
			fmt.Fprintf(&b, "... and %d more\n", len(all)-i)
			break
		}
		b.WriteString(g.stack)
		b.WriteString("\n\n")
	}
	return b.String()
}
