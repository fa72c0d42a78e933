package shed_test

import (
	"context"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/shed"
)

var _ seawall.Controllable = (*shed.Shedder)(nil)

// control returns one of the Controls.
func control(t testing.TB, s *shed.Shedder, name string) seawall.Control {
	t.Helper()
	all := s.Controls()
	i := slices.IndexFunc(all, func(c seawall.Control) bool { return c.Name == name })
	if i < 0 {
		t.Fatalf("no control %q in %+v", name, all)
	}
	return all[i]
}

func TestControls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, shed.Config{})
		if len(s.Controls()) != 2 {
			t.Errorf("controls are %+v", s.Controls())
		}
		limit, dry := control(t, s, "limit"), control(t, s, "dry_run")
		if limit.Value != strconv.Itoa(shed.FirstLimit) || limit.Overridden || !limit.Until.IsZero() || limit.Help == "" || limit.Options != nil {
			t.Errorf("%+v", limit)
		}
		if dry.Value != "off" || dry.Overridden || dry.Help == "" || !slices.Equal(dry.Options, []string{"on", "off"}) {
			t.Errorf("%+v", dry)
		}
		err := s.Override(t.Context(), seawall.Override{Control: "limit", Value: "7", For: time.Minute, By: "ana", Why: "a move"})
		if err != nil {
			t.Error(err)
		}
		override(t, s, "dry_run", "on", 0)
		limit, dry = control(t, s, "limit"), control(t, s, "dry_run")
		if limit.By != "ana" || limit.Why != "a move" || dry.By+dry.Why != "" {
			t.Errorf("%+v, %+v", limit, dry)
		}
		if limit.Value != "7" || !limit.Overridden || !limit.Until.Equal(time.Now().Add(time.Minute)) {
			t.Errorf("%+v", limit)
		}
		if dry.Value != "on" || !dry.Overridden || !dry.Until.IsZero() {
			t.Errorf("%+v", dry)
		}
	})
}

func TestOverrideEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, shed.Config{MinLimit: 1})
		override(t, s, "limit", "1", time.Minute)
		override(t, s, "dry_run", "on", 30*time.Second)
		inside := enter(t, s, of(seawall.Normal))
		for range 29 {
			enter(t, s, of(seawall.Normal)).Release()
			time.Sleep(time.Second)
		}
		if st := s.Stats(); !st.DryRun || st.Limit != 1 {
			t.Errorf("after 29s: %+v", st)
		}
		time.Sleep(time.Second)
		// Nobody needs to come for it to be over.
		if st := s.Stats(); st.DryRun || st.Limit != 1 || s.Snapshot().DryRun {
			t.Errorf("after 30s: dry run %v, limit %d", st.DryRun, st.Limit)
		}
		if c := control(t, s, "dry_run"); c.Overridden || c.Value != "off" || !c.Until.IsZero() {
			t.Errorf("after 30s: %+v", c)
		}
		_, err := s.TryAcquire(context.Background(), of(seawall.Critical))
		refusal(t, err, seawall.Overloaded)
		time.Sleep(29 * time.Second)
		_, err = s.TryAcquire(context.Background(), of(seawall.Critical))
		refusal(t, err, seawall.Overloaded)
		time.Sleep(time.Second)
		if c := control(t, s, "limit"); c.Overridden {
			t.Errorf("after 60s: %+v", c)
		}
		inside.Release()
		for range 100 { // the law lets more in again
			time.Sleep(100 * time.Millisecond)
			enter(t, s, of(seawall.Critical)).Release()
		}
		if st := s.Stats(); st.Limit < 32 {
			t.Errorf("ten calm seconds later the limit is %d", st.Limit)
		}
		shut(t, s)
	})
}

// The first request after the end finds it ended, although nobody asked.
func TestOverrideEndsForTheFirstWhoComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pinned(t, 1, shed.Config{DryRun: true})
		override(t, s, "dry_run", "off", time.Minute)
		inside := enter(t, s, of(seawall.Critical))
		_, err := s.TryAcquire(context.Background(), of(seawall.Critical))
		refusal(t, err, seawall.Overloaded)
		time.Sleep(time.Minute)
		enter(t, s, of(seawall.Critical)).Release()
		inside.Release()
		shut(t, s)
	})
}

func TestOverrideTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, shed.Config{MinLimit: 1, DryRun: true})
		override(t, s, "limit", "500", time.Hour)
		override(t, s, "dry_run", "off", time.Hour)
		if st := s.Stats(); st.Limit != 500 || st.DryRun {
			t.Errorf("%+v", st)
		}
		override(t, s, "limit", "", 0)
		override(t, s, "dry_run", "", time.Hour) // For means nothing to nothing
		if st := s.Stats(); st.Limit != shed.FirstLimit || !st.DryRun {
			t.Errorf("limit %d, dry run %v; want %d and true, as before", st.Limit, st.DryRun, shed.FirstLimit)
		}
		for _, c := range s.Controls() {
			if c.Overridden || !c.Until.IsZero() || c.By+c.Why != "" {
				t.Errorf("%+v", c)
			}
		}
		override(t, s, "limit", "", 0) // twice
		shut(t, s)
	})
}

