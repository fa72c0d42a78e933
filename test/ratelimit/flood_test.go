//go:build linux

package ratelimittest

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"
)

// TestFlood: addresses nobody has seen before, of one network, at a million a
// second, while abusers who have been refused go on, and others come for the
// first time. All through Middleware, with the defaults, in a process of its own.
func TestFlood(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector takes memory and time")
	}
	addresses, wait := 1_000_000, time.Duration(0)
	if long() {
		addresses, wait = 10_000_000, 2*window
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %d", floodEnv, addresses, wait))
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var r result
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatalf("%v: %q", err, text)
	}
	const mib = 1 << 20
	t.Logf("%d addresses in %v, %d admitted; %d keys in debt, %d found no room; %d collections", r.Flood, r.Took, r.FloodAdmitted, r.Keys, r.Displaced, r.Collected)
	t.Logf("abusers %d of %.0f; newcomers %d of %d, of 20 networks %d of %d", r.Abusers, r.Allowed, r.NewcomersIn, r.Newcomers, r.CrowdedIn, r.Crowded)
	t.Logf("requests: worst %v, second %v, 99.9%% %v; by the processor at most %v; %v of waiting for locks in all", r.Worst, r.Second, r.P999, r.Own, r.Locked)
	t.Logf("resident, MiB: %.1f without limits, %.1f with ordinary clients, peak %.1f, %.1f after %v",
		float64(r.Base)/mib, float64(r.Ordinary)/mib, float64(r.Peak)/mib, float64(r.Left)/mib, wait)

	if over := r.Peak - r.Base; r.Base <= 0 || over > 64*mib || over < 8*mib {
		t.Errorf("it has taken %d bytes, want at most 64 MiB, and the table that must be there", over)
	}
	if most := float64(r.Ordinary) * 1.1; wait > 0 && float64(r.Left) > most {
		t.Errorf("%d bytes are resident after %v, want at most %.0f", r.Left, wait, most)
	}
	// By the clock it is also what else the machine did, and now and then by the
	// thread's own, too: judged in the long form only. Who holds a lock may have to
	// stand for that as well, but not often.
	if worst := min(r.Worst, r.Own); wait > 0 && worst > 10*time.Millisecond {
		t.Errorf("a request took %v", worst)
	}
	if most := r.Took/50 + 200*time.Millisecond; wait > 0 && r.Locked > most {
		t.Errorf("goroutines waited %v for locks, want at most %v", r.Locked, most)
	}
	if r.LetIn > 0 || float64(r.Abusers) > 1.05*r.Allowed {
		t.Errorf("%d of %d abusers were let in again; all have got %d of %.0f", r.LetIn, abusers, r.Abusers, r.Allowed)
	}
	if float64(r.Abusers) < 0.5*r.Allowed {
		t.Errorf("abusers have got %d of the %.0f that are theirs: nothing was tried", r.Abusers, r.Allowed)
	}
	if r.NewcomersIn < (r.Newcomers*99+99)/100 || r.Newcomers < addresses/newcomerIn {
		t.Errorf("%d of %d newcomers were admitted", r.NewcomersIn, r.Newcomers)
	}
	if r.Displaced == 0 {
		t.Error("there was room for all: nothing was tried")
	}
}
