package redisstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seawall-go/seawall/cache"
)

// BusConfig sets up a Bus.
type BusConfig struct {
	// Client is as that of Config. Listen takes one connection beside its pool.
	// Required.
	Client redis.UniversalClient
	// Channel is the name of the channel. Whoever shares a bus has the same, and
	// nobody else. Required.
	Channel string
}

// Bus is a cache.Bus over PUBLISH and SUBSCRIBE, which every Redis has. It has no
// state of its own.
type Bus struct {
	client  redis.UniversalClient
	channel string
	tick    time.Duration
}

var _ cache.Bus = (*Bus)(nil)

// NewBus returns a Bus. It does not connect: Redis may come later.
func NewBus(cfg BusConfig) (*Bus, error) {
	if err := checkClient(cfg.Client); err != nil {
		return nil, err
	}
	if cfg.Channel == "" {
		return nil, errors.New(`seawall/redisstore: Channel must be set (got "")`)
	}
	return &Bus{client: cfg.Client, channel: cfg.Channel, tick: time.Second}, nil
}

// Publish sends a message to all who listen now. On a Cluster it goes to the node
// where they are, too, so that messages of one publisher, one after another,
// arrive in their order. What a replica is told stays there: with the message goes
// a command that only a master takes.
func (b *Bus) Publish(ctx context.Context, message []byte) error {
	if err := ctx.Err(); err != nil {
		return wrap(err)
	}
	switch c := b.client.(type) {
	case *redis.Client:
		return wrap(b.publishToMaster(ctx, c, message))
	case *redis.ClusterClient:
		node, err := c.MasterForKey(ctx, b.channel)
		if err == nil {
			err = node.Publish(ctx, b.channel, message).Err()
		}
		if err != nil {
			c.ReloadState(ctx) // another one may be the master now
		}
		return wrap(err)
	}
	return wrap(b.client.Publish(ctx, b.channel, message).Err())
}

func (b *Bus) publishToMaster(ctx context.Context, c *redis.Client, message []byte) error {
	return onMaster(ctx, c, func() error {
		pipe := c.Pipeline()
		write := pipe.Unlink(ctx, b.channel+":none")
		said := pipe.Publish(ctx, b.channel, message)
		pipe.Exec(ctx)
		if err := write.Err(); redis.IsReadOnlyError(err) {
			return err
		}
		return said.Err() // whoever may only publish, may do that
	})
}

const (
	minPause = 50 * time.Millisecond
	maxPause = 2 * time.Second
	// steady is how long a connection lives that was no failure.
	steady = 2 * time.Second
	// maxQuiet is how many ticks of a second a connection may say nothing, though it
	// is asked at each of them.
	maxQuiet = 3
)

// Listen hears messages, as cache.Bus says. A connection that says nothing is asked
// every second, and given up after three: a Redis that hangs, or a network that
// drops everything, is noticed within 4 s, one that closes the connection at once.
// So it is when Redis gives up somebody who reads too slowly
// (client-output-buffer-limit). Then it connects again, after 50 ms, or up to 2 s
// as that goes on failing.
func (b *Bus) Listen(ctx context.Context, heard func(message []byte), lost func()) {
	pause := minPause
	for ctx.Err() == nil {
		began := time.Now()
		if b.session(ctx, heard, lost) && time.Since(began) >= steady {
			pause = minPause
		}
		if c, ok := b.client.(*redis.ClusterClient); ok {
			c.ReloadState(ctx)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause/2 + rand.N(pause/2)):
		}
		pause = min(2*pause, maxPause)
	}
}

// session is one connection; it reports whether there was one.
func (b *Bus) session(ctx context.Context, heard func(message []byte), lost func()) (connected bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ps, err := b.subscribe(ctx)
	if err != nil {
		return false
	}
	var words atomic.Int64
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		b.watch(ctx, ps, &words)
	}()
	defer func() {
		cancel()
		<-watched
	}()
	for {
		said, err := ps.Receive(ctx)
		if err != nil || ctx.Err() != nil {
			return connected
		}
		words.Add(1)
		switch m := said.(type) {
		case *redis.Subscription:
			connected = true
			lost()
		case *redis.Message:
			heard([]byte(m.Payload))
		}
		words.Add(1) // a Redis that waits for us is not silent
	}
}

// subscribe begins a subscription; that a connection could not be made, Receive
// tells.
func (b *Bus) subscribe(ctx context.Context) (*redis.PubSub, error) {
	ring, ok := b.client.(*redis.Ring)
	if !ok {
		return b.client.Subscribe(ctx, b.channel), nil
	}
	// Its own Subscribe panics when all are down.
	shard, err := ring.GetShardClientForKey(b.channel)
	if err != nil {
		return nil, fmt.Errorf("seawall/redisstore: %w", err)
	}
	return shard.Subscribe(ctx, b.channel), nil
}

// watch closes a connection that has died, or when ctx is done: whoever reads
// from it then ends.
func (b *Bus) watch(ctx context.Context, ps *redis.PubSub, words *atomic.Int64) {
	defer ps.Close()
	ticks := time.NewTicker(b.tick)
	defer ticks.Stop()
	quiet := 0
	for last := int64(-1); ; {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		n := words.Load()
		if n != last || n%2 == 1 { // odd: its words are being heard just now
			last, quiet = n, 0
			continue
		}
		if quiet++; quiet >= maxQuiet {
			return
		}
		if ps.Ping(ctx) != nil {
			return
		}
	}
}
