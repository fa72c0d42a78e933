package redisstore

import (
	"context"
	"errors"
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
// arrive in their order.
func (b *Bus) Publish(ctx context.Context, message []byte) error {
	if err := ctx.Err(); err != nil {
		return wrap(err)
	}
	return wrap(b.publish(ctx, b.channel, message))
}

// publish sends to a channel beside that of the bus, or to that.
func (b *Bus) publish(ctx context.Context, channel string, message []byte) error {
	switch c := b.client.(type) {
	case *redis.Client:
		return b.publishToMaster(ctx, c, channel, message)
	case *redis.Ring:
		shard, err := c.GetShardClientForKey(b.channel)
		if err != nil {
			return err
		}
		return shard.Publish(ctx, channel, message).Err()
	case *redis.ClusterClient:
		node, err := c.MasterForKey(ctx, b.channel)
		if err == nil {
			err = node.Publish(ctx, channel, message).Err()
		}
		if err != nil {
			c.ReloadState(ctx) // another one may be the master now
		}
		return err
	}
	return b.client.Publish(ctx, channel, message).Err()
}

// publishToMaster sends with the message a command that only a master takes: what
// a replica is told stays there.
func (b *Bus) publishToMaster(ctx context.Context, c *redis.Client, channel string, message []byte) error {
	return onMaster(ctx, c, func() error {
		pipe := c.Pipeline()
		write := pipe.Unlink(ctx, b.channel+":none")
		said := pipe.Publish(ctx, channel, message)
		pipe.Exec(ctx) //nolint:errcheck // each command has its own
		if err := write.Err(); redis.IsReadOnlyError(err) {
			return err
		}
		return said.Err() // whoever may only publish, may do that
	})
}
