package cachetest

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/seawall-go/seawall/cache"
)

// busFaults are what a bus may do wrong.
type busFaults struct {
	neverLost, hearsBeforeLost, deafToSelf, atOnce, reversed, cuts, sharesBytes, ignoresContext bool
}

// hub is what the members of a bus share.
type hub struct {
	busFaults
	mu   sync.Mutex
	ears map[*member]chan []byte
}

func newHub(f busFaults) *hub { return &hub{busFaults: f, ears: map[*member]chan []byte{}} }

type member struct{ *hub }

func (h *hub) join() cache.Bus { return &member{h} }

func (m *member) Publish(ctx context.Context, message []byte) error {
	if err := ctx.Err(); err != nil && !m.ignoresContext {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.sharesBytes {
		message = bytes.Clone(message)
	}
	if m.cuts {
		message, _, _ = bytes.Cut(message, []byte{'\r'})
	}
	for other, ear := range m.ears {
		if other != m || !m.deafToSelf {
			ear <- message
		}
	}
	return nil
}

func (m *member) Listen(ctx context.Context, heard func([]byte), lost func()) {
	if m.ignoresContext {
		ctx = context.WithoutCancel(ctx)
	}
	if ctx.Err() != nil {
		return
	}
	ear := make(chan []byte, 10_000)
	m.mu.Lock()
	m.ears[m] = ear
	m.mu.Unlock()
	if m.hearsBeforeLost {
		heard([]byte("0"))
	}
	if !m.neverLost {
		lost()
	}
	defer func() {
		m.mu.Lock()
		delete(m.ears, m)
		m.mu.Unlock()
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case message := <-ear:
			m.pass(message, ear, heard)
		}
	}
}

func (m *member) pass(message []byte, ear chan []byte, heard func([]byte)) {
	switch {
	case m.atOnce:
		done := make(chan struct{})
		go func() {
			defer close(done)
			heard(bytes.Clone(message))
		}()
		heard(message)
		<-done
	case m.reversed:
		all := [][]byte{message}
		for len(ear) > 0 {
			all = append(all, <-ear)
		}
		for _, message := range slices.Backward(all) {
			heard(bytes.Clone(message))
		}
	default:
		heard(bytes.Clone(message))
	}
}

// TestBus is one that does all right.
func TestBus(t *testing.T) {
	h := newHub(busFaults{})
	Bus(t, func(*testing.T) cache.Bus { return h.join() })
}

// TestBusFinds: each fault is found, by the checks that are there for it.
func TestBusFinds(t *testing.T) {
	for _, tc := range []struct {
		faults busFaults
		by     string
	}{
		{busFaults{neverLost: true}, "lost-first"},
		{busFaults{hearsBeforeLost: true}, "lost-first"},
		{busFaults{deafToSelf: true}, "lost-first all-hear"},
		{busFaults{atOnce: true}, "one-at-a-time"},
		{busFaults{reversed: true}, "in-order"},
		{busFaults{cuts: true}, "any-byte"},
		{busFaults{sharesBytes: true}, "any-byte"},
		{busFaults{ignoresContext: true}, "context-done"},
	} {
		var found []string
		for _, c := range busChecks {
			if tc.faults.ignoresContext && c.name != "context-done" {
				continue // they would never end
			}
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				h := newHub(tc.faults)
				if err := c.run(ctx, h.join); err != nil {
					found = append(found, c.name)
				}
			})
		}
		for name := range strings.FieldsSeq(tc.by) {
			if !slices.Contains(found, name) {
				t.Errorf("%+v: not found by %s, but by %q", tc.faults, name, found)
			}
		}
	}
}
