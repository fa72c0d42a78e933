package shed_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/shed"
)

// A crowd meets a fresh instance: what is inside follows the ramp, and afterwards
// the law finds what it finds without one.
func TestSlowStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const lasts, rise = 6 * time.Second, shed.FirstLimit - 4
		s, without := start(t, shed.Config{SlowStart: lasts}), start(t, shed.Config{})
		if l := s.Stats().Limit; l != 4 {
			t.Errorf("the limit begins at %d, want 4", l)
		}
		time.Sleep(time.Hour) // nobody comes: nothing begins
		if l := s.Stats().Limit; l != 4 {
			t.Errorf("without a request the limit is %d, want 4", l)
		}
		b, other := newBackend(100, 20*time.Millisecond), newBackend(100, 20*time.Millisecond)
		began := time.Now()
		checks := 0
		stop := make(chan struct{})
		go func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(40 * time.Millisecond):
				}
				if since := time.Since(began); since < lasts {
					most := 4 + rise*since.Seconds()/lasts.Seconds() + 1
					least := 0.9 * (4 + rise*(since-100*time.Millisecond).Seconds()/lasts.Seconds()) // two ticks behind
					st := s.Stats()
					if n := float64(st.InFlight); n > most || since > time.Second && n < least-2 {
						t.Errorf("after %v %v are inside, want about %v of %d", since, n, most, st.Limit)
					}
					checks++
				}
			}
		}()
		go crowd(t, without, other, 8000, 12*time.Second, anybody)
		crowd(t, s, b, 8000, 12*time.Second, anybody)
		close(stop)
		if checks < 100 {
			t.Errorf("%d checks", checks)
		}
		with, bare := s.Stats(), without.Stats()
		if with.State == "open" || with.Limit < 85 || with.Limit > 150 || bare.Limit < 85 || bare.Limit > 150 {
			t.Errorf("%s with a limit of %d, without a slow start %s and %d", with.State, with.Limit, bare.State, bare.Limit)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		shut(t, s)
		shut(t, without)
	})
}

// In calm the ramp is met by nobody, and over when it is over.
func TestSlowStartInCalm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, shed.Config{SlowStart: time.Second})
		for range 200 {
			p := enter(t, s, of(seawall.Background))
			time.Sleep(10 * time.Millisecond)
			p.Release()
		}
		if l := s.Stats().Limit; l < shed.FirstLimit-1 {
			t.Errorf("the limit is %d", l)
		}
		shut(t, s)
	})
}

func TestSlowStartConfig(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			cfg  shed.Config
			want int
		}{
			{shed.Config{}, shed.FirstLimit},
			{shed.Config{SlowStart: seawall.Off}, shed.FirstLimit},
			{shed.Config{SlowStart: time.Minute}, 4},
			{shed.Config{SlowStart: time.Minute, MinLimit: 20}, 20},
			{shed.Config{SlowStart: time.Minute, MinLimit: 100}, 100},
			{shed.Config{SlowStart: time.Minute, MinLimit: 1, MaxLimit: 1}, 1},
		} {
			s := start(t, c.cfg)
			if l := s.Stats().Limit; l != c.want {
				t.Errorf("%v and %d to %d: the limit begins at %d, want %d", c.cfg.SlowStart, c.cfg.MinLimit, c.cfg.MaxLimit, l, c.want)
			}
			// What an operator says goes.
			if c.cfg.MaxLimit == 0 {
				override(t, s, "limit", "500", 0)
				if l := s.Stats().Limit; l != 500 {
					t.Errorf("pinned to 500 it is %d", l)
				}
			}
			shut(t, s)
		}
		for _, d := range []time.Duration{-2, 25 * time.Hour} {
			if _, err := shed.New(shed.Config{SlowStart: d}); err == nil {
				t.Errorf("%v is accepted", d)
			}
		}
	})
}
