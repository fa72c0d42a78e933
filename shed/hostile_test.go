package shed

import (
	"fmt"
	"math"
	"reflect"
	"testing"
	"unsafe"
)

// numbersOf lists every floating-point number in v, by its path, those in arrays
// and slices, and in fields that are yet to be invented, included.
func numbersOf(path string, v reflect.Value, visit func(path string, v reflect.Value)) {
	switch v.Kind() { //nolint:exhaustive // the others hold no numbers
	case reflect.Float32, reflect.Float64:
		visit(path, v)
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Field(i)
			// The fields are not exported: they are reached by their address.
			f = reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem()
			numbersOf(path+"."+v.Type().Field(i).Name, f, visit)
		}
	case reflect.Array, reflect.Slice:
		for i := range v.Len() {
			numbersOf(fmt.Sprintf("%s[%d]", path, i), v.Index(i), visit)
		}
	}
}

// ruined says what in the state the law can never get rid of, or must never do.
func ruined(s *state, b bounds) (what string) {
	numbersOf("state", reflect.ValueOf(s).Elem(), func(path string, v reflect.Value) {
		if x := v.Float(); what == "" && (math.IsNaN(x) || math.IsInf(x, 0)) {
			what = fmt.Sprintf("%s is %v", path, x)
		}
	})
	switch {
	case what != "":
	case !(s.limit >= b.min && s.limit <= b.max):
		what = fmt.Sprintf("the limit is %v, not within %v and %v", s.limit, b.min, b.max)
	case s.door.floor < cohorts || s.door.floor > allLevels:
		what = fmt.Sprintf("the floor is %d", s.door.floor)
	}
	return what
}

// calmTicks is ten seconds of ordinary traffic: ten a second, of 50 ms.
const calmTicks = 200

func calmWindow(i int) *window {
	w := &window{now: float64(i) * tick, dt: tick, nMean: 0.5, nMax: 2, n: 1}
	if i%2 == 0 {
		w.arrivals, w.done, w.samples, w.sumR = 1, 1, 1, 0.05
		w.offered[cohorts+5] = 1
		w.cohorts = []sample{{1, 0.05, 0.003}}
	}
	return w
}

// fresh says in what a law is not as good as a new one after a while of calm.
func fresh(s *state) string {
	switch {
	case s.phase != open:
		return fmt.Sprintf("the phase is %v", s.phase)
	case s.door.floor != allLevels:
		return fmt.Sprintf("the floor is %d", s.door.floor)
	case s.limit < smallGate:
		return fmt.Sprintf("the limit is %v", s.limit)
	}
	return ""
}

// badNumbers are what no counter should say; impossible is what none can: they
// are integers.
var (
	badNumbers = []float64{0, 1e-300, 0.5, 1e5, 1e9, 1e15}
	impossible = []float64{math.NaN(), math.Inf(1), math.Inf(-1), -1, -1e300, 1e300, math.MaxFloat64}
)

// trusting: the law takes the window's numbers for counts, and what cannot be one
// stays in its sums. With a law that looks at them first this is to be false.
const trusting = true

// countable reports whether a field can have that value. Of those inside at once
// there are no more than the limit, or than goroutines in a dry run.
func countable(path string, v float64) bool {
	switch path {
	case "window.n", "window.nMean", "window.nMax":
		return v >= 0 && v <= 1e6
	}
	return v >= 0 && v <= 1e15
}

// laws are states to do harm to: one that knows nothing, one in calm, one that
// has just been met by a crowd, and one that holds.
func laws() map[string]*house {
	calm, met, holds := newHouse(24, 0.08), newHouse(24, 0.08), newHouse(24, 0.08)
	for _, h := range []*house{calm, met, holds} {
		h.run(200, 10, tick)
	}
	met.run(2000, 3*tick, tick)
	holds.run(2000, 5, tick)
	return map[string]*house{"new": newHouse(24, 0.08), "calm": calm, "met": met, "holds": holds}
}

