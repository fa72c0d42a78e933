package ratelimit

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	_ "time/tzdata" // daylight saving days, on machines without zones too

	"github.com/seawall-go/seawall"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// sleepUntil is for bubbles, where it takes no time.
func sleepUntil(t testing.TB, at time.Time) {
	t.Helper()
	d := time.Until(at)
	if d < 0 {
		t.Fatalf("%v is past", at)
	}
	time.Sleep(d)
}

// use takes all there is, and returns how much that was.
func use(k *Keyed, key string) (n int) {
	for n < 1000 && k.Take(key, 1, seawall.Normal).OK {
		n++
	}
	return n
}

// TestQuotaWindows: what a window has is there at its first moment, and for as
// long as it lasts nothing comes back.
func TestQuotaWindows(t *testing.T) {
	ny, santiago, beirut, lordHowe := zone(t, "America/New_York"), zone(t, "America/Santiago"), zone(t, "Asia/Beirut"), zone(t, "Australia/Lord_Howe")
	for name, c := range map[string]struct {
		each Window
		zone *time.Location
		at   time.Time // within the window
		ends time.Time
	}{
		"hour":                    {Hour, nil, time.Date(2000, 3, 1, 12, 59, 59, 0, time.UTC), time.Date(2000, 3, 1, 13, 0, 0, 0, time.UTC)},
		"day":                     {Day, nil, time.Date(2000, 3, 1, 0, 0, 0, 0, time.UTC), time.Date(2000, 3, 2, 0, 0, 0, 0, time.UTC)},
		"leap day":                {Day, nil, time.Date(2000, 2, 28, 23, 0, 0, 0, time.UTC), time.Date(2000, 2, 29, 0, 0, 0, 0, time.UTC)},
		"month":                   {Month, nil, time.Date(2000, 1, 31, 7, 0, 0, 0, time.UTC), time.Date(2000, 2, 1, 0, 0, 0, 0, time.UTC)},
		"February":                {Month, nil, time.Date(2000, 2, 1, 0, 0, 0, 0, time.UTC), time.Date(2000, 3, 1, 0, 0, 0, 0, time.UTC)},
		"end of year":             {Month, nil, time.Date(2000, 12, 31, 23, 59, 0, 0, time.UTC), time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)},
		"day in New York":         {Day, ny, time.Date(2000, 3, 1, 23, 0, 0, 0, ny), time.Date(2000, 3, 2, 0, 0, 0, 0, ny)},
		"month in New York":       {Month, ny, time.Date(2000, 3, 31, 23, 0, 0, 0, ny), time.Date(2000, 4, 1, 0, 0, 0, 0, ny)},
		"a day of 23 hours":       {Day, ny, time.Date(2000, 4, 2, 0, 0, 0, 0, ny), time.Date(2000, 4, 3, 0, 0, 0, 0, ny)},
		"a day of 25 hours":       {Day, ny, time.Date(2000, 10, 29, 0, 0, 0, 0, ny), time.Date(2000, 10, 30, 0, 0, 0, 0, ny)},
		"a day of 24.5 hours":     {Day, lordHowe, time.Date(2000, 3, 26, 0, 0, 0, 0, lordHowe), time.Date(2000, 3, 27, 0, 0, 0, 0, lordHowe)},
		"no midnight in Santiago": {Day, santiago, time.Date(2000, 10, 14, 12, 0, 0, 0, santiago), time.Date(2000, 10, 15, 4, 0, 0, 0, time.UTC)},
		"no midnight in Beirut":   {Day, beirut, time.Date(2000, 3, 25, 12, 0, 0, 0, beirut), time.Date(2000, 3, 25, 22, 0, 0, 0, time.UTC)},
		"23 hours in Santiago":    {Day, santiago, time.Date(2000, 10, 15, 4, 0, 0, 0, time.UTC), time.Date(2000, 10, 16, 0, 0, 0, 0, santiago)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sleepUntil(t, c.at)
				k := keyedOf(t, KeyedConfig{Quota: Quota{N: 5, Each: c.each, Zone: c.zone}, Bytes: minBytes})
				if n := use(k, "a"); n != 5 {
					t.Errorf("%d at once, want 5", n)
				}
				d := k.Take("a", 1, seawall.Normal)
				if got, want := d.RetryAfter(), time.Until(c.ends); got != want {
					t.Errorf("come back in %v, want %v", got, want)
				}
				if got, want := d.ResetAfter(), time.Until(c.ends); got != want {
					t.Errorf("all is there in %v, want %v", got, want)
				}
				step := time.Until(c.ends) / 7
				for range 6 { // nothing comes back
					time.Sleep(step)
					if n := use(k, "a"); n != 0 {
						t.Fatalf("%d more at %v", n, time.Now().In(c.ends.Location()))
					}
				}
				sleepUntil(t, c.ends.Add(-2*time.Millisecond)) // whoever looks in the last one holds the next window up by it
				if n := use(k, "a"); n != 0 {
					t.Errorf("%d two milliseconds too early", n)
				}
				time.Sleep(2 * time.Millisecond)
				if n := use(k, "a"); n != 5 {
					t.Errorf("%d in the next window, want 5", n)
				}
			})
		})
	}
}

