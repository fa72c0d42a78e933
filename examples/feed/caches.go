package main

import (
	"context"
	"errors"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache"
	"github.com/seawall-go/seawall/cache/httpcache"
)

// caches are, with those who fill them in pages.go, all that a service of your own
// needs of this example; the rest shows them at work.
type caches struct {
	posts *cache.Cache[int64, Post]
	feeds *cache.Cache[string, []int64] // a user's posts, without what is in them
	pages *httpcache.Cache              // answers of handlers, made of those
}

func (c config) caches(s *store, observer seawall.Observer) (*caches, error) {
	posts, err := cache.New(cache.Config[int64, Post]{
		Name: "posts",
		// A feed of twenty posts costs one query, and not twenty. Those that are not
		// found do not exist, and that is remembered, too, for a few seconds.
		LoadMany: func(ctx context.Context, ids []int64, found func(int64, Post, cache.Meta)) error {
			posts, err := s.read(ctx, ids...)
			for _, p := range posts {
				found(p.ID, p, cache.Meta{Tags: byAuthor(p.Author)})
			}
			return err
		},
		TTL: c.ttl,
		// For a while after that a post is answered at once, and read again in the
		// background; while the database is away, for an hour: better an old post
		// than none.
		StaleWhileRevalidate: c.ttl / 2,
		StaleIfError:         time.Hour,
		LoadTimeout:          c.timeout,
		MaxBytes:             64 << 20,
		Observer:             observer,
		Shared:               shared[int64, Post](c, "posts"),
	})
	if err != nil {
		return nil, err
	}
	feeds, err := cache.New(cache.Config[string, []int64]{
		Name: "feeds",
		Load: func(ctx context.Context, user string, m *cache.Meta) ([]int64, error) {
			ids, follows, err := s.timeline(ctx, user)
			m.Tags = byAuthor(follows...) // a new post of any of them changes this feed
			return ids, err
		},
		TTL:          c.ttl,
		StaleIfError: time.Hour,
		LoadTimeout:  c.timeout,
		MaxBytes:     32 << 20,
		Observer:     observer,
		Shared:       shared[string, []int64](c, "feeds"),
	})
	if err != nil {
		return nil, errors.Join(err, posts.Close(context.Background()))
	}
	pages, err := c.newPages(observer)
	if err != nil {
		return nil, errors.Join(err, posts.Close(context.Background()), feeds.Close(context.Background()))
	}
	return &caches{posts, feeds, pages}, nil
}

// byAuthor are the tags by which all that is of an author is found again.
func byAuthor(names ...string) []string {
	tags := make([]string, len(names))
	for i, name := range names {
		tags[i] = "author:" + name
	}
	return tags
}

// purge makes invalid what has a tag, in all processes. Pages come last: otherwise
// one could be made anew of what is old.
func (c *caches) purge(ctx context.Context, tag string) error {
	return errors.Join(c.posts.InvalidateTags(ctx, tag), c.feeds.InvalidateTags(ctx, tag), c.pages.PurgeTags(ctx, tag))
}

// close tells Redis what it does not know yet, and ends what is being loaded.
func (c *caches) close(ctx context.Context) error {
	return errors.Join(c.pages.Close(ctx), c.posts.Close(ctx), c.feeds.Close(ctx))
}
