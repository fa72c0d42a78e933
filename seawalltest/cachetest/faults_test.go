package cachetest

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall/cache"
)

//house:sleep in a bubble

// wire is the way to a server, with the server's faults. What is on its way to one
// that hangs, or is slow, is carried out all the same, in any order, when nobody
// waits for it any more.
type wire struct {
	*server
	keepsDeleted bool // as no server does
	deafens      bool // who listens is not told of what was missed

	mu    sync.Mutex
	state string // "", "dead", "frozen", "slow"
	thaw  chan struct{}
	ears  []*wireEar
}

type wireEar struct {
	heard func([]byte)
	cut   chan struct{}
}

var errWire = errors.New("connection refused")

func (w *wire) become(state string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if state == "frozen" {
		w.thaw = make(chan struct{})
	} else if w.state == "frozen" {
		close(w.thaw)
	}
	w.state = state
	if state == "dead" {
		w.server.mu.Lock()
		clear(w.values)
		clear(w.leases)
		w.server.mu.Unlock()
		w.cutLocked()
	}
}

func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cutLocked()
}

func (w *wire) cutLocked() {
	for _, e := range w.ears {
		close(e.cut)
	}
	w.ears = nil
}

// do carries out one call, sooner or later.
func (w *wire) do(ctx context.Context, op func()) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	w.mu.Lock()
	state, thaw := w.state, w.thaw
	w.mu.Unlock()
	if state == "dead" {
		return errWire
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		switch state {
		case "frozen":
			<-thaw
		case "slow":
			time.Sleep(2 * budget)
		}
		time.Sleep(rand.N(2 * time.Millisecond))
		op()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *wire) Get(ctx context.Context, keys []string, values [][]byte) (now time.Time, err error) {
	got := make([][]byte, len(values))
	var at time.Time
	if err = w.do(ctx, func() { at, _ = w.server.Get(context.Background(), keys, got) }); err == nil {
		copy(values, got)
		now = at
	}
	return now, err
}

func (w *wire) Set(ctx context.Context, items []cache.Item) error {
	items = slices.Clone(items)
	return w.do(ctx, func() { w.server.Set(context.Background(), items) })
}

func (w *wire) Delete(ctx context.Context, keys []string) error {
	if w.keepsDeleted {
		return nil
	}
	return w.do(ctx, func() { w.server.Delete(context.Background(), keys) })
}

func (w *wire) Lease(ctx context.Context, keys []string, token string, ttl time.Duration, won []bool) error {
	got := make([]bool, len(won))
	err := w.do(ctx, func() { w.server.Lease(context.Background(), keys, token, ttl, got) })
	if err == nil {
		copy(won, got)
	}
	return err
}

func (w *wire) Fill(ctx context.Context, items []cache.Item, token string) error {
	items = slices.Clone(items)
	return w.do(ctx, func() { w.server.Fill(context.Background(), items, token) })
}

func (w *wire) Release(ctx context.Context, keys []string, token string) error {
	return w.do(ctx, func() { w.server.Release(context.Background(), keys, token) })
}

// wireBus is the bus of the same server.
type wireBus struct{ w *wire }

func (b wireBus) Publish(ctx context.Context, message []byte) error {
	message = slices.Clone(message)
	return b.w.do(ctx, func() {
		b.w.mu.Lock()
		ears := slices.Clone(b.w.ears)
		b.w.mu.Unlock()
		for _, e := range ears {
			e.heard(message)
		}
	})
}

func (b wireBus) Listen(ctx context.Context, heard func([]byte), lost func()) {
	var one sync.Mutex
	for first := true; ctx.Err() == nil; first = false {
		time.Sleep(rand.N(time.Second))
		e := &wireEar{cut: make(chan struct{})}
		e.heard = func(m []byte) {
			one.Lock()
			defer one.Unlock()
			heard(m)
		}
		b.w.mu.Lock()
		if b.w.state == "dead" {
			b.w.mu.Unlock()
			continue
		}
		b.w.ears = append(b.w.ears, e)
		b.w.mu.Unlock()
		if first || !b.w.deafens {
			one.Lock()
			lost()
			one.Unlock()
		}
		select {
		case <-ctx.Done():
		case <-e.cut:
		}
	}
}

// wireFaults are what can happen to a wire, by name.
func wireFaults(w *wire) map[string]fault {
	nothing := func() {}
	to := func(state string) func() { return func() { w.become(state) } }
	return map[string]fault{
		"dead":         {begin: to("dead"), end: to(""), away: true},
		"dead clear":   {begin: to("dead"), end: to(""), away: true, clear: true},
		"frozen":       {begin: to("frozen"), end: to(""), away: true},
		"frozen clear": {begin: to("frozen"), end: to(""), away: true, clear: true},
		"slow":         {begin: to("slow"), end: to(""), away: true},
		"restarted":    {begin: func() { w.become("dead"); w.become("") }, end: nothing},
		"disconnected": {begin: w.cut, end: nothing},
	}
}

// surviveWire is survive over a wire, in a bubble: the clock is exact there.
func surviveWire(t *testing.T, w *wire, name string, bus bool) (err error) {
	synctest.Test(t, func(t *testing.T) {
		w.server = newServer(faults{})
		err = survive(t, wireFaults(w)[name], true, func() (cache.L2, cache.Bus) {
			if !bus {
				return w, nil
			}
			return w, wireBus{w}
		})
	})
	return err
}

// TestSurvive: SEAWALL_ROUNDS=100 does it so often.
func TestSurvive(t *testing.T) {
	rounds := 1
	if n, err := strconv.Atoi(os.Getenv("SEAWALL_ROUNDS")); err == nil {
		rounds = n
	}
	for name := range wireFaults(new(wire)) {
		for _, bus := range []bool{false, true} {
			for range rounds {
				if err := surviveWire(t, new(wire), name, bus); err != nil {
					t.Errorf("%s, with a bus %t: %v", name, bus, err)
				}
			}
		}
	}
}

// TestSurviveFinds: what loses an invalidation is found.
func TestSurviveFinds(t *testing.T) {
	for _, tc := range []struct {
		made  func() *wire // in each bubble another
		fault string
	}{
		{func() *wire { return &wire{keepsDeleted: true} }, "disconnected"},
		{func() *wire { return &wire{deafens: true} }, "dead"},
	} {
		found := false
		for range 20 { // who is connected again before anything is said has missed nothing
			found = found || surviveWire(t, tc.made(), tc.fault, true) != nil
		}
		if !found {
			t.Errorf("%s: nothing was found", tc.fault)
		}
	}
}
