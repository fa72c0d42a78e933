package ratelimittest

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/ratelimit"
)

// TestBytesPerKey fills the table of a policy with defaults to 80 %, with users
// of whom each will be in debt for an hour.
func TestBytesPerKey(t *testing.T) {
	before := heap()
	limits, err := ratelimit.New(ratelimit.Config{Policies: []ratelimit.Policy{ratelimit.PerUser(1, time.Hour)}})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	asked, refused := seawall.ID(0), uint64(0)
	full := func() ratelimit.PolicyStats {
		for {
			st := limits.Stats().Policies[0]
			missing := st.Capacity*8/10 - st.Keys
			if missing <= 0 {
				return st
			}
			for range missing/2 + 1 {
				asked++
				if limits.Take(r, seawall.Class{User: asked}) != nil {
					refused++
				}
			}
		}
	}
	st := full()
	taken := heap() - before
	perKey := float64(taken) / float64(st.Keys)
	t.Logf("%d bytes for %d keys of %d users (room for %d): %.2f each; %d requests found no room", taken, st.Keys, asked, st.Capacity, perKey, st.Displaced)
	if perKey > 12 || perKey < 8 {
		t.Errorf("%.2f bytes a key, want at most 12, and 8 that are surely used", perKey)
	}
	if refused > st.Displaced {
		t.Errorf("%d users were refused their first request, and only %d for want of room", refused, st.Displaced)
	}
	// Sets of eight fill unevenly: by chance alone it is one in ten.
	if lost := float64(st.Displaced) / float64(asked); lost > 0.12 {
		t.Errorf("%.1f %% of users found no room", 100*lost)
	}
	again := 0
	for id := range asked {
		if limits.Take(r, seawall.Class{User: id + 1}) == nil {
			again++
		}
	}
	if again > 0 {
		t.Errorf("%d of %d users were let in twice", again, asked)
	}
	runtime.KeepAlive(limits)
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
