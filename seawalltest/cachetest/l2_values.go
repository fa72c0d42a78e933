package cachetest

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/seawall-go/seawall/cache"
)

var valueChecks = []check{
	{name: "order", run: checkOrder},
	{name: "missing", run: checkMissing},
	{name: "no-keys", run: checkNoKeys},
	{name: "empty-value", run: checkEmptyValue},
	{name: "any-byte", run: checkAnyByte},
	{name: "big-value", run: checkBigValue},
	{name: "copies", run: checkCopies},
	{name: "overwrite", run: checkOverwrite},
	{name: "delete", run: checkDelete},
	{name: "ttl", run: checkTTL},
	{name: "ttl-extreme", run: checkExtremeTTL},
	{name: "odd-keys", run: checkOddKeys},
	{name: "many-keys", run: checkManyKeys},
	{name: "concurrent", run: checkConcurrent},
	{name: "now", run: checkNow},
	{name: "context-done", run: checkContextDone},
}

// checkOrder: values stand where their keys do, those of a key named twice, too.
func checkOrder(ctx context.Context, s *subject) error {
	if err := first(s.put(ctx, "a", "1"), s.put(ctx, "c", "3"), s.put(ctx, "d", "4")); err != nil {
		return err
	}
	values := make([][]byte, 7)
	if _, err := s.other.Get(ctx, s.keys("d", "b", "a", "x", "c", "a", "b"), values); err != nil {
		return err
	}
	if got, want := fmt.Sprintf("%q", values), fmt.Sprintf("%q", [][]byte{[]byte("4"), nil, []byte("1"), nil, []byte("3"), []byte("1"), nil}); got != want {
		return fmt.Errorf("got %s, want %s", got, want)
	}
	for i, v := range values {
		if missing := i == 1 || i == 3 || i == 6; missing != (v == nil) {
			return fmt.Errorf("value %d is %#v", i, v)
		}
	}
	return nil
}

func checkMissing(ctx context.Context, s *subject) error {
	return first(s.lacks(ctx, "a", "b"), s.del(ctx, "a", "b"), s.lacks(ctx, "a"))
}

func checkNoKeys(ctx context.Context, s *subject) error {
	_, err := s.Get(ctx, nil, nil)
	if err := first(err, s.Set(ctx, nil), s.Delete(ctx, nil)); err != nil || s.leaser == nil {
		return err
	}
	return first(s.leaser.Lease(ctx, nil, "t", time.Minute, nil), s.leaser.Fill(ctx, nil, "t"), s.leaser.Release(ctx, nil, "t"))
}

// checkEmptyValue: no bytes are a value.
func checkEmptyValue(ctx context.Context, s *subject) error {
	if err := first(
		s.put(ctx, "a", ""), s.holds(ctx, "a", ""),
		s.Set(ctx, []cache.Item{{Key: s.key("b"), TTL: time.Hour}}), s.holds(ctx, "b", ""),
	); err != nil {
		return err
	}
	values := make([][]byte, 3)
	_, err := s.Get(ctx, s.keys("a", "none", "b"), values)
	if err == nil && (values[0] == nil || values[1] != nil || values[2] == nil) {
		err = fmt.Errorf("together they are %#v", values)
	}
	return err
}

func checkAnyByte(ctx context.Context, s *subject) error {
	all := make([]byte, 0, 512)
	for i := range 256 {
		all = append(all, byte(i), '\r')
	}
	return first(s.put(ctx, "a", string(all)), s.put(ctx, "b", "\r\nEND\r\n"), s.holds(ctx, "a", string(all)), s.holds(ctx, "b", "\r\nEND\r\n"))
}

// checkBigValue has a million bytes: an item of Memcached is at most a MiB.
func checkBigValue(ctx context.Context, s *subject) error {
	big := strings.Repeat("0123456789", 100_000)
	return first(
		s.put(ctx, "a", big), s.put(ctx, "b", big[1:]),
		s.holds(ctx, "a", big), s.holds(ctx, "b", big[1:]), s.del(ctx, "a"), s.lacks(ctx, "a"),
	)
}

// checkCopies: what was written or read is the caller's.
func checkCopies(ctx context.Context, s *subject) error {
	v := []byte("written")
	if err := s.Set(ctx, []cache.Item{{Key: s.key("a"), Value: v, TTL: time.Hour}}); err != nil {
		return err
	}
	clear(v)
	values := make([][]byte, 2)
	if _, err := s.Get(ctx, s.keys("a", "a"), values); err != nil {
		return err
	}
	if !bytes.Equal(values[0], []byte("written")) {
		return fmt.Errorf("changed by its writer later on: %q", values[0])
	}
	clear(values[0])
	if !bytes.Equal(values[1], []byte("written")) {
		return fmt.Errorf("two values share their bytes")
	}
	return s.holds(ctx, "a", "written")
}

