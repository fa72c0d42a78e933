package httpcache

import "testing"

// TestAllocsShow: what a crowd asks for allocates nothing.
// (Beside what the writer does: net/http makes the map of fields, and writes it.)
func TestAllocsShow(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	want := map[string]float64{"hit": 0, "vary": 0, "304": 0, "range": 10}
	for _, kind := range kinds {
		c := warmed(t, lasting(kind.page), kind.asks...)
		shows(t, kind.name, c, want[kind.name])
		if c.w.status != kind.status || c.w.bytes != kind.bytes || c.way() != kind.way {
			t.Errorf("%s: %d, %d bytes, %s", kind.name, c.w.status, c.w.bytes, c.way())
		}
	}
	c, _ := failing(t)
	shows(t, "stale", c, 0)
	if c.w.bytes != 2048 || c.way() != "seawall; hit" {
		t.Errorf("stale: %d bytes, %s", c.w.bytes, c.way())
	}
	// A reload, which is advice (MinReload), and what it says.
	shows(t, "reload", warmed(t, lasting(nil), "Cache-Control", "max-age=0"), 1)
}

func shows(t *testing.T, name string, c *client, want float64) {
	t.Helper()
	// Once a second Age and Cache-Status are written anew: less than once a run.
	if got := testing.AllocsPerRun(500, func() { c.ask() }); got != want {
		t.Errorf("%s: %v allocations, want %v", name, got, want)
	}
}
