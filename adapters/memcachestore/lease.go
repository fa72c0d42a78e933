package memcachestore

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/seawall-go/seawall/cache"
)

// The protocol. memcached is atomic for one item only, so all that must not go
// wrong hangs on one item, V, under the key's own name:
//
//	Set      sets V to the value.
//	Delete   deletes V.
//	Lease    adds V as a promise: the token, with flags that no value has. If
//	         there is a value, which is stale then and stays readable, it reads V
//	         with its cas number c and adds a second item L: c, V's flags and the
//	         token.
//	Fill     reads V and L. If V is the promise of the token, or L names both the
//	         token and V as it is now, it writes V by cas with the number it has
//	         just read.
//	Release  reads V and L, and lets expire, by cas, what is the token's.
//
// Every change gives an item a number that it never had. So the write of a Fill
// succeeds only on the very V that its Lease added or read. The load began after
// that; and a Set or a Delete since would have changed V, or removed it. Hence no
// order of these steps stores a value that was read before a Delete: it does not
// even matter whether L is right, early, late or lost. L only keeps others from
// loading the same, and one that names an earlier c than V has is void, and taken
// over. That is how Set and Delete end leases without a word about them.
//
// Only a server that starts anew counts from one again. A promise is gone with it,
// but L may be on another server; so L names V's flags, too, which a Set draws at
// random.
//
// The price: where a promise or a stale value is evicted or expires before the
// Fill, nothing is stored, since that looks like a Delete. And after V's server has
// started anew, an L on another one may be in the way until it expires.
//
// TestModel goes through the orders.

// promised are the flags of a promise. Those of a value are even.
const promised = 1

// expired is the Expiration of an item that shall be gone at once.
const expired = -1

var errNoCAS = errors.New("memcached runs with -C, without cas: it has no leases")

// holds says whether V, or L, is the token's.
func holds(v, l *memcache.Item, token string) bool {
	switch {
	case v == nil:
		return false
	case v.Flags == promised:
		return string(v.Value) == token
	}
	return l != nil && bytes.Equal(l.Value, leaseOn(v, token))
}

// leaseOn is what L holds while token has the lease on V.
func leaseOn(v *memcache.Item, token string) []byte {
	b := strconv.AppendUint(make([]byte, 0, 40+len(token)), v.CasID, 10)
	b = append(b, ' ')
	b = strconv.AppendUint(b, uint64(v.Flags), 10)
	b = append(b, ' ')
	return append(b, token...)
}

// leased says whether somebody has a lease on the value V. L may have been read
// later than V, and be on a later one.
func leased(v, l *memcache.Item) bool {
	if l == nil {
		return false
	}
	number, _, _ := bytes.Cut(l.Value, []byte(" "))
	c, err := strconv.ParseUint(string(number), 10, 64)
	return err == nil && c >= v.CasID
}

// rounds is how often Lease asks for keys whose value goes away meanwhile.
const rounds = 2

// Lease asks for the right to load each key: one round trip for each, and two more
// where there is a value. With an error, some may be won.
func (s *Store) Lease(ctx context.Context, keys []string, token string, ttl time.Duration, won []bool) error {
	names, ends := namesOf(keys), expiry(ttl, time.Now)
	open := make([]int, len(keys))
	for i := range open {
		open[i] = i
	}
	for range rounds {
		lost, err := s.win(ctx, open, promises(names, open, token, ends), won)
		if err != nil || len(lost) == 0 {
			return err
		}
		var leases []memcache.Item
		var free []int
		leases, free, open, err = s.leases(ctx, names, lost, token, ends)
		if err != nil {
			return err
		}
		if _, err := s.win(ctx, free, leases, won); err != nil || len(open) == 0 {
			return err
		}
	}
	return nil
}

// win writes the items for the keys at those places, and returns where it could not.
func (s *Store) win(ctx context.Context, at []int, items []memcache.Item, won []bool) (lost []int, err error) {
	done, err := s.write(ctx, items, true)
	for i, ok := range done {
		if ok {
			won[at[i]] = true
		} else {
			lost = append(lost, at[i])
		}
	}
	return lost, err
}

