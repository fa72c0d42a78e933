package memcachestore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
)

//house:sleep a memcached hangs by its own clock

// inTime calls all methods and asks each for an error of the package within the
// deadline and what a busy machine adds.
func inTime(t *testing.T, s *Store, say func(err error) bool) {
	t.Helper()
	for name, call := range methods(s) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		start := time.Now()
		err := call(ctx)
		cancel()
		if err == nil || !strings.HasPrefix(err.Error(), "seawall/memcachestore: ") || !say(err) {
			t.Errorf("%s: %v", name, err)
		}
		if d := time.Since(start); d > 2*time.Second {
			t.Errorf("%s took %v", name, d)
		}
	}
}

func late(err error) bool { return errors.Is(err, context.DeadlineExceeded) }

func refused(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		strings.Contains(err.Error(), "EOF") || late(err)
}

// TestFrozen: a memcached that does not answer costs the deadline and no more, and
// is used again when it does.
func TestFrozen(t *testing.T) {
	e := startMemcached(t)
	s := seawall.Must(New(Config{Client: clientOf(t, 300*time.Millisecond, e)}))
	set(t, s, "k", "1")
	thaw := e.freeze()
	defer thaw()
	inTime(t, s, late)
	inTime(t, s, late)
	thaw()
	eventually(t, "it to be used again", func() bool {
		_, err := s.Get(t.Context(), hundred, make([][]byte, 100))
		return err == nil
	})
	set(t, s, "k", "2")
	holdsThat(t, s, "k", "2")
	eventually(t, "all places to be free", func() bool { return len(s.slots) == 0 })
}

// TestTimeout: without a deadline the client's Timeout ends a call.
func TestTimeout(t *testing.T) {
	e := startMemcached(t)
	s := seawall.Must(New(Config{Client: clientOf(t, 100*time.Millisecond, e)}))
	defer e.freeze()()
	start := time.Now()
	_, err := s.Get(context.Background(), []string{"a"}, make([][]byte, 1))
	if err == nil || !strings.HasPrefix(err.Error(), "seawall/memcachestore: ") {
		t.Error(err)
	}
	if d := time.Since(start); d < 100*time.Millisecond || d > 5*time.Second {
		t.Errorf("after %v", d)
	}
}

// TestRestart: while it is away there are errors; when it is back, the next call
// finds it, empty, and no lease of before holds.
func TestRestart(t *testing.T) {
	e := startMemcached(t)
	s := storeOf(t, e)
	set(t, s, "stale", "1")
	wins(t, s, "a", "missing", "stale")
	e.kill()
	inTime(t, s, refused)
	inTime(t, s, refused)
	e.start()
	eventually(t, "it to be used again", func() bool {
		_, err := s.Get(t.Context(), []string{"stale"}, make([][]byte, 1))
		return err == nil
	})
	fill(t, s, "a", "missing", "read before")
	fill(t, s, "a", "stale", "read before")
	if got := get(t, s, "missing", "stale"); fmt.Sprint(got) != "[- -]" {
		t.Errorf("%q", got)
	}
	wins(t, s, "b", "missing", "stale")
}

// TestFlushAll: it is a Delete of everything.
func TestFlushAll(t *testing.T) {
	e := startMemcached(t)
	s := storeOf(t, e)
	set(t, s, "stale", "1")
	wins(t, s, "a", "missing", "stale")
	if got := e.say("flush_all"); got != "OK" {
		t.Fatal(got)
	}
	fill(t, s, "a", "missing", "read before")
	fill(t, s, "a", "stale", "read before")
	if got := get(t, s, "missing", "stale"); fmt.Sprint(got) != "[- -]" {
		t.Errorf("%q", got)
	}
	wins(t, s, "b", "missing", "stale")
}

// TestOneOfTwo: a server that is away fails its keys, and no others.
func TestOneOfTwo(t *testing.T) {
	up, down := startMemcached(t), startMemcached(t)
	s := storeOf(t, up, down)
	if err := s.Set(t.Context(), items); err != nil {
		t.Fatal(err)
	}
	down.kill()
	values := make([][]byte, len(hundred))
	_, err := s.Get(t.Context(), hundred, values)
	if err == nil || !refused(err) {
		t.Error(err)
	}
	found := 0
	for _, v := range values {
		if v != nil {
			found++
		}
	}
	if found < 20 || found > 80 {
		t.Errorf("%d of 100 values from one of two servers", found)
	}
	won := make([]bool, len(hundred))
	if err := s.Delete(t.Context(), hundred); !refused(err) {
		t.Error(err)
	}
	err = s.Lease(t.Context(), hundred, "a", time.Minute, won)
	for i, ok := range won {
		if ok != (values[i] != nil) {
			t.Errorf("%s: won %v, and had a value %v", hundred[i], ok, values[i] != nil)
		}
	}
	if err == nil || !refused(err) {
		t.Error(err)
	}
	if err := s.Fill(t.Context(), items, "a"); err == nil || !refused(err) {
		t.Error(err)
	}
	again := make([][]byte, len(hundred))
	s.Get(t.Context(), hundred, again)
	for i := range again {
		if (again[i] != nil) != (values[i] != nil) {
			t.Errorf("%s: %q, was %q", hundred[i], again[i], values[i])
		}
	}
}