func checkOverwrite(ctx context.Context, s *subject) error {
	return first(
		s.put(ctx, "a", "a longer one"), s.other.put(ctx, "a", "2"), s.holds(ctx, "a", "2"),
		s.Set(ctx, []cache.Item{s.item("a", "3"), s.item("b", "3")}), s.holds(ctx, "a", "3"), s.holds(ctx, "b", "3"),
	)
}

func checkDelete(ctx context.Context, s *subject) error {
	return first(
		s.put(ctx, "a", "1"), s.put(ctx, "b", "1"), s.put(ctx, "c", "1"),
		s.other.del(ctx, "a", "none", "c"), s.lacks(ctx, "a", "c", "none"), s.holds(ctx, "b", "1"),
		s.put(ctx, "a", "2"), s.holds(ctx, "a", "2"),
	)
}

// checkTTL: a value goes when its time is over, and that of the last Set counts.
func checkTTL(ctx context.Context, s *subject) error {
	brief := func(name string, ttl time.Duration) cache.Item {
		return cache.Item{Key: s.key(name), Value: []byte("1"), TTL: ttl}
	}
	if err := first(
		s.put(ctx, "was long", "1"),
		s.Set(ctx, []cache.Item{brief("short", time.Second), s.item("long", "2"), brief("was short", time.Second), brief("was long", time.Second)}),
		s.put(ctx, "was short", "3"),
	); err != nil {
		return err
	}
	for _, name := range []string{"short", "was long"} {
		if err := eventually(ctx, name+" to expire", func() (bool, error) {
			v, err := s.get(ctx, name)
			return v == nil, err
		}); err != nil {
			return err
		}
	}
	return first(s.holds(ctx, "long", "2"), s.holds(ctx, "was short", "3"))
}

// checkExtremeTTL: what is less than an engine counts is not for ever, and what
// is more is not over at once.
func checkExtremeTTL(ctx context.Context, s *subject) error {
	const day = 24 * time.Hour
	long := []time.Duration{29 * day, 31 * day, 3650 * day, 36500 * day, math.MaxInt64}
	for i, ttl := range long {
		it := s.item(fmt.Sprint("long", i), "1")
		it.TTL = ttl
		if err := s.Set(ctx, []cache.Item{it}); err != nil {
			return fmt.Errorf("TTL %v: %w", ttl, err)
		}
	}
	for i, ttl := range []time.Duration{1, 999_999, time.Millisecond, 1500 * time.Microsecond} {
		it := s.item(fmt.Sprint("short", i), "1")
		it.TTL = ttl
		if err := s.Set(ctx, []cache.Item{it}); err != nil {
			return fmt.Errorf("TTL %v: %w", ttl, err)
		}
		if err := eventually(ctx, fmt.Sprint("a TTL of ", ttl), func() (bool, error) {
			v, err := s.get(ctx, fmt.Sprint("short", i))
			return v == nil, err
		}); err != nil {
			return err
		}
	}
	for i := range long {
		if err := s.holds(ctx, fmt.Sprint("long", i), "1"); err != nil {
			return fmt.Errorf("TTL %v: %w", long[i], err)
		}
	}
	return nil
}

// oddKeys are all different, some of them only at their ends.
func oddKeys() []string {
	long := strings.Repeat("long ", 2048)
	keys := []string{
		"a b", "a  b", " a b", "a b ", "a\tb", "a\nb", "a\r\nb", "a\x00b", "a", "A", "a\x7f", "\xff\xfe", "\xff",
		"größer", "größer ", "\u65e5\u672c\u8a9e", "é", "e\u0301", "😀", `"quoted"`, `back\slash`, "100%s", "*", "?", "[a]",
		"{", "}", "{}", "{a}", "{a}b", "{a}c", "b{a}", "{b}a", "}{", "}a{", "{}a", "{{a}}", "{a}{b}", "{a", "a}", "l:{a}", "{a}:l",
		long, long + "1", long + "2", "1" + long, "{" + long + "}", long + "{a}", long + "\n",
	}
	for _, n := range []int{200, 249, 250, 251, 255, 256, 511, 512, 513, 1024} {
		keys = append(keys, strings.Repeat("k", n))
	}
	return keys
}

