package cachetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/seawall-go/seawall/cache"
)

// Bus runs every check of a bus as a subtest of its own name. NewBus is called
// several times in each of them and returns members of the same bus, on which
// nobody else talks meanwhile.
func Bus(t *testing.T, newBus func(t *testing.T) cache.Bus) {
	t.Helper()
	for _, c := range busChecks {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if err := c.run(ctx, func() cache.Bus { return newBus(t) }); err != nil {
				t.Error(err)
			}
		})
	}
}

type busCheck struct {
	name string
	run  func(ctx context.Context, newBus func() cache.Bus) error
}

var busChecks = []busCheck{
	{"lost-first", checkLostFirst},
	{"all-hear", checkAllHear},
	{"in-order", checkInOrder},
	{"one-at-a-time", checkOneAtATime},
	{"any-byte", checkBusBytes},
	{"listen-ends", checkListenEnds},
	{"context-done", checkPublishDone},
}

// ear is one who listens.
type ear struct {
	mu      sync.Mutex
	heard   [][]byte
	lost    int
	inside  bool // one of the functions runs
	overlap bool
	early   bool // heard before lost
	more    chan struct{}
	quit    context.CancelFunc
	ended   chan struct{}
}

// listen returns when it is sure to hear.
func listen(ctx context.Context, bus cache.Bus) (*ear, error) {
	ctx, quit := context.WithCancel(ctx)
	e := &ear{more: make(chan struct{}, 1), ended: make(chan struct{}), quit: quit}
	go func() {
		defer close(e.ended)
		bus.Listen(ctx, func(m []byte) {
			e.note(func() {
				e.heard = append(e.heard, bytes.Clone(m))
				e.early = e.early || e.lost == 0
			})
			clear(m) // it is nobody's after this call, or this one's only
		}, func() {
			e.note(func() { e.lost++ })
		})
	}()
	if err := e.await(ctx, "a connection", func() bool { return e.lost > 0 }); err != nil {
		e.close()
		return nil, err
	}
	return e, nil
}

func (e *ear) note(what func()) {
	e.mu.Lock()
	e.overlap = e.overlap || e.inside
	e.inside = true
	what()
	e.mu.Unlock()
	time.Sleep(10 * time.Microsecond) // for another one to come in
	e.mu.Lock()
	e.inside = false
	e.mu.Unlock()
	select {
	case e.more <- struct{}{}:
	default:
	}
}

func (e *ear) await(ctx context.Context, what string, ok func() bool) error {
	for {
		e.mu.Lock()
		done := ok()
		e.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited in vain for %s", what)
		case <-e.ended:
			return fmt.Errorf("Listen returned before there was %s", what)
		case <-e.more:
		}
	}
}

