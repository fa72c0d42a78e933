package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/seawall-go/seawall/spike"
)

func at(d time.Duration, attempts uint64) spike.Progress {
	return spike.Progress{At: d, Attempts: attempts}
}

func TestRecentLooksBackOneSecond(t *testing.T) {
	var r recent
	var n now
	for i := range 31 { // 100 attempts a second at first, then 1000
		d := time.Duration(i) * 200 * time.Millisecond
		attempts := uint64(i) * 20
		if i > 20 {
			attempts = 20*20 + uint64(i-20)*200
		}
		var s seen
		s.ended[0], s.served[0] = attempts, attempts/2
		n = r.add(at(d, attempts), s)
		if i == 20 && (n.offered != 100 || n.served != 50 || n.success[0] != 0.5) {
			t.Errorf("at first: %+v", n)
		}
	}
	if n.offered != 1000 || n.served != 500 || n.success[0] != 0.5 || number(n.success[1], whole) != "-" {
		t.Errorf("at the end: %+v, want the last second alone and nothing for Normal", n)
	}
	if len(r.past) > 7 {
		t.Errorf("%d readings kept, want a second of them", len(r.past))
	}
}

func TestRecentAtTheStart(t *testing.T) {
	var r recent
	if n := r.add(at(0, 0), seen{}); n.offered != 0 || n.served != 0 || number(n.success[0], whole) != "-" {
		t.Errorf("before anything: %+v", n)
	}
}

func TestPhases(t *testing.T) {
	sc := scene(t, "10x")
	for d, want := range map[time.Duration]string{0: "before", 4*time.Second - 1: "before", 4 * time.Second: "SPIKE", 10 * time.Second: "after", time.Minute: "after"} {
		if got := phaseOf(sc, d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

func TestNotEveryScenarioHasASpike(t *testing.T) {
	for name, want := range map[string]string{
		"calm": "steady", "3x": "SPIKE", "10x": "SPIKE", "flash": "SPIKE", "retries": "SPIKE", "cold": "SPIKE", "slower": "FAULT", "extreme": "SPIKE",
	} {
		if got := phaseOf(scene(t, name), 5*time.Second); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestInSpike(t *testing.T) {
	sc := scene(t, "10x")
	n := inSpike(sc, madeUp(sc, 2))
	if n.offered != 300 || n.served != 200 || n.success[0] != 1 || n.success[1] != 1 || n.success[2] != 0 {
		t.Errorf("got %+v", n)
	}
}

// Into a pipe go plain lines, about one a second, and no escape codes.
func TestPlainLines(t *testing.T) {
	var out bytes.Buffer
	sc := scene(t, "10x")
	live := newDisplay(&out, false)
	live.begin(sc, contenders)
	for _, c := range contenders {
		for i := range 76 { // 15 s: the last answers come after the load
			n := uint64(i) * 40
			live.update(c.name, at(time.Duration(i)*200*time.Millisecond, n), seen{ended: [4]uint64{n, n, n, 0}, served: [4]uint64{n, n / 2, 0, 0}})
		}
		live.note("something")
		live.done(c.name, madeUp(sc, 1))
	}
	live.end()
	live.close()
	text := out.String()
	if strings.ContainsAny(text, "\x1b\r") {
		t.Errorf("escape codes in\n%q", text)
	}
	for _, want := range []string{
		"10x: " + sc.Title + ", 24 slots of 80ms: 300 requests/s, seed 1\n",
		"  seawall    1.0 s  before  offered    200/s  served   300/s   critical 100 %  normal  50 %  sheddable   0 %\n",
		"  oracle     5.0 s  SPIKE ",
		"  bare      14.0 s  after ",
		"  note: something\n",
		"  seawall  done: goodput 34.2 %, Critical 100 %, Normal 0 %\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for _, c := range contenders {
		if got := strings.Count(text, "\n  "+fmt.Sprintf("%-8s", c.name)+" "); got < 14 || got > 16 {
			t.Errorf("%d lines about %s, want one a second and one at the end", got, c.name)
		}
	}
}

func TestQuietSaysOnlyWhatIsUnusual(t *testing.T) {
	var out bytes.Buffer
	live := newDisplay(&out, true)
	sc := scene(t, "10x")
	live.begin(sc, contenders)
	live.update(bareName, at(time.Second, 1), seen{})
	live.done(bareName, madeUp(sc, 1))
	live.end()
	live.close()
	if out.Len() > 0 {
		t.Errorf("said %q", out.String())
	}
	live.note("the machine was busy")
	if got := out.String(); got != "note: the machine was busy\n" {
		t.Errorf("said %q", got)
	}
}

// A file is no terminal either.
func TestFileIsNoTerminal(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, ok := newDisplay(f, false).(*lines); !ok {
		t.Error("wants to draw into a file")
	}
	t.Setenv("TERM", "dumb")
	if understandsANSI() {
		t.Error("wants to draw on a dumb terminal")
	}
}