// checkOddKeys: every key is one of its own, whatever is in it and however long
// it is; and so is its lease.
func checkOddKeys(ctx context.Context, s *subject) error {
	keys := []string{""} // without the prefix, and short ones
	for _, name := range oddKeys() {
		keys = append(keys, s.key(name), name+s.prefix)
	}
	var items []cache.Item
	for i, key := range keys {
		items = append(items, cache.Item{Key: key, Value: fmt.Append(nil, i), TTL: time.Minute})
	}
	if err := s.Set(ctx, items); err != nil {
		return err
	}
	if err := s.checkAll(ctx, keys, 0); err != nil {
		return err
	}
	if s.leaser != nil {
		won := make([]bool, len(keys))
		if err := s.leaser.Lease(ctx, keys, "t", time.Minute, won); err != nil {
			return err
		}
		for i := range won {
			if !won[i] {
				return fmt.Errorf("%.40q: the lease is taken", keys[i])
			}
			items[i].Value = fmt.Append(nil, i+1000)
		}
		if err := s.leaser.Fill(ctx, items, "t"); err != nil {
			return err
		}
		if err := s.checkAll(ctx, keys, 1000); err != nil {
			return err
		}
	}
	if err := s.Delete(ctx, keys); err != nil {
		return err
	}
	values := make([][]byte, len(keys))
	if _, err := s.Get(ctx, keys, values); err != nil {
		return err
	}
	for i, v := range values {
		if v != nil {
			return fmt.Errorf("%.40q is %q after it was deleted", keys[i], v)
		}
	}
	return nil
}

// checkAll is an error unless each key has its number.
func (s *subject) checkAll(ctx context.Context, keys []string, plus int) error {
	values := make([][]byte, len(keys))
	if _, err := s.other.Get(ctx, keys, values); err != nil {
		return err
	}
	for i, key := range keys {
		if want := fmt.Sprint(i + plus); string(values[i]) != want {
			return fmt.Errorf("%.40q (%d bytes) is %q, want %s", key, len(key), values[i], want)
		}
	}
	return nil
}

func checkManyKeys(ctx context.Context, s *subject) error {
	const n = 1000
	keys, items := make([]string, n), make([]cache.Item, n)
	for i := range n {
		items[i] = s.item(fmt.Sprint(i), fmt.Sprint(i))
		keys[i] = items[i].Key
	}
	if err := first(s.Set(ctx, items), s.checkAll(ctx, keys, 0), s.Delete(ctx, keys[1:])); err != nil {
		return err
	}
	return first(s.holds(ctx, "0", "0"), s.lacks(ctx, "1", "500", "999"))
}

func checkConcurrent(ctx context.Context, s *subject) error {
	errs := make([]error, 16)
	var wg sync.WaitGroup
	for g := range errs {
		wg.Go(func() {
			for i := range 25 {
				name, value := fmt.Sprint("k", g), strings.Repeat(fmt.Sprint(g), 1+i*10)
				if err := first(s.put(ctx, name, value), s.put(ctx, "shared", value), s.holds(ctx, name, value), s.del(ctx, "shared")); err != nil {
					errs[g] = err
					return
				}
			}
		})
	}
	wg.Wait()
	return first(errs...)
}

// checkNow: the clock of the store, or nothing. On one machine both are the same.
func checkNow(ctx context.Context, s *subject) error {
	for range 50 {
		now, err := s.Get(ctx, s.keys("a"), make([][]byte, 1))
		if err != nil {
			return err
		}
		if off := time.Since(now); !now.IsZero() && off.Abs() > time.Minute {
			return fmt.Errorf("it says %v, which is %v ago", now, off)
		}
	}
	return nil
}

// checkContextDone: whoever has no time left gets an error, and nobody else is
// bothered by it.
func checkContextDone(ctx context.Context, s *subject) error {
	if err := s.put(ctx, "a", "1"); err != nil {
		return err
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	late, cancel := context.WithDeadline(ctx, time.Now().Add(-time.Second))
	defer cancel()
	for _, done := range []context.Context{canceled, late} {
		_, err := s.get(done, "a")
		errs := []error{err, s.put(done, "a", "2"), s.del(done, "a")}
		if s.leaser != nil {
			_, err := s.lease(done, "b", "t")
			errs = append(errs, err, s.fill(done, "a", "2", "t"), s.release(done, "a", "t"))
		}
		for i, err := range errs {
			if err == nil {
				return fmt.Errorf("step %d: %w", i+1, errNoError)
			}
		}
	}
	return s.holds(ctx, "a", "1")
}
