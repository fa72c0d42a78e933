package cache

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

const (
	maxTags    = 64  // of one entry
	maxTagName = 200 // bytes
)

// tag is a name that entries share.
type tag struct {
	name string
	// epoch is when it was invalidated the last time: what was loaded before or
	// then is invalid.
	epoch   atomic.Int64
	inStore atomic.Int64 // the same by L2's clock
	known   atomic.Int64 // when L2 has last said when that was
	used    atomic.Bool  // something with it was asked for since it last was to be forgotten
	guess   bool         // under tagTable.mu: epoch is not of this tag, but when one was forgotten
}

// tagList are the tags of an entry; nil if it has none.
type tagList []*tag

// use notes that something with these tags was asked for.
func (l *tagList) use() {
	if l == nil {
		return
	}
	for _, t := range *l {
		if !t.used.Load() { // all who ask share it
			t.used.Store(true)
		}
	}
}

// tagTable knows the tags there are, those used most recently.
type tagTable struct {
	mu   sync.Mutex
	most int
	lru  *simplelru.LRU[string, *tag]
	lost int64 // when a tag was last forgotten: what is older cannot be judged
}

// find returns the tag of a name.
func (t *tagTable) find(name string) *tag {
	if t.lru == nil {
		t.lru, _ = simplelru.NewLRU[string, *tag](math.MaxInt, nil) // no error: the size is positive
	}
	if found, ok := t.lru.Get(name); ok {
		return found
	}
	made := &tag{name: name, guess: t.lost > math.MinInt64}
	made.epoch.Store(t.lost)
	t.lru.Add(name, made)
	return made
}

// knows is for a tag of which L2 says when it was invalidated, if ever.
func (t *tagTable) knows(known *tag) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if known.guess {
		known.guess = false
		known.epoch.Store(math.MinInt64)
		known.inStore.Store(0)
	}
}

// tagged returns the tags of those names.
func (c *Cache[K, V]) tagged(names []string) *tagList {
	if len(names) == 0 {
		return nil
	}
	list := make(tagList, 0, len(names))
	c.tags.mu.Lock()
	defer c.tags.mu.Unlock()
	for _, name := range names {
		list = append(list, c.tags.find(name))
	}
	c.forgetTags()
	return &list
}

// tag returns the tag of a name.
func (c *Cache[K, V]) tag(name string) *tag { return (*c.tagged([]string{name}))[0] }

// forgetTags makes room, together for many. An entry with a tag that is not known
// any more is invalid, or an invalidation to come would not find it. Hits do not come
// by here, but look at their tags after each step: what is asked for stays, however
// many tags come that nobody asks for again.
func (c *Cache[K, V]) forgetTags() {
	t := &c.tags
	if t.lru.Len() <= t.most {
		return
	}
	t.lost = c.stamp()
	for turns := t.lru.Len(); t.lru.Len() > t.most-t.most/16; turns-- {
		name, old, _ := t.lru.GetOldest()
		if turns > 0 && old.used.Swap(false) {
			t.lru.Get(name)
			continue
		}
		t.lru.Remove(name)
		old.epoch.Store(math.MaxInt64)
	}
	c.stats.tagsForgotten.Add(1)
	c.step()
}

// InvalidateTags makes everything invalid that has one of the tags, here before it
// returns, in L2 and in other processes as soon as they can be reached. What loads
// under way bring is not kept if it has one of them.
func (c *Cache[K, V]) InvalidateTags(ctx context.Context, tags ...string) error {
	if err := checkTags(tags, math.MaxInt); err != nil {
		return err
	}
	if len(tags) == 0 {
		return nil
	}
	at := c.stamp()
	c.outdate(at, tags)
	if c.remote == nil {
		return c.open()
	}
	return c.remote.tell(ctx, at, tags)
}

// outdate notes that tags are invalid since at.
func (c *Cache[K, V]) outdate(at int64, names []string) {
	c.tags.mu.Lock()
	defer c.tags.mu.Unlock()
	for _, name := range names {
		t := c.tags.find(name)
		t.epoch.Store(max(t.epoch.Load(), at))
		t.guess = false
	}
	c.forgetTags()
	c.stats.invalidated.Add(uint64(len(names)))
	c.step()
}

// outdateAll notes that everything is invalid since at.
func (c *Cache[K, V]) outdateAll(at int64) {
	c.tags.mu.Lock()
	c.all.Store(max(c.all.Load(), at))
	c.step()
	c.tags.mu.Unlock()
	c.negatives.clear()
}

// step begins another epoch; the caller holds tags.mu. Epochs come round: so the last
// gap is never further behind than half of their number.
func (c *Cache[K, V]) step() {
	next := c.epoch.Load() + 1
	if next-c.gap.Load() > 1<<30 {
		c.gap.Store(next - 1<<29)
	}
	c.epoch.Store(next)
}

// gapped notes that messages of others may have been lost: what is here is not
// known to be true any more.
func (c *Cache[K, V]) gapped() {
	c.tags.mu.Lock()
	next := c.epoch.Load() + 1
	c.gap.Store(next) // first: who sees the epoch must see this
	c.epoch.Store(next)
	c.tags.mu.Unlock()
	c.negatives.clear()
	c.stats.gaps.Add(1)
}

// Clear makes everything invalid, here before it returns, in L2 and in other
// processes as soon as they can be reached.
func (c *Cache[K, V]) Clear(ctx context.Context) error {
	at := c.stamp()
	c.outdateAll(at)
	c.l1.Clear() // only for the memory
	if c.remote == nil {
		return c.open()
	}
	return c.remote.tellAll(ctx, at)
}

func checkTags(tags []string, most int) error {
	if len(tags) > most {
		return fmt.Errorf("seawall/cache: an entry may have at most %d tags (got %d)", most, len(tags))
	}
	for _, t := range tags {
		if t == "" || len(t) > maxTagName {
			return fmt.Errorf("seawall/cache: a tag must have between 1 and %d bytes (got %.40q)", maxTagName, t)
		}
	}
	return nil
}

func (c *Cache[K, V]) open() error {
	if c.ctx.Err() != nil {
		return ErrClosed
	}
	return nil
}
