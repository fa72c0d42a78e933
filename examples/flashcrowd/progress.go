package main

import (
	"fmt"
	"io"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/spike"
)

// display shows what happens while it happens. Its methods are not called at
// the same time.
type display interface {
	// begin a scenario with one seed; end it.
	begin(sc spike.Scenario, who []contender)
	end()
	// update a contender's line; done with it.
	update(contender string, p spike.Progress, s seen)
	done(contender string, r *run)
	// note something unusual.
	note(text string)
	// close restores the terminal.
	close()
}

// window is how far back "now" reaches.
const window = time.Second

// now is what a contender does at the moment.
type now struct {
	at      time.Duration
	phase   string
	offered float64 // attempts a second
	served  float64 // answers in time, a second
	success [seawall.NumPriorities]spike.Number
}

// recent turns running totals into what happened within the last second.
type recent struct {
	past []reading
}

type reading struct {
	at       time.Duration
	attempts uint64
	seen     seen
}

func (r *recent) add(p spike.Progress, s seen) now {
	last := reading{p.At, p.Attempts, s}
	r.past = append(r.past, last)
	for len(r.past) > 2 && p.At-r.past[1].at >= window {
		r.past = r.past[1:]
	}
	first := r.past[0]
	n := now{at: p.At}
	over := (last.at - first.at).Seconds()
	served := uint64(0)
	for i := range n.success {
		n.success[i] = spike.None
		ended, good := last.seen.ended[i]-first.seen.ended[i], last.seen.served[i]-first.seen.served[i]
		served += good
		if ended > 0 {
			n.success[i] = spike.Number(min(1, float64(good)/float64(ended)))
		}
	}
	if over > 0 {
		n.offered = float64(last.attempts-first.attempts) / over
		n.served = float64(served) / over
	}
	return n
}

const duringSpike = "SPIKE"

// phaseOf names the part of a scenario; between Start and End not every
// scenario has a spike.
func phaseOf(sc spike.Scenario, at time.Duration) string {
	switch {
	case at < sc.Start:
		return "before"
	case at >= sc.End:
		return "after"
	case len(sc.Faults) > 0:
		return "FAULT"
	case sc.Load.Profile.Peak() <= sc.Load.Profile.Rate(0):
		return "steady"
	}
	return duringSpike
}

// shown are the priorities that a scenario has, the highest first.
func shown(sc spike.Scenario) []seawall.Priority {
	m := sc.Load.Mix
	if m == (spike.Mix{}) { // the default has no Background
		return []seawall.Priority{seawall.Critical, seawall.Normal, seawall.Sheddable}
	}
	var all []seawall.Priority
	for i, weight := range []float64{m.Critical, m.Normal, m.Sheddable, m.Background} {
		if weight > 0 {
			all = append(all, seawall.Priorities()[i])
		}
	}
	return all
}

// inSpike is the whole spike of a finished run, as its clients saw it.
func inSpike(sc spike.Scenario, r *run) now {
	f := r.Figures
	n := now{at: sc.Load.Duration, success: [...]spike.Number{f.Critical, f.Normal, f.Sheddable, f.Background}}
	offered, served := 0, 0
	for _, b := range r.Timeline {
		if b.At >= sc.Start && b.At < sc.End {
			offered += b.Offered
			served += b.Success()
		}
	}
	n.offered = float64(offered) / (sc.End - sc.Start).Seconds()
	n.served = float64(served) / (sc.End - sc.Start).Seconds()
	return n
}

func heading(sc spike.Scenario) string {
	return fmt.Sprintf("%s: %s, %s, seed %d", sc.Name, sc.Title, describe(sc.Backend), sc.Load.Seed)
}

// quiet shows nothing but what is unusual.
type quiet struct{ out io.Writer }

func (quiet) begin(spike.Scenario, []contender)   {}
func (quiet) end()                                {}
func (quiet) update(string, spike.Progress, seen) {}
func (quiet) done(string, *run)                   {}
func (q quiet) note(text string)                  { fmt.Fprintln(q.out, "note: "+text) }
func (quiet) close()                              {}

// lines writes a plain line about every second: for a pipe, a log, a CI job.
type lines struct {
	out    io.Writer
	sc     spike.Scenario
	recent recent
	who    string
	next   time.Duration
}

// lineEvery is the time between two lines.
const lineEvery = time.Second

func (l *lines) begin(sc spike.Scenario, _ []contender) {
	l.sc, l.who = sc, ""
	fmt.Fprintln(l.out, heading(sc))
}

func (l *lines) end() { fmt.Fprintln(l.out) }

func (l *lines) update(contender string, p spike.Progress, s seen) {
	if contender != l.who || p.At == 0 {
		l.who, l.recent, l.next = contender, recent{}, lineEvery
	}
	n := l.recent.add(p, s)
	if p.At < l.next || p.At > l.sc.Load.Duration+lineEvery/2 {
		return
	}
	l.next = p.At - p.At%lineEvery + lineEvery
	fmt.Fprintf(l.out, "  %-8s %5.1f s  %-6s  offered %6s/s  served %5s/s ",
		contender, p.At.Seconds(), phaseOf(l.sc, p.At-window/2), thousands(n.offered), thousands(n.served))
	for _, prio := range shown(l.sc) {
		fmt.Fprintf(l.out, "  %s %5s", prio, number(n.success[seawall.Critical-prio], whole))
	}
	fmt.Fprintln(l.out)
}

func (l *lines) done(contender string, r *run) {
	f := r.Figures
	fmt.Fprintf(l.out, "  %-8s done: goodput %s, Critical %s, Normal %s\n", contender,
		number(f.Goodput, percent), number(f.Critical, percent), number(f.Normal, percent))
}

func (l *lines) note(text string) { fmt.Fprintln(l.out, "  note: "+text) }
func (l *lines) close()           {}