// The later one counts, its time included.
func TestOverrideReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, shed.Config{MinLimit: 1})
		override(t, s, "limit", "10", time.Second)
		override(t, s, "limit", "20", 0)
		time.Sleep(time.Hour)
		if st := s.Stats(); st.Limit != 20 {
			t.Errorf("limit %d, want 20", st.Limit)
		}
		// For as long as a Duration can say.
		override(t, s, "limit", "30", math.MaxInt64)
		time.Sleep(time.Hour)
		if c := control(t, s, "limit"); c.Value != "30" || !c.Overridden || c.Until.Before(time.Now()) {
			t.Errorf("%+v", c)
		}
		shut(t, s)
	})
}

func TestOverrideRefusesWhatIsWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, shed.Config{MinLimit: 5, MaxLimit: 50})
		override(t, s, "limit", "17", 0)
		long := strings.Repeat("x", 10_000)
		for _, c := range []struct {
			o    seawall.Override
			want []string
		}{
			{seawall.Override{Control: "limit", Value: "4"}, []string{"limit", "5", "50", `"4"`}},
			{seawall.Override{Control: "limit", Value: "51"}, []string{"limit", `"51"`}},
			{seawall.Override{Control: "limit", Value: "0"}, []string{"limit", `"0"`}},
			{seawall.Override{Control: "limit", Value: "-1"}, []string{"limit", `"-1"`}},
			{seawall.Override{Control: "limit", Value: "many"}, []string{"limit", `"many"`}},
			{seawall.Override{Control: "limit", Value: "NaN"}, []string{"limit", `"NaN"`}},
			{seawall.Override{Control: "limit", Value: "1e1"}, []string{"limit", `"1e1"`}},
			{seawall.Override{Control: "limit", Value: "99999999999999999999"}, []string{"limit"}},
			{seawall.Override{Control: "limit", Value: long}, []string{"limit"}},
			{seawall.Override{Control: "limit", Value: "20", For: -1}, []string{"limit", "For", "-1ns"}},
			{seawall.Override{Control: "dry_run", Value: "yes"}, []string{"dry_run", `"yes"`}},
			{seawall.Override{Control: "dry_run", Value: "ON"}, []string{"dry_run", `"ON"`}},
			{seawall.Override{Control: "dry_run", Value: long}, []string{"dry_run"}},
			{seawall.Override{Control: "floor", Value: "3"}, []string{`"floor"`, "limit", "dry_run"}},
			{seawall.Override{Control: "", Value: "3"}, []string{`""`}},
			{seawall.Override{Control: long, Value: "3"}, []string{"limit", "dry_run"}},
		} {
			err := s.Override(t.Context(), c.o)
			if err == nil {
				t.Errorf("%+v is accepted", c.o)
				continue
			}
			if len(err.Error()) > 200 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			for _, want := range append(c.want, "seawall/shed: ") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %s", err, want)
				}
			}
		}
		if st := s.Stats(); st.Limit != 17 || st.DryRun {
			t.Errorf("limit %d, dry run %v: what was refused has had an effect", st.Limit, st.DryRun)
		}
		shut(t, s)
	})
}

// More seats at once serve those who wait, whoever grants them.
func TestMoreRoomIsHandedOut(t *testing.T) {
	for name, more := range map[string]func(*testing.T, *shed.Shedder){
		"override":     func(t *testing.T, s *shed.Shedder) { override(t, s, "limit", "5", 0) },
		"override off": func(t *testing.T, s *shed.Shedder) { override(t, s, "limit", "", 0) },
		"update": func(t *testing.T, s *shed.Shedder) {
			if err := s.Update(shed.Config{MinLimit: 5}); err != nil {
				t.Error(err)
			}
		},
		"controls": func(_ *testing.T, s *shed.Shedder) { time.Sleep(15 * time.Millisecond); s.Controls() },
		"stats":    func(_ *testing.T, s *shed.Shedder) { time.Sleep(15 * time.Millisecond); s.Stats() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := start(t, shed.Config{MinLimit: 1})
				override(t, s, "limit", "1", 20*time.Millisecond)
				inside := enter(t, s, of(seawall.Normal))
				done := make(chan result, 4)
				for i := range 4 {
					queueUp(t.Context(), s, i, of(seawall.Normal), done)
				}
				time.Sleep(10 * time.Millisecond)
				synctest.Wait()
				more(t, s)
				synctest.Wait()
				if len(done) != 4 {
					t.Fatalf("%d of 4 are served", len(done))
				}
				for range 4 {
					if r := <-done; r.err != nil || r.took > 30*time.Millisecond {
						t.Errorf("after %v: %v", r.took, r.err)
					}
				}
				inside.Release()
				shut(t, s)
			})
		})
	}
}

// Less room takes nobody's seat away: those inside stay until they are done.
func TestLessRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pinned(t, 10, shed.Config{})
		permits := fill(t, s, 10)
		override(t, s, "limit", "3", 0)
		done := make(chan result, 1)
		queueUp(t.Context(), s, 0, of(seawall.Critical), done)
		for i, p := range permits {
			synctest.Wait()
			if served := len(done) == 1; served != (i > 7) {
				t.Fatalf("%d of 10 have left a limit of 3, served: %v", i, served)
			}
			p.Release()
		}
		synctest.Wait()
		if r := <-done; r.err != nil {
			t.Error(r.err)
		}
		if p := fill(t, s, 3); s.Stats().InFlight != 3 {
			t.Error(len(p))
		}
		_, err := s.TryAcquire(context.Background(), of(seawall.Critical))
		refusal(t, err, seawall.Overloaded)
	})
}
