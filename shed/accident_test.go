package shed_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/spike"
)

// violation is a property that does not hold.
type violation struct{ property, what string }

func (v violation) String() string { return v.property + ": " + v.what }

// violations checks what must be true of every accident:
//
//   - starved: a class that, with those above it, has asked for at most 60 % of
//     what the backend can serve for five seconds, in which nothing was wrong
//     with it, is served;
//   - eager: nobody is refused before the trouble begins, when never more than
//     65 % of the capacity was asked for;
//   - bounds: the limit is within them whenever it is looked at;
//   - lasting: half a minute after the trouble hardly anybody is refused.
//
// That nobody is left inside and no goroutine behind play has checked.
func (a *accident) violations(rec *spike.Record, looks []look) (all []violation) {
	add := func(property, format string, args ...any) {
		all = append(all, violation{property, fmt.Sprintf(format, args...)})
	}
	lowest, highest := a.cfg.MinLimit, a.cfg.MaxLimit
	if lowest == 0 {
		lowest = 4
	}
	if highest == 0 {
		highest = 10_000
	}
	for _, l := range looks {
		if l.st.Limit < lowest || l.st.Limit > highest {
			add("bounds", "at %v the limit is %d, not within %d and %d", l.at, l.st.Limit, lowest, highest)
			break
		}
	}
	for _, l := range looks {
		if l.at < a.trouble && l.refused > 0 {
			add("eager", "%d refused by %v, at %.2f of the capacity", l.refused, l.at, a.base)
			break
		}
	}
	var settled, end look
	for _, l := range looks {
		if l.at <= a.settled {
			settled = l
		}
		end = l
	}
	asked := 0
	for i := range rec.Samples {
		if rec.Samples[i].Intended >= settled.at {
			asked++
		}
	}
	// One in a few dozen would be more than half a percent.
	if refused := end.refused - settled.refused; float64(refused) > 1+0.005*float64(asked) {
		add("lasting", "%d of %d refused later than half a minute after the trouble", refused, asked)
	}
	if v, ok := a.starved(rec); ok {
		all = append(all, v)
	}
	return all
}

const starvedFor = 5 // seconds

// starved looks for five seconds in which a class should have been served.
func (a *accident) starved(rec *spike.Record) (violation, bool) {
	type second struct{ asked, attempts, served [seawall.NumPriorities]int }
	n := int(a.sc.Load.Duration/time.Second) + 1
	all := make([]second, n)
	for i := range rec.Samples {
		s := &rec.Samples[i]
		sec, c := &all[min(int(s.Intended/time.Second), n-1)], seawall.Critical-s.Priority
		sec.asked[c]++
		sec.attempts[c] += int(s.Attempts)
		if s.Outcome == spike.Success {
			sec.served[c]++
		}
	}
	capacity := a.sc.Backend.Capacity()
	for from := starvedFor; from+starvedFor < n; from++ {
		if a.ill(time.Duration(from-starvedFor)*time.Second, time.Duration(from+starvedFor)*time.Second) {
			continue
		}
		above := 0.0 // the most that this class and those above it ask for
		for c := range seawall.NumPriorities {
			above = 0
			for i := from - starvedFor; i < from+starvedFor; i++ {
				load := 0
				for k := range c + 1 {
					load += all[i].attempts[k]
				}
				above = max(above, float64(load))
			}
			if above > 0.6*capacity || !a.turnsOver(c) {
				break
			}
			asked, served := 0, 0
			for i := from; i < from+starvedFor; i++ {
				asked += all[i].asked[c]
				served += all[i].served[c]
			}
			if asked >= 30 && float64(served) < 0.9*float64(asked) {
				return violation{"starved", fmt.Sprintf("from %d s on %d of %d of %v were served for %d s, although with those above they ask for at most %.2f of the capacity",
					from, served, asked, seawall.Critical-seawall.Priority(c), starvedFor, above/capacity)}, true
			}
		}
	}
	return violation{}, false
}

// ill reports whether there is a fault between two times.
func (a *accident) ill(from, to time.Duration) bool {
	for _, f := range a.sc.Faults {
		if f.At < to && f.At+f.For > from {
			return true
		}
	}
	return false
}

// turnsOver reports whether seats fall free often enough that at 60 % of the
// capacity at most one in twenty of a class waits for longer than it may, as a
// single server's queue has it (Pollaczek and Khinchine). Where they do not,
// not even who knows the capacity could serve it.
func (a *accident) turnsOver(class int) bool {
	wait := [...]float64{0.2, 0.1, 0.05, 0.05}[class]
	return 0.6*math.Exp(-0.4*wait*a.sc.Backend.Capacity()*2/(1+a.cv2)) < 0.05
}

// knownAccidents are those in which the Shedder is known to fall short, by the
// property, and why.
var knownAccidents = map[uint64]map[string]string{}

// TestViolations: each property is noticed when it does not hold.
func TestViolations(t *testing.T) {
	calm := func() (accident, *spike.Record, []look) {
		a := accidentOf(3)
		a.sc.Backend = spike.BackendConfig{Slots: 100} // 1,250 a second
		a.sc.Faults, a.cv2 = nil, 0.4
		a.trouble, a.over, a.settled = 10*time.Second, 20*time.Second, 50*time.Second
		a.cfg.MinLimit, a.cfg.MaxLimit = 0, 0
		a.sc.Load.Duration = 70 * time.Second
		rec := &spike.Record{}
		var looks []look
		for at := time.Duration(0); at < a.sc.Load.Duration; at += 10 * time.Millisecond {
			rec.Samples = append(rec.Samples, spike.Sample{Intended: at, Priority: seawall.Normal, Attempts: 1})
			if at%time.Second == 0 {
				l := look{at: at}
				l.st.Limit = 50
				looks = append(looks, l)
			}
		}
		return a, rec, looks
	}
	a, rec, looks := calm()
	if all := a.violations(rec, looks); len(all) > 0 {
		t.Errorf("in calm: %v", all)
	}
	for property, spoil := range map[string]func(*spike.Record, []look){
		"bounds": func(_ *spike.Record, l []look) { l[30].st.Limit = 3 },
		"eager": func(_ *spike.Record, l []look) {
			for i := range l[9:] {
				l[9+i].refused = 1
			}
		},
		"lasting": func(_ *spike.Record, l []look) { l[len(l)-1].refused = 20 },
		"starved": func(r *spike.Record, _ []look) {
			for i := range 100 {
				r.Samples[3000+i].Outcome = spike.Rejected
			}
		},
	} {
		a, rec, looks := calm()
		spoil(rec, looks)
		if all := a.violations(rec, looks); len(all) != 1 || all[0].property != property {
			t.Errorf("%s: %v", property, all)
		}
	}
	// While something is wrong, or seats fall free too rarely, nobody starves.
	a, rec, looks = calm()
	for i := range 100 {
		rec.Samples[3000+i].Outcome = spike.Rejected
	}
	a.sc.Faults = []spike.Fault{{At: 30 * time.Second, For: time.Second, Kind: spike.FaultHang}}
	if all := a.violations(rec, looks); len(all) > 0 {
		t.Errorf("with a fault: %v", all)
	}
	a.sc.Faults, a.sc.Backend.Slots = nil, 2
	if all := a.violations(rec, looks); len(all) > 0 {
		t.Errorf("with 25 a second: %v", all)
	}
}
