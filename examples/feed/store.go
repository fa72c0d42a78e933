package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"iter"
	"sync"
	"sync/atomic"
	"time"
)

// Post is what people scroll through.
type Post struct {
	ID     int64  `json:"id"`
	Author string `json:"author"`
	Text   string `json:"text"`
}

// store stands in for the database: a query takes its time, only so many run at
// once, and now and then nothing works at all.
type store struct {
	takes  time.Duration
	places chan struct{} // its connections
	broken atomic.Bool
	reads  atomic.Int64

	mu    sync.Mutex
	posts map[int64]Post
	last  int64
}

var errBroken = errors.New("the database does not answer")

const authors = 100

func newStore(posts int64, takes time.Duration, connections int) *store {
	s := &store{takes: takes, places: make(chan struct{}, connections), posts: make(map[int64]Post), last: posts}
	for id := int64(1); id <= posts; id++ {
		s.posts[id] = Post{id, fmt.Sprintf("author-%d", id%authors), fmt.Sprintf("post %d", id)}
	}
	return s
}

// query takes the time of one, and a connection.
func (s *store) query(ctx context.Context) error {
	select {
	case s.places <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.places }()
	t := time.NewTimer(s.takes)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	if s.broken.Load() {
		return errBroken
	}
	return nil
}

// read is SELECT ... WHERE id IN (...): one query, however many there are.
func (s *store) read(ctx context.Context, ids ...int64) (found []Post, err error) {
	s.reads.Add(1)
	if err := s.query(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		if p, ok := s.posts[id]; ok {
			found = append(found, p)
		}
	}
	return found, nil
}

// timeline is the join behind a feed: the newest posts of those a user follows.
func (s *store) timeline(ctx context.Context, user string) (ids []int64, follows []string, err error) {
	s.reads.Add(1)
	if err := s.query(ctx); err != nil {
		return nil, nil, err
	}
	h := fnv.New32a()
	h.Write([]byte(user))
	wanted := make(map[string]bool)
	for i := range uint32(5) {
		author := fmt.Sprintf("author-%d", (h.Sum32()+17*i)%authors)
		follows, wanted[author] = append(follows, author), true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := s.last; id > 0 && len(ids) < 20; id-- {
		if wanted[s.posts[id].Author] {
			ids = append(ids, id)
		}
	}
	return ids, follows, nil
}

// newest is SELECT ... ORDER BY id DESC LIMIT n.
func (s *store) newest(ctx context.Context, n int) (posts []Post, err error) {
	s.reads.Add(1)
	if err := s.query(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := s.last; id > 0 && len(posts) < n; id-- {
		if p, ok := s.posts[id]; ok {
			posts = append(posts, p)
		}
	}
	return posts, nil
}

// write is an INSERT or an UPDATE. A post stays its author's.
func (s *store) write(ctx context.Context, p Post) (Post, error) {
	if err := s.query(ctx); err != nil {
		return p, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.posts[p.ID]; ok {
		p.Author = old.Author
	}
	s.posts[p.ID], s.last = p, max(s.last, p.ID)
	return p, nil
}

// hot are the posts that everybody will ask for: here the newest. In your service
// it is a query, or yesterday's access log.
func (s *store) hot(n int) iter.Seq[int64] {
	return func(yield func(int64) bool) {
		s.mu.Lock()
		last := s.last
		s.mu.Unlock()
		for id := last; id > 0 && id > last-int64(n); id-- {
			if !yield(id) {
				return
			}
		}
	}
}
