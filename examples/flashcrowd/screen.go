package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"golang.org/x/term"

	"github.com/seawall-go/seawall/spike"
)

// newDisplay draws on a terminal, and writes lines where there is none.
func newDisplay(out io.Writer, beQuiet bool) display {
	if beQuiet {
		return quiet{out}
	}
	f, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) || !understandsANSI() {
		return &lines{out: out}
	}
	return newScreen(out, func() int {
		width, _, err := term.GetSize(int(f.Fd()))
		if err != nil || width < 1 {
			return 80
		}
		return width
	}, os.Getenv("NO_COLOR") == "")
}

func understandsANSI() bool {
	if runtime.GOOS == "windows" && os.Getenv("WT_SESSION") == "" {
		return false // an old console shows the codes instead of obeying them
	}
	return os.Getenv("TERM") != "dumb"
}

const (
	hideCursor = "\x1b[?25l"
	showCursor = "\x1b[?25h"
	clearLine  = "\x1b[2K"
	cursorUp   = "\x1b[%dA"
	styleReset = "\x1b[0m"
)

// screen redraws a line for each contender.
type screen struct {
	out   io.Writer
	width func() int
	color bool

	sc     spike.Scenario
	rows   []row
	drawn  int // lines above the cursor that are ours to redraw
	recent recent
	who    string
}

// row is the line of a contender.
type row struct {
	contender string
	state     rowState
	now       now
}

type rowState int

const (
	waiting rowState = iota
	running
	finished
)

func newScreen(out io.Writer, width func() int, color bool) *screen {
	io.WriteString(out, hideCursor)
	return &screen{out: out, width: width, color: color}
}

func (s *screen) close() { io.WriteString(s.out, showCursor) }

func (s *screen) begin(sc spike.Scenario, who []contender) {
	s.sc, s.rows, s.drawn, s.who = sc, nil, 0, ""
	for _, c := range who {
		s.rows = append(s.rows, row{contender: c.name})
	}
	fmt.Fprintln(s.out, s.paint([]span{{styleBold, heading(sc)}}))
	s.draw()
}

func (s *screen) end() {
	s.drawn = 0
	fmt.Fprintln(s.out)
}

func (s *screen) update(contender string, p spike.Progress, seen seen) {
	if contender != s.who || p.At == 0 {
		s.who, s.recent = contender, recent{}
	}
	n := s.recent.add(p, seen)
	if p.At > s.sc.Load.Duration {
		return // the last ones wait for their answers; the view stays
	}
	n.phase = phaseOf(s.sc, p.At)
	s.set(row{contender, running, n})
}

// done replaces what happened last by what happened in the spike.
func (s *screen) done(contender string, r *run) {
	s.set(row{contender, finished, inSpike(s.sc, r)})
}

func (s *screen) set(r row) {
	for i := range s.rows {
		if s.rows[i].contender == r.contender {
			s.rows[i] = r
		}
	}
	s.draw()
}

// note writes above the rows.
func (s *screen) note(text string) {
	if s.drawn > 0 {
		fmt.Fprintf(s.out, cursorUp, s.drawn)
		s.drawn = 0
	}
	fmt.Fprintln(s.out, clearLine+"  note: "+text) // never redrawn: it may wrap
	s.draw()
}

// draw writes all rows in one go, over those that are there.
func (s *screen) draw() {
	var b strings.Builder
	if s.drawn > 0 {
		fmt.Fprintf(&b, cursorUp, s.drawn)
	}
	l := newLayout(s.width(), shown(s.sc))
	b.WriteString(clearLine + s.paint(l.head()) + "\n")
	for _, r := range s.rows {
		b.WriteString(clearLine + s.paint(l.row(r)) + "\n")
	}
	s.drawn = len(s.rows) + 1
	io.WriteString(s.out, b.String())
}

// paint joins spans to a line that does not wrap: the cursor would lose its
// way. The last column stays free, for terminals that wrap what fills it.
func (s *screen) paint(spans []span) string {
	room := s.width() - 1
	var b strings.Builder
	for _, part := range spans {
		text := []rune(part.text)
		text = text[:min(len(text), max(room, 0))]
		room -= len(text)
		switch {
		case len(text) == 0:
		case s.color && part.style != "":
			b.WriteString(part.style + string(text) + styleReset)
		default:
			b.WriteString(string(text))
		}
	}
	return strings.TrimRight(b.String(), " ")
}
