package cachetest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/seawall-go/seawall/cache"
)

// TestL2 is a store that does all right.
func TestL2(t *testing.T) {
	s := newServer(faults{})
	L2(t, func(*testing.T) cache.L2 { return s })
}

// TestWithoutLeases: what is no Leaser is checked for the rest.
func TestWithoutLeases(t *testing.T) {
	s := newServer(faults{})
	L2(t, func(*testing.T) cache.L2 { return struct{ cache.L2 }{s} })
}

// failing returns the names of the checks that find something. In a bubble, what
// never expires costs no time.
func failing(t *testing.T, f faults) (names []string) {
	t.Helper()
	for _, c := range checks {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(f)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if err := c.run(ctx, newSubject(func() cache.L2 { return s })); err != nil {
				names = append(names, c.name)
			}
		})
	}
	return names
}

// TestL2Finds: each fault is found, by the checks that are there for it.
func TestL2Finds(t *testing.T) {
	for _, tc := range []struct {
		faults faults
		by     string
	}{
		{faults{}, ""},
		{faults{wrongOrder: true}, "order"},
		{faults{emptyIsNil: true}, "empty-value fill"},
		{faults{keeps: true}, "copies"},
		{faults{cuts: true}, "any-byte"},
		{faults{noTTL: true}, "ttl ttl-extreme fill lease-ends"},
		{faults{ttlToZero: true}, "ttl-extreme lease-ends"},
		{faults{oldTTL: true}, "ttl"},
		{faults{noDelete: true}, "delete odd-keys many-keys"},
		{faults{foldsKeys: true}, "odd-keys"},
		{faults{ignoresContext: true}, "context-done"},
		{faults{wrongClock: true}, "now"},
		{faults{anyLease: true}, "lease-exclusive lease-batch release"},
		{faults{leaseHides: true}, "lease-keeps-value"},
		{faults{deleteKeepsLease: true}, "fill-after-delete"},
		{faults{setKeepsLease: true}, "fill-after-set"},
		{faults{fillAlways: true}, "fill fill-after-delete fill-after-set fill-foreign lease-ends"},
		{faults{fillKeepsLease: true}, "fill"},
		{faults{fillForeign: true}, "fill-foreign lease-ends"},
		{faults{releaseAlways: true}, "release"},
		{faults{noRelease: true}, "lease-batch release"},
		{faults{endless: true}, "lease-ends"},
		{faults{allOrNothing: true}, "lease-batch"},
		{faults{prefixToken: true}, "fill-foreign"},
	} {
		found := failing(t, tc.faults)
		if tc.by == "" && found != nil {
			t.Errorf("%+v: found by %q", tc.faults, found)
		}
		for name := range strings.FieldsSeq(tc.by) {
			if !slices.Contains(found, name) {
				t.Errorf("%+v: not found by %s, but by %q", tc.faults, name, found)
			}
		}
	}
}

// racy fills without looking again whether the lease is still held.
type racy struct{ *server }

func (r racy) Fill(ctx context.Context, items []cache.Item, token string) error {
	r.mu.Lock()
	held := r.holds(items[0].Key, token)
	r.mu.Unlock()
	if !held {
		return nil
	}
	return r.Set(ctx, items)
}

// TestNeverStaleFinds what only shows when several do something at once.
func TestNeverStaleFinds(t *testing.T) {
	for range 200 {
		s := newServer(faults{})
		if err := checkNeverStale(t.Context(), newSubject(func() cache.L2 { return racy{s} })); err != nil {
			return
		}
	}
	t.Error("a Fill that is not atomic was not found in 200 times")
}