// TestQuotaEveryZone: on each of 500 days, wherever midnight is, a window is one
// day of the calendar: it ends when the date does.
func TestQuotaEveryZone(t *testing.T) {
	for _, name := range []string{
		"America/Santiago", "America/Havana", "America/Asuncion", "Asia/Beirut", "Africa/Cairo", "Asia/Tehran", "Pacific/Apia",
		"America/New_York", "Atlantic/Azores", "Asia/Kolkata", "Europe/Berlin", "Pacific/Kiritimati",
	} {
		synctest.Test(t, func(t *testing.T) {
			z := zone(t, name)
			c := newCalendar(Quota{N: 1, Each: Day, Zone: z})
			for range 500 {
				w := c.window(clock())
				before := w.ends.Add(-time.Nanosecond).In(z)
				if now := time.Now().In(z); !sameDate(now, before) || sameDate(now, w.ends.In(z)) {
					t.Fatalf("%s: the window of %v ends %v", name, now, w.ends.In(z))
				}
				sleepUntil(t, w.ends)
				if next := c.window(clock()); next.number <= w.number {
					t.Fatalf("%s: window %d is followed by %d", name, w.number, next.number)
				}
			}
		})
	}
}

func sameDate(a, b time.Time) bool { return a.YearDay() == b.YearDay() && a.Year() == b.Year() }

// shifted is a zone in which the wall clock shows that much more: to go over to
// it is as if somebody had set the clock.
func shifted(d time.Duration) *time.Location {
	return time.FixedZone(d.String(), int(d/time.Second))
}

// TestQuotaClockSet: a clock set a little back over midnight begins no window
// again, one set forward is believed within a minute, and one that was far ahead
// and is put right locks nobody out.
func TestQuotaClockSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keyedOf(t, KeyedConfig{Quota: Quota{N: 5, Each: Day}, Bytes: minBytes})
		cal := k.now.Load().cal
		set := func(d time.Duration) {
			cal.Zone = shifted(d)
			time.Sleep(time.Minute) // it is not looked at for each request
		}
		want := func(what string, n int) {
			t.Helper()
			if got := use(k, "a"); got != n {
				t.Errorf("%s: %d, want %d", what, got, n)
			}
		}
		time.Sleep(30 * time.Minute) // half past midnight
		want("at first", 5)
		set(-time.Hour)
		want("an hour back, over midnight", 0)
		if d := k.Take("a", 1, seawall.Normal); d.RetryAfter() > 25*time.Hour || d.RetryAfter() < 22*time.Hour {
			t.Errorf("come back in %v", d.RetryAfter())
		}
		set(0)
		want("put right", 0)
		set(12 * time.Hour)
		want("forward, the same day", 0)
		set(24 * time.Hour)
		want("forward over midnight", 5)
		set(0)
		want("and back", 0)
		set(24 * 10 * time.Hour)
		want("ten days ahead", 5)
		set(0)
		want("put right", 5)
		want("but once", 0)
		if d := k.Take("a", 1, seawall.Normal); d.RetryAfter() > 24*time.Hour {
			t.Errorf("come back in %v", d.RetryAfter())
		}
		time.Sleep(24 * time.Hour)
		want("the next day", 5)
	})
}

// TestQuotaUpdate: another N goes on with what was used, another window begins
// anew, and the new N holds at once.
func TestQuotaUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keyedOf(t, KeyedConfig{Quota: Quota{N: 5, Each: Day}, Bytes: minBytes})
		use(k, "a")
		for _, c := range []struct {
			q    Quota
			want int
		}{
			{Quota{N: 7, Each: Day}, 2},
			{Quota{N: 3, Each: Day}, 0},
			{Quota{N: 8, Each: Day}, 1},
			{Quota{N: 8, Each: Month}, 8},
		} {
			if err := k.Update(KeyedConfig{Quota: c.q, Bytes: minBytes}); err != nil {
				t.Fatal(err)
			}
			if n := use(k, "a"); n != c.want {
				t.Errorf("%v: %d more, want %d", c.q, n, c.want)
			}
		}
		if err := k.Update(KeyedConfig{Rate: Per(20, time.Hour), Bytes: minBytes}); err != nil {
			t.Fatal(err)
		}
		if n := use(k, "a"); n != 2 {
			t.Errorf("with a Rate: %d, want 2", n)
		}
	})
}

func TestQuotaMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keyedOf(t, KeyedConfig{Quota: Quota{N: mostQuota, Each: Month}, Bytes: minBytes})
		for range 3 {
			if d := k.Take("a", mostQuota-1, seawall.Normal); !d.OK || d.Remaining() != 1 {
				t.Errorf("all but one: %v, %d remain", d.OK, d.Remaining())
			}
			if d := k.Take("a", 2, seawall.Normal); d.OK || d.RetryAfter() == Never {
				t.Errorf("two of one: %v, retry %v", d.OK, d.RetryAfter())
			}
			if d := k.Take("a", 1, seawall.Normal); !d.OK || d.Remaining() != 0 {
				t.Errorf("the last: %v, %d remain", d.OK, d.Remaining())
			}
			if d := k.Take("a", mostQuota+1, seawall.Normal); d.OK || d.RetryAfter() != Never {
				t.Errorf("more than there ever is: %v, retry %v", d.OK, d.RetryAfter())
			}
			now := time.Now()
			sleepUntil(t, time.Date(now.Year(), now.Month()+1, 1, 0, 0, 0, 0, time.UTC))
		}
	})
}

// TestQuotaReserve: priorities count in quotas as well.
func TestQuotaReserve(t *testing.T) {
	k := keyedOf(t, KeyedConfig{Quota: Quota{N: 10, Each: Month}, Reserve: Reserve{0.5, 0.5, 0.3, 0}, Bytes: minBytes})
	if n := use(k, "a"); n != 7 {
		t.Errorf("%d Normal, want 7", n)
	}
	if d := k.Take("a", 4, seawall.Critical); d.OK || d.RetryAfter() == Never || d.RetryAfter() > 31*24*time.Hour {
		t.Errorf("four of three: %v, retry %v", d.OK, d.RetryAfter())
	}
	if d := k.Take("a", 8, seawall.Normal); d.RetryAfter() != Never {
		t.Errorf("more than Normal may ever have: retry %v", d.RetryAfter())
	}
	if d := k.Take("a", 3, seawall.Critical); !d.OK {
		t.Error("three of three refused")
	}
}

// TestQuotaOverflow: who finds no room shares with its group, for this window.
func TestQuotaOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keyedOf(t, KeyedConfig{Quota: Quota{N: 2, Each: Day}, Bytes: minBytes, GroupFactor: 4, Wider: func([]byte) int { return 1 }})
		fill := func() (admitted int) {
			for i := range 4000 {
				if k.TakeBytes([]byte{'x', byte(i), byte(i >> 8)}, 1, seawall.Normal).OK {
					admitted++
				}
			}
			return admitted
		}
		most := minBytes/8 + 2*4 + 2 // two keys may be taken for one, and it has two
		if n := fill(); n > most || n < most-10 {
			t.Errorf("%d admitted, want %d keys and %d of the group", n, minBytes/8, 2*4)
		}
		if d := k.Take("y1", 1, seawall.Normal); !d.OK {
			t.Error("another group is shut out")
		}
		if st := k.Stats(); st.Displaced == 0 || st.Live != st.Capacity {
			t.Errorf("%+v", st)
		}
		time.Sleep(24 * time.Hour)
		if st := k.Stats(); st.Live != 0 {
			t.Errorf("a day later: %+v", st)
		}
		if n := fill(); n > most || n < most-10 {
			t.Errorf("the next day %d admitted", n)
		}
	})
}

func TestQuotaErrors(t *testing.T) {
	for want, c := range map[string]KeyedConfig{
		"Quota.N must be between 1 and 268435455 (got 0)":         {Quota: Quota{Each: Day}},
		"Quota.N must be between 1 and 268435455 (got 268435456)": {Quota: Quota{N: mostQuota + 1, Each: Day}},
		"Quota.Each must be Hour, Day or Month (got 0)":           {Quota: Quota{N: 1}},
		"Quota.Each must be Hour, Day or Month (got 4)":           {Quota: Quota{N: 1, Each: 4}},
		"Rate and Quota must not both be set":                     {Quota: Quota{N: 1, Each: Day}, Rate: Per(1, time.Second)},
		"Reserve of background must be between 0 and 1 (got 2)":   {Quota: Quota{N: 1, Each: Day}, Reserve: Reserve{2}},
	} {
		_, err := NewKeyed(c)
		if err == nil || !strings.HasPrefix(err.Error(), "seawall/ratelimit: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
		_, err = New(Config{Policies: []Policy{{Name: "p", Quota: c.Quota, Rate: c.Rate, Reserve: c.Reserve, Key: ByUser()}}})
		if err == nil || !strings.HasPrefix(err.Error(), `seawall/ratelimit: policy "p": `) || !strings.Contains(err.Error(), strings.TrimPrefix(want, "seawall/ratelimit: ")) {
			t.Errorf("error %v, want %s", err, want)
		}
		if errors.Unwrap(err) == nil {
			t.Errorf("%v stands alone", err)
		}
	}
	for want, q := range map[string]Quota{"10000 a day": {N: 10_000, Each: Day}, "1 an hour": {N: 1, Each: Hour}, "5 a month": {N: 5, Each: Month}} {
		if got := q.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