// TestBadNumbers puts each bad number into each field of a window, in each state,
// thrice, as the tick goes on meanwhile. In the end the law is as good as new.
func TestBadNumbers(t *testing.T) {
	failures, tried, known := map[string]string{}, 0, 0
	for name, h := range laws() {
		h.b = bounds{min: 4, max: 10_000, budget: 1, queue: 8}
		var paths []string
		numbersOf("window", reflect.ValueOf(h.window(500, tick)).Elem(), func(path string, _ reflect.Value) { paths = append(paths, path) })
		for i, path := range paths {
			if i > 20 && i < 20+levels-5 && i%37 != 0 {
				continue // one level is like another
			}
			for _, bad := range append(impossible, badNumbers...) {
				if path == "window.dt" && !countable(path, bad) {
					continue // see TestLateTicks
				}
				tried++
				s := h.s
				fail := func(what string) {
					if trusting && !countable(path, bad) {
						known++
					} else if failures[path] == "" {
						failures[path] = fmt.Sprintf("%v, when the law is %s: %s", bad, name, what)
					}
				}
				for range 3 {
					h := *h
					h.s = s
					w := h.window(500, tick)
					numbersOf("window", reflect.ValueOf(w).Elem(), func(p string, v reflect.Value) {
						if p == path {
							v.SetFloat(bad)
						}
					})
					s = step(s, w, h.b)
					if what := ruined(&s, h.b); what != "" {
						fail(what)
					}
				}
				for i := range calmTicks {
					s = step(s, calmWindow(i), h.b)
				}
				if what := ruined(&s, h.b); what != "" {
					fail("for good, " + what)
				} else if what := fresh(&s); what != "" {
					fail("after a while of calm, " + what)
				}
			}
		}
	}
	for path, what := range failures {
		t.Errorf("%s = %s", path, what)
	}
	t.Logf("%d tried; what is impossible has done harm in %d", tried, known)
	if tried < 1000 {
		t.Errorf("only %d tried", tried)
	}
}

// TestLateTicks: what happens when nobody ticks for a while, or the clock goes
// backwards, is nothing.
func TestLateTicks(t *testing.T) {
	for name, h := range laws() {
		for _, dt := range []float64{tick, 0.3, 1, 60, 3600, 1e6, math.Inf(1), 0, -tick, -3600, 1e-9, math.NaN(), math.Inf(-1)} {
			s := h.s
			for _, rate := range []float64{0, 100, 2000} {
				h := *h
				h.s = s
				w := h.window(rate, clamp(dt, 0, 3600))
				w.dt, w.now = dt, h.now-dt
				s = step(s, w, h.b)
				if what := ruined(&s, h.b); what != "" {
					t.Fatalf("%s, %v s, %v a second: %s", name, dt, rate, what)
				}
				if !(dt > 0) && s != h.s {
					t.Errorf("%s: the law has moved in %v s", name, dt)
				}
			}
			for i := range calmTicks {
				s = step(s, calmWindow(i), h.b)
			}
			if what := fresh(&s); what != "" {
				t.Errorf("%s, ticks of %v s: %s", name, dt, what)
			}
		}
	}
}

// TestRuined: what is looked for is found.
func TestRuined(t *testing.T) {
	b := usual
	for want, spoil := range map[string]func(*state){
		"":                                       func(*state) {},
		"state.hunt.capX is NaN":                 func(s *state) { s.hunt.capX = math.NaN() },
		"state.door.shape[7] is +Inf":            func(s *state) { s.door.shape[7] = float32(math.Inf(1)) },
		"state.hunt.test.count[1] is -Inf":       func(s *state) { s.hunt.test.count[1] = math.Inf(-1) },
		"the limit is 3, not within 4 and 10000": func(s *state) { s.limit = 3 },
		"the floor is 0":                         func(s *state) { s.door.floor = 0 },
	} {
		s := newState(b)
		spoil(&s)
		if what := ruined(&s, b); what != want {
			t.Errorf("%q, want %q", what, want)
		}
	}
	s := newState(b)
	if what := fresh(&s); what != "" {
		t.Error(what)
	}
	if s.limit = 5; fresh(&s) == "" {
		t.Error("a limit of 5 is as good as new")
	}
}

// FuzzBadNumbers puts any two numbers into any two fields of windows, for as long
// as it likes.
func FuzzBadNumbers(f *testing.F) {
	for i, bad := range append(badNumbers, impossible...) {
		f.Add(uint8(i), uint16(i), bad, uint16(4*i), badNumbers[(i*3)%len(badNumbers)], uint8(1+i))
	}
	f.Add(uint8(1), uint16(2), 60.0, uint16(3), 1e12, uint8(40))
	states := laws()
	names := []string{"new", "calm", "met", "holds"}
	f.Fuzz(func(t *testing.T, which uint8, field uint16, bad float64, other uint16, worse float64, times uint8) {
		h := *states[names[int(which)%len(names)]]
		for range times {
			w := h.window(500, tick)
			var (
				paths  []string
				fields []reflect.Value
			)
			numbersOf("window", reflect.ValueOf(w).Elem(), func(path string, v reflect.Value) {
				paths, fields = append(paths, path), append(fields, v)
			})
			one, two := int(field)%len(fields), int(other)%len(fields)
			if trusting && (!countable(paths[one], bad) || !countable(paths[two], worse)) {
				t.Skip("see trusting")
			}
			fields[one].SetFloat(bad)
			fields[two].SetFloat(worse)
			h.s = step(h.s, w, h.b)
			if what := ruined(&h.s, h.b); what != "" {
				t.Fatal(what)
			}
		}
		for i := range calmTicks {
			h.s = step(h.s, calmWindow(i), h.b)
		}
		if what := fresh(&h.s); what != "" {
			t.Fatal(what)
		}
	})
}
