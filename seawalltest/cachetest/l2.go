package cachetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seawall-go/seawall/cache"
)

// L2 runs every check as a subtest of its own name. NewStore is called several times
// in each of them and returns clients of the same server: what one of them
// writes, another one reads. Each check uses keys of its own, so that the server
// need not be empty. Where the store is a cache.Leaser, its leases are checked,
// too.
func L2(t *testing.T, newStore func(t *testing.T) cache.L2) {
	t.Helper()
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			s := newSubject(func() cache.L2 { return newStore(t) })
			if c.leases && s.leaser == nil {
				t.Skip("it is no cache.Leaser")
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if err := c.run(ctx, s); err != nil {
				t.Error(err)
			}
		})
	}
}

// patience is for one check.
const patience = 30 * time.Second

type check struct {
	name   string
	leases bool
	run    func(ctx context.Context, s *subject) error
}

var checks = slices.Concat(valueChecks, leaseChecks)

// subject is the store under test.
type subject struct {
	cache.L2
	leaser cache.Leaser
	other  *subject // a second client of the same server
	prefix string
}

var subjects atomic.Int64

func newSubject(client func() cache.L2) *subject {
	prefix := fmt.Sprintf("cachetest:%x:%x:", time.Now().UnixNano(), subjects.Add(1))
	one := func() *subject {
		s := &subject{L2: client(), prefix: prefix}
		s.leaser, _ = s.L2.(cache.Leaser)
		return s
	}
	s := one()
	s.other = one()
	return s
}

// key is one of this check's own.
func (s *subject) key(name string) string { return s.prefix + name }

func (s *subject) keys(names ...string) []string {
	keys := make([]string, len(names))
	for i, name := range names {
		keys[i] = s.key(name)
	}
	return keys
}

// put writes one value for an hour.
func (s *subject) put(ctx context.Context, name, value string) error {
	return s.Set(ctx, []cache.Item{s.item(name, value)})
}

func (s *subject) item(name, value string) cache.Item {
	return cache.Item{Key: s.key(name), Value: []byte(value), TTL: time.Hour}
}

func (s *subject) del(ctx context.Context, names ...string) error {
	return s.Delete(ctx, s.keys(names...))
}

// get reads one value; nil if there is none.
func (s *subject) get(ctx context.Context, name string) ([]byte, error) {
	values := make([][]byte, 1)
	_, err := s.Get(ctx, s.keys(name), values)
	return values[0], err
}

// holds is an error unless the store has this value.
func (s *subject) holds(ctx context.Context, name, want string) error {
	got, err := s.get(ctx, name)
	switch {
	case err != nil:
		return err
	case got == nil:
		return fmt.Errorf("%q has no value, want %.40q", name, want)
	case !bytes.Equal(got, []byte(want)):
		return fmt.Errorf("%q is %.40q, want %.40q", name, got, want)
	}
	return nil
}

// lacks is an error unless the store has none of them.
func (s *subject) lacks(ctx context.Context, names ...string) error {
	for _, name := range names {
		got, err := s.get(ctx, name)
		if err != nil {
			return err
		}
		if got != nil {
			return fmt.Errorf("%q is %.40q, want no value", name, got)
		}
	}
	return nil
}

// lease asks for one key, for a minute.
func (s *subject) lease(ctx context.Context, name, token string) (bool, error) {
	won := make([]bool, 1)
	err := s.leaser.Lease(ctx, s.keys(name), token, time.Minute, won)
	return won[0], err
}

// gets is an error unless the token gets the lease, or unless it does not.
func (s *subject) gets(ctx context.Context, name, token string, want bool) error {
	won, err := s.lease(ctx, name, token)
	if err == nil && won != want {
		err = fmt.Errorf("the token %s got the lease of %q: %t, want %t", token, name, won, want)
	}
	return err
}

func (s *subject) fill(ctx context.Context, name, value, token string) error {
	return s.leaser.Fill(ctx, []cache.Item{s.item(name, value)}, token)
}

func (s *subject) release(ctx context.Context, name, token string) error {
	return s.leaser.Release(ctx, s.keys(name), token)
}

// eventually waits for something that the store does by its own clock.
func eventually(ctx context.Context, what string, ok func() (bool, error)) error {
	for {
		done, err := ok()
		if done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited in vain for %s", what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// first returns the first error of some steps, of which each was run.
func first(errs ...error) error {
	for i, err := range errs {
		if err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	return nil
}

var errNoError = errors.New("no error though the context was done")