// hears waits until there are as many messages, and compares them.
func (e *ear) hears(ctx context.Context, want ...string) error {
	if err := e.await(ctx, fmt.Sprintf("%d messages", len(want)), func() bool { return len(e.heard) >= len(want) }); err != nil {
		return fmt.Errorf("%w: heard %d", err, len(e.heard))
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, m := range e.heard {
		if i >= len(want) || string(m) != want[i] {
			return fmt.Errorf("message %d is %.40q", i, m)
		}
	}
	if e.overlap {
		return errors.New("its functions were called at the same time")
	}
	if e.early {
		return errors.New("a message was heard before lost was called")
	}
	return nil
}

func (e *ear) close() {
	e.quit()
	<-e.ended
}

// two are members of a bus who listen, and one who only talks.
func two(ctx context.Context, newBus func() cache.Bus) (a, b *ear, busA, talker cache.Bus, err error) {
	busA, talker = newBus(), newBus()
	if a, err = listen(ctx, busA); err != nil {
		return nil, nil, nil, nil, err
	}
	if b, err = listen(ctx, newBus()); err != nil {
		a.close()
		return nil, nil, nil, nil, err
	}
	return a, b, busA, talker, nil
}

// checkLostFirst: whoever begins to listen has missed what was before.
func checkLostFirst(ctx context.Context, newBus func() cache.Bus) error {
	bus := newBus()
	if err := bus.Publish(ctx, []byte("to nobody")); err != nil {
		return err
	}
	e, err := listen(ctx, bus)
	if err != nil {
		return err
	}
	defer e.close()
	// From then on nothing is missed.
	return first(bus.Publish(ctx, []byte("1")), e.hears(ctx, "1"))
}

// checkAllHear: also the one who says it.
func checkAllHear(ctx context.Context, newBus func() cache.Bus) error {
	a, b, busA, talker, err := two(ctx, newBus)
	if err != nil {
		return err
	}
	defer a.close()
	defer b.close()
	return first(
		talker.Publish(ctx, []byte("1")), a.hears(ctx, "1"), b.hears(ctx, "1"),
		busA.Publish(ctx, []byte("2")), a.hears(ctx, "1", "2"), b.hears(ctx, "1", "2"),
	)
}

// checkInOrder: what one says, one after another, is heard so.
func checkInOrder(ctx context.Context, newBus func() cache.Bus) error {
	a, b, _, talker, err := two(ctx, newBus)
	if err != nil {
		return err
	}
	defer a.close()
	defer b.close()
	var said []string
	for i := range 300 {
		said = append(said, fmt.Sprint(i))
		if err := talker.Publish(ctx, []byte(said[i])); err != nil {
			return err
		}
	}
	return first(a.hears(ctx, said...), b.hears(ctx, said...))
}

// checkOneAtATime: with many who talk.
func checkOneAtATime(ctx context.Context, newBus func() cache.Bus) error {
	a, b, busA, talker, err := two(ctx, newBus)
	if err != nil {
		return err
	}
	defer a.close()
	defer b.close()
	errs := make([]error, 8)
	var wg sync.WaitGroup
	for g := range errs {
		wg.Go(func() {
			for range 25 {
				by := talker
				if g%2 == 1 {
					by = busA
				}
				errs[g] = errors.Join(errs[g], by.Publish(ctx, []byte("x")))
			}
		})
	}
	wg.Wait()
	want := slices.Repeat([]string{"x"}, 8*25)
	return first(first(errs...), a.hears(ctx, want...), b.hears(ctx, want...))
}

func checkBusBytes(ctx context.Context, newBus func() cache.Bus) error {
	a, b, busA, talker, err := two(ctx, newBus)
	if err != nil {
		return err
	}
	defer a.close()
	defer b.close()
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	want := []string{string(all), "", "\r\n", string(bytes.Repeat(all, 400)), "end"}
	for _, m := range want {
		said := []byte(m)
		if err := busA.Publish(ctx, said); err != nil {
			return err
		}
		clear(said)
	}
	_ = talker
	return first(a.hears(ctx, want...), b.hears(ctx, want...))
}

// checkListenEnds: when its context is done, and at once if it was before.
func checkListenEnds(ctx context.Context, newBus func() cache.Bus) error {
	a, b, _, talker, err := two(ctx, newBus)
	if err != nil {
		return err
	}
	defer b.close()
	a.quit()
	select {
	case <-a.ended:
	case <-ctx.Done():
		return errors.New("Listen does not return when its context is done")
	}
	if err := first(talker.Publish(ctx, []byte("1")), b.hears(ctx, "1"), a.heardNothing()); err != nil {
		return err
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		talker.Listen(canceled, func([]byte) {}, func() {})
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return errors.New("Listen does not return though its context was done before")
	}
}

func (e *ear) heardNothing() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.heard) > 0 {
		return fmt.Errorf("heard %q after its context was done", e.heard)
	}
	return nil
}

func checkPublishDone(ctx context.Context, newBus func() cache.Bus) error {
	bus := newBus()
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if err := bus.Publish(canceled, []byte("x")); err == nil {
		return errNoError
	}
	return bus.Publish(ctx, []byte("x"))
}
