package main

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/spike"
)

// terminal obeys the codes that screen uses, and fails the test for others.
type terminal struct {
	t     *testing.T
	width int
	lines []string
	row   int
	codes int // colours and styles
}

var code = regexp.MustCompile(`^\x1b\[(\??)([0-9;]*)([A-Za-z])`)

func (v *terminal) Write(p []byte) (int, error) {
	for text := string(p); text != ""; {
		for len(v.lines) <= v.row {
			v.lines = append(v.lines, "")
		}
		if m := code.FindStringSubmatch(text); m != nil {
			text = text[len(m[0]):]
			var n int
			fmt.Sscan(m[2], &n)
			switch {
			case m[3] == "A":
				if v.row -= n; v.row < 0 {
					v.t.Fatalf("the cursor left the screen")
				}
			case m[3] == "K" && n == 2:
				v.lines[v.row] = ""
			case m[3] == "m":
				v.codes++
			case m[1] == "?" && n == 25: // the cursor itself
			default:
				v.t.Fatalf("unexpected code %q", m[0])
			}
			continue
		}
		r, size := utf8.DecodeRuneInString(text)
		text = text[size:]
		if r == '\n' {
			v.row++
			continue
		}
		if v.lines[v.row] += string(r); utf8.RuneCountInString(v.lines[v.row]) >= v.width {
			v.t.Fatalf("a line reaches the edge (%d): %q", v.width, v.lines[v.row])
		}
	}
	return len(p), nil
}

func newTerminal(t *testing.T, width int, color bool) (*terminal, *screen) {
	t.Helper()
	v := &terminal{t: t, width: width}
	return v, newScreen(v, func() int { return width }, color)
}

// halfServed is a moment at which Critical is served whole and Normal half.
func halfServed(n uint64) seen {
	return seen{ended: [4]uint64{n, n, n, 0}, served: [4]uint64{n, n / 2, 0, 0}}
}

func TestScreen(t *testing.T) {
	v, s := newTerminal(t, 120, true)
	sc := scene(t, "10x")
	s.begin(sc, contenders)
	for i := range 31 {
		s.update(bareName, at(time.Duration(i)*200*time.Millisecond, uint64(i)*600), halfServed(uint64(i)*100))
	}
	s.done(bareName, madeUp(sc, 1))
	s.update(seawallName, at(0, 0), seen{})
	s.update(seawallName, at(2*time.Second, 2000), halfServed(400))
	s.end()
	s.close()
	want := []string{
		"10x: " + sc.Title + ", 24 slots of 80ms: 300 requests/s, seed 1",
		"              time         offered/s  served/s  critical            normal              sheddable",
		"  bare        done               300       100  ████████████ 100 %  ░░░░░░░░░░░░   0 %  ░░░░░░░░░░░░   0 %",
		"  seawall    2.0 s  before     1,000       300  ████████████ 100 %  ██████░░░░░░  50 %  ░░░░░░░░░░░░   0 %",
		"  oracle   waiting",
		"",
	}
	if got := strings.Join(v.lines, "\n"); strings.TrimRight(got, "\n") != strings.TrimRight(strings.Join(want, "\n"), "\n") {
		t.Errorf("the screen shows\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	if v.codes == 0 {
		t.Error("no colours")
	}
}

func TestScreenNotesStayAbove(t *testing.T) {
	v, s := newTerminal(t, 100, false)
	sc := scene(t, "10x")
	s.begin(sc, contenders[:1])
	s.update(bareName, at(5*time.Second, 100), halfServed(10))
	s.note("the machine was busy")
	s.update(bareName, at(6*time.Second, 200), halfServed(20))
	got := strings.Join(v.lines, "\n")
	if !strings.Contains(got, "seed 1\n  note: the machine was busy\n              time") || strings.Count(got, "bare") != 1 || strings.Count(got, "time  ") != 1 {
		t.Errorf("the screen shows\n%s", got)
	}
	if !strings.Contains(got, "6.0 s  SPIKE") {
		t.Errorf("the row was not redrawn:\n%s", got)
	}
}

// NO_COLOR takes the colours, not the drawing.
func TestScreenWithoutColor(t *testing.T) {
	v, s := newTerminal(t, 100, false)
	s.begin(scene(t, "10x"), contenders)
	s.update(bareName, at(5*time.Second, 100), halfServed(10))
	if v.codes > 0 {
		t.Errorf("%d colours", v.codes)
	}
}

// However narrow the terminal is, no line wraps and nothing panics.
func TestScreenWidths(t *testing.T) {
	for width := 1; width < 200; width++ {
		v, s := newTerminal(t, width, true)
		sc := scene(t, "10x")
		s.begin(sc, contenders)
		s.update(seawallName, at(5*time.Second, 1e9), halfServed(1e9))
		s.done(bareName, madeUp(sc, 1))
		if width >= 80 && !strings.Contains(strings.Join(v.lines, "\n"), "█") {
			t.Errorf("no bars at a width of %d", width)
		}
	}
	v, s := newTerminal(t, 78, true)
	s.begin(scene(t, "10x"), contenders)
	s.update(seawallName, at(0, 0), seen{})
	s.update(seawallName, at(5*time.Second, 1000), halfServed(100))
	if got := strings.Join(v.lines, "\n"); !strings.Contains(got, "      100 %       50 %  ") || strings.Contains(got, "░") {
		t.Errorf("where there is no room for bars:\n%s", got)
	}
}

func TestScreenShowsBackgroundWhereThereIsSome(t *testing.T) {
	v, s := newTerminal(t, 150, false)
	sc := scene(t, "10x")
	sc.Load.Mix = spike.Mix{Critical: 1, Background: 1}
	s.begin(sc, contenders)
	if got := strings.Join(v.lines, "\n"); !strings.Contains(got, "critical") || !strings.Contains(got, "background") || strings.Contains(got, "normal") {
		t.Errorf("the screen shows\n%s", got)
	}
	sc.Load.Mix = spike.Mix{}
	if got := shown(sc); len(got) != 3 || got[0] != seawall.Critical {
		t.Errorf("the default mix shows %v", got)
	}
}

func TestCursorComesBack(t *testing.T) {
	var out bytes.Buffer
	newScreen(&out, func() int { return 80 }, true).close()
	if got := out.String(); got != hideCursor+showCursor {
		t.Errorf("got %q", got)
	}
}

func TestBar(t *testing.T) {
	for v, want := range map[spike.Number]string{
		0: "░░░░", 1: "████", 0.5: "██░░", 0.03: "▏░░░", 0.99: "████", 0.97: "███▉", -1: "░░░░", 7: "████", spike.Never: "████",
	} {
		if got := bar(v, 4); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
	if got := bar(spike.None, 2); got != "░░" {
		t.Errorf("nothing measured: %s", got)
	}
}

func BenchmarkScreen(b *testing.B) {
	s := newScreen(io.Discard, func() int { return 120 }, true)
	o, err := parseFlags(nil, io.Discard)
	if err != nil {
		b.Fatal(err)
	}
	s.begin(o.trials[0].first, contenders)
	for b.Loop() {
		s.update(bareName, at(5*time.Second, 100), halfServed(10))
	}
}
