package memcachestore

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
)

const (
	// maxUnderWay is how many operations a Store does at once: connections, and
	// goroutines that a hanging server holds until the client's Timeout.
	maxUnderWay = 64
	// maxBatch is how many of them one call may have.
	maxBatch = 16
)

// batch is n operations of one call.
type batch struct {
	n       int64
	op      func(i int, left *atomic.Bool) error
	slots   <-chan struct{}
	next    atomic.Int64
	running atomic.Int64
	left    atomic.Bool // the caller has gone
	done    chan struct{}
	mu      sync.Mutex
	err     error // the first
}

// each does op for each i below n, and returns the first error. gomemcache knows no
// context, so the operations have goroutines of their own: when ctx is done before
// them, each returns, those that have begun end by themselves, and no other begins.
// So op must not touch what is the caller's.
func (s *Store) each(ctx context.Context, n int, op func(i int, left *atomic.Bool) error) error {
	_, err := s.try(ctx, n, op)
	return err
}

// try also says whether all operations have ended.
func (s *Store) try(ctx context.Context, n int, op func(i int, left *atomic.Bool) error) (finished bool, err error) {
	if n == 0 {
		return true, nil
	}
	if err := ctx.Err(); err != nil {
		return false, wrapped(err)
	}
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return false, wrapped(ctx.Err())
	}
	b := &batch{n: int64(n), op: op, slots: s.slots, done: make(chan struct{})}
	workers := 1
	for workers < min(n, maxBatch) && s.another() {
		workers++
	}
	b.running.Store(int64(workers))
	for range workers {
		go b.work()
	}
	select {
	case <-b.done:
		return true, wrapped(b.err)
	case <-ctx.Done():
		b.left.Store(true)
		return false, wrapped(ctx.Err())
	}
}

// another takes a slot if there is one. Whoever has one already waits for no other.
func (s *Store) another() bool {
	select {
	case s.slots <- struct{}{}:
		return true
	default:
		return false
	}
}

func (b *batch) work() {
	defer func() {
		<-b.slots
		if b.running.Add(-1) == 0 {
			close(b.done)
		}
	}()
	for !b.left.Load() {
		i := b.next.Add(1) - 1
		if i >= b.n {
			return
		}
		if err := b.op(int(i), &b.left); err != nil {
			b.mu.Lock()
			if b.err == nil {
				b.err = err
			}
			b.mu.Unlock()
		}
	}
}

func wrapped(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("seawall/memcachestore: %w", err)
}
