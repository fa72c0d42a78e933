package shed_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/shed"
)

func TestConfigRefusesWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		cfg  shed.Config
		want string
	}{
		{shed.Config{Budget: -time.Second}, "Budget must be positive (got -1s)"},
		{shed.Config{Budget: seawall.Off}, "Budget must be positive (got -1ns)"},
		{shed.Config{Budget: 9 * time.Millisecond}, "Budget must be at least 10ms (got 9ms)"},
		{shed.Config{Budget: 25 * time.Hour}, "Budget must be at most 24h (got 25h0m0s)"},
		{shed.Config{CriticalWait: -2}, "CriticalWait must be positive (got -2ns)"},
		{shed.Config{CriticalWait: 25 * time.Hour}, "CriticalWait must be at most 24h (got 25h0m0s)"},
		{shed.Config{NormalWait: -time.Hour}, "NormalWait must be positive (got -1h0m0s)"},
		{shed.Config{NormalWait: math.MaxInt64}, "NormalWait must be at most 24h (got "},
		{shed.Config{SheddableWait: math.MinInt64}, "SheddableWait must be positive (got -"},
		{shed.Config{Sticky: 29 * time.Second}, "Sticky must be at least 30s, the longest Retry-After (got 29s)"},
		{shed.Config{Sticky: seawall.Off}, "Sticky must be positive (got -1ns)"},
		{shed.Config{Sticky: 48 * time.Hour}, "Sticky must be at most 24h (got 48h0m0s)"},
		{shed.Config{MinLimit: -1}, "MinLimit must be positive (got -1)"},
		{shed.Config{MinLimit: 10_001}, "MaxLimit must be at least MinLimit, 10001 (got 10000)"},
		{shed.Config{MaxLimit: 3}, "MaxLimit must be at least MinLimit, 4 (got 3)"},
		{shed.Config{MaxLimit: -1}, "MaxLimit must be at least MinLimit, 4 (got -1)"},
		{shed.Config{MaxLimit: math.MaxInt32}, "MaxLimit must be at most 134217727 (got 2147483647)"},
		{shed.Config{MinLimit: 7, MaxLimit: 6}, "MaxLimit must be at least MinLimit, 7 (got 6)"},
	} {
		s, err := shed.New(c.cfg)
		if err == nil || s != nil {
			t.Errorf("%q: %v, %v", c.want, s, err)
			continue
		}
		if !strings.HasPrefix(err.Error(), "seawall/shed: "+c.want) {
			t.Errorf("got %q, want %q", err, c.want)
		}
	}
}

func TestConfigAcceptsWhatIsRight(t *testing.T) {
	for _, cfg := range []shed.Config{
		{},
		{Budget: 10 * time.Millisecond, Sticky: 30 * time.Second},
		{Budget: 24 * time.Hour, Sticky: 24 * time.Hour, CriticalWait: 24 * time.Hour},
		{CriticalWait: 1, NormalWait: 1, SheddableWait: 1},
		{CriticalWait: seawall.Off, NormalWait: seawall.Off, SheddableWait: seawall.Off},
		{MinLimit: 1, MaxLimit: 1},
		{MinLimit: math.MaxInt32 / 16, MaxLimit: math.MaxInt32 / 16},
		{MinLimit: 4, MaxLimit: 4, DryRun: true, Name: "front"},
	} {
		s, err := shed.New(cfg)
		if err != nil {
			t.Errorf("%+v: %v", cfg, err)
			continue
		}
		enter(t, s, of(seawall.Background)).Release()
		shut(t, s)
	}
}

// A limit that starts below, or above, what the bounds allow is in them at once.
func TestConfigBoundsTheFirstLimit(t *testing.T) {
	for _, c := range []struct{ min, max, want int }{{0, 0, shed.FirstLimit}, {100, 0, 100}, {0, 10, 10}, {7, 7, 7}} {
		s := start(t, shed.Config{MinLimit: c.min, MaxLimit: c.max})
		if st := s.Stats(); st.Limit != c.want {
			t.Errorf("between %d and %d the limit starts at %d, want %d", c.min, c.max, st.Limit, c.want)
		}
		for _, p := range fill(t, s, c.want) {
			p.Release()
		}
		shut(t, s)
	}
}
