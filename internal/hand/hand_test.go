package hand

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
)

func of(t *testing.T) (h *Hand, inForce func() string) {
	t.Helper()
	var mu sync.Mutex
	now := ""
	h = &Hand{
		Package: "seawall/test",
		Controls: []seawall.Control{
			{Name: "loads", Options: []string{Auto, "none"}},
			{Name: "purge"},
		},
		Apply: func(is func(control, value string) bool) {
			mu.Lock()
			defer mu.Unlock()
			now = Auto
			if is("loads", "none") {
				now = "none"
			}
		},
	}
	return h, func() string {
		mu.Lock()
		defer mu.Unlock()
		return now
	}
}

// TestEnds: what is set ends with its time, by being taken back, or by the next
// override, and the list tells who set it and why.
func TestEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, inForce := of(t)
		set := func(value string, d time.Duration) {
			t.Helper()
			if err := h.Set(seawall.Override{Control: "loads", Value: value, For: d, By: "ann", Why: "crowd"}); err != nil {
				t.Error(err)
			}
		}
		set("none", time.Minute)
		if c := h.List()[0]; c.Value != "none" || !c.Overridden || c.By != "ann" || c.Why != "crowd" || !c.Until.Equal(time.Now().Add(time.Minute)) {
			t.Errorf("%+v", c)
		}
		time.Sleep(59 * time.Second)
		set("none", time.Minute) // the first one's end is not this one's
		time.Sleep(59 * time.Second)
		if inForce() != "none" {
			t.Error("ended too early")
		}
		time.Sleep(2 * time.Second)
		if c := h.List()[0]; inForce() != Auto || c.Value != Auto || c.Overridden {
			t.Errorf("did not end: %+v", c)
		}
		set("none", 0)
		time.Sleep(time.Hour)
		if inForce() != "none" {
			t.Error("without For it stays")
		}
		set("", 0)
		if inForce() != Auto {
			t.Error("not taken back")
		}
		set("none", time.Minute)
		h.Release()
		time.Sleep(time.Hour)
		if inForce() != "none" {
			t.Error("a timer is left")
		}
		set("none", time.Minute)
		synctest.Wait()
	})
}

// TestRefuses: what is wrong is named.
func TestRefuses(t *testing.T) {
	h, _ := of(t)
	for want, o := range map[string]seawall.Override{
		`seawall/test: there is no control "other"`:                          {Control: "other", Value: "x"},
		`override of loads must be one of auto, none (got "some")`:           {Control: "loads", Value: "some"},
		`override of loads: For must not be negative (got -1s)`:              {Control: "loads", Value: "none", For: -time.Second},
		`seawall/test: override of purge must be one of  (got "everything")`: {Control: "purge", Value: "everything"},
	} {
		if err := h.Set(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if c := h.List(); c[0].Value != Auto || c[1].Value != "" {
		t.Errorf("%+v", c)
	}
}
