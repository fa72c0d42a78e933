package shed_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/shed"
)

// retries sends requests for a while, which all are refused but for the share
// admitted, and returns what the refused of the last second were told.
func retries(t *testing.T, s *shed.Shedder, long time.Duration, admitted int) []int {
	t.Helper()
	var told []int
	user := seawall.ID(0)
	for end := time.Now().Add(long); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		for i := range 20 {
			if i < admitted {
				enter(t, s, of(seawall.Critical)).Release()
				continue
			}
			// From a full house, whatever the floor may be.
			inside := enter(t, s, of(seawall.Critical))
			user++
			_, err := s.TryAcquire(context.Background(), seawall.Class{Priority: seawall.Critical, User: user})
			inside.Release()
			rej := refusal(t, err, seawall.Overloaded)
			if rej.RetryAfter < time.Second || rej.RetryAfter > 30*time.Second || rej.RetryAfter%time.Second != 0 {
				t.Fatalf("Retry-After is %v", rej.RetryAfter)
			}
			if time.Until(end) <= time.Second {
				told = append(told, rej.RetryAfterSeconds())
			}
		}
	}
	return told
}

// Retry-After grows with the share that is refused: when nine of ten are sent
// away, they should come back ten times later. The share is half at most here,
// as each refusal needs somebody inside.
func TestRetryAfterGrowsWithTheRefusedShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pinned(t, 1, shed.Config{})
		few := retries(t, s, 10*time.Second, 18)
		half := retries(t, s, 10*time.Second, 0)
		if m := slices.Max(few); m < 2 || m > 3 {
			t.Errorf("when few are refused they are told up to %d s, want 2 or 3", m)
		}
		if m := slices.Max(half); m < 4 || m > 5 {
			t.Errorf("when half are refused they are told up to %d s, want 4 or 5", m)
		}
		inside := enter(t, s, of(seawall.Critical))
		var all [31]int
		user := seawall.ID(0)
		for range 20 * 60 { // a minute in which everybody is refused
			for range 10 {
				user++
				_, err := s.TryAcquire(context.Background(), seawall.Class{Priority: seawall.Critical, User: user})
				if v := refusal(t, err, seawall.Overloaded).RetryAfterSeconds(); user > 10*20*50 {
					all[v]++
				}
			}
			time.Sleep(50 * time.Millisecond)
		}
		inside.Release()
		// 2000 refusals over 1 to 30 s: 67 each. Evenly spread, or else they all
		// come back in the same second.
		for v, n := range all[1:] {
			if n < 30 || n > 120 {
				t.Fatalf("%d of 2000 are told %d s, want about 67: %v", n, v+1, all)
			}
		}
		shut(t, s)
	})
}

// Few refusals in each tick, of the same or of many users, are spread as well.
func TestRetryAfterIsSpread(t *testing.T) {
	for name, user := range map[string]func(i int) seawall.ID{
		"one user":   func(int) seawall.ID { return 7 },
		"many users": func(i int) seawall.ID { return seawall.ID(i + 1) },
		"nobody":     func(int) seawall.ID { return 0 },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := pinned(t, 1, shed.Config{})
				inside := enter(t, s, of(seawall.Critical))
				told := map[int]int{}
				for i := range 2000 {
					_, err := s.TryAcquire(context.Background(), seawall.Class{Priority: seawall.Critical, User: user(i)})
					if v := refusal(t, err, seawall.Overloaded).RetryAfterSeconds(); i >= 1000 {
						told[v]++
					}
					time.Sleep(20 * time.Millisecond)
				}
				inside.Release()
				for v := 1; v <= 30; v++ { // 33 each
					if n := told[v]; n < 8 || n > 80 {
						t.Fatalf("%d of 1000 are told %d s, want about 33 each: %v", n, v, told)
					}
				}
				shut(t, s)
			})
		})
	}
}