// promises are the items V for keys without a value.
func promises(names []string, at []int, token string, ends int32) []memcache.Item {
	items := make([]memcache.Item, len(at))
	for i, place := range at {
		items[i] = memcache.Item{Key: names[place], Value: []byte(token), Flags: promised, Expiration: ends}
	}
	return items
}

// leases are the items L for keys with a value on which nobody has a lease, with
// their places, and the places of those that have no value any more.
func (s *Store) leases(ctx context.Context, names []string, at []int, token string, ends int32) (items []memcache.Item, free, gone []int, err error) {
	found, err := s.readBoth(ctx, pick(names, at))
	if err != nil {
		return nil, nil, nil, err
	}
	for _, place := range at {
		name := names[place]
		v, l := found[name], found[leaseOf(name)]
		switch {
		case v == nil:
			gone = append(gone, place)
		case v.Flags != promised && !leased(v, l):
			lease := memcache.Item{Key: leaseOf(name), Value: leaseOn(v, token), Expiration: ends}
			if l != nil {
				lease.CasID = l.CasID
			}
			items, free = append(items, lease), append(free, place)
		}
	}
	return items, free, gone, nil
}

func pick(names []string, at []int) []string {
	picked := make([]string, len(at))
	for i, place := range at {
		picked[i] = names[place]
	}
	return picked
}

// Fill writes those items whose lease the token holds: a round trip to each server,
// and one for each item. What cannot be written is released.
func (s *Store) Fill(ctx context.Context, items []cache.Item, token string) error {
	writes := writesOf(items)
	names := make([]string, len(writes))
	for i := range writes {
		names[i] = writes[i].Key
	}
	found, err := s.readBoth(ctx, names)
	held := writes[:0]
	for _, w := range writes {
		if v := found[w.Key]; holds(v, found[leaseOf(w.Key)], token) {
			w.CasID = v.CasID
			held = append(held, w)
		}
	}
	if _, failed := s.write(ctx, held, false); failed != nil {
		if ctx.Err() == nil {
			_ = s.release(ctx, names, token) // it ends by itself, too
		}
		return failed
	}
	return err
}

// Release ends those leases that the token holds: a round trip to each server, and
// one for each lease.
func (s *Store) Release(ctx context.Context, keys []string, token string) error {
	return s.release(ctx, namesOf(keys), token)
}

func (s *Store) release(ctx context.Context, names []string, token string) error {
	found, err := s.readBoth(ctx, names)
	var ended []memcache.Item
	for _, name := range names {
		v, l := found[name], found[leaseOf(name)]
		if !holds(v, l, token) {
			continue
		}
		if v.Flags != promised {
			v = l
		}
		ended = append(ended, memcache.Item{Key: v.Key, Flags: promised, Expiration: expired, CasID: v.CasID})
	}
	if _, failed := s.write(ctx, ended, false); failed != nil {
		return failed
	}
	return err
}

// readBoth reads V and L of each name.
func (s *Store) readBoth(ctx context.Context, names []string) (map[string]*memcache.Item, error) {
	both := make([]string, 0, 2*len(names))
	for _, name := range names {
		both = append(both, name, leaseOf(name))
	}
	found, err := s.read(ctx, both)
	for _, it := range found {
		if it.CasID == 0 {
			return nil, wrapped(errNoCAS)
		}
	}
	return found, err
}

// write adds items, or swaps those that have a cas number, and tells which were
// done. With undo it takes back what was done after the caller had gone.
func (s *Store) write(ctx context.Context, items []memcache.Item, undo bool) ([]bool, error) {
	done := make([]bool, len(items))
	finished, err := s.try(ctx, len(items), func(i int, left *atomic.Bool) error {
		it := &items[i]
		var err error
		if it.CasID == 0 {
			err = s.client.Add(it)
		} else {
			err = s.client.CompareAndSwap(it)
		}
		switch {
		case err == nil:
			done[i] = true
			if undo && left.Load() {
				_ = s.client.Delete(it.Key)
			}
			return nil
		case errors.Is(err, memcache.ErrNotStored), errors.Is(err, memcache.ErrCASConflict), errors.Is(err, memcache.ErrCacheMiss):
			return nil
		}
		return explained(err, it)
	})
	if !finished {
		return nil, err // somebody may be writing to done
	}
	return done, err
}
