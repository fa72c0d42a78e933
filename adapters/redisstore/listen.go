package redisstore

import (
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	minPause = 50 * time.Millisecond
	maxPause = 2 * time.Second
	// steady is how long a connection lives that was no failure.
	steady = 2 * time.Second
	// maxQuiet is how many ticks of a second a connection may say nothing, though it
	// is asked at each of them.
	maxQuiet = 3
	// echoEvery is after how many ticks a listener says something to itself.
	echoEvery = 5
)

// Listen hears messages, as cache.Bus says. A connection that says nothing is asked
// every second, and given up after three: a Redis that hangs, or a network that
// drops everything, is noticed within 5 s, one that closes the connection at once.
// So it is when Redis gives up somebody who reads too slowly
// (client-output-buffer-limit). Every 5 s it publishes something for itself: if
// that does not arrive, it listens where nobody talks any more, to a former master
// say, and is noticed within 10 s. Then it connects again, after 50 ms, or up to
// 2 s as that goes on failing.
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
		case <-time.After(pause/2 + mathrand.N(pause/2)):
		}
		pause = min(2*pause, maxPause)
	}
}

// ear is one connection that listens.
type ear struct {
	bus   *Bus
	ps    *redis.PubSub
	echo  string       // a channel of its own
	words atomic.Int64 // two for each message
	heard atomic.Int64 // the number of the last echo
}

// session is one connection; it reports whether there was one.
func (b *Bus) session(ctx context.Context, heard func(message []byte), lost func()) (connected bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	e := &ear{bus: b, echo: b.channel + ":echo:" + rand.Text()}
	if err := e.subscribe(ctx); err != nil {
		return false
	}
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		e.watch(ctx)
	}()
	defer func() {
		cancel()
		<-watched
	}()
	for {
		said, err := e.ps.Receive(ctx)
		if err != nil || ctx.Err() != nil {
			return connected
		}
		e.words.Add(1)
		switch m := said.(type) {
		case *redis.Subscription:
			if m.Count == 2 { // to both
				connected = true
				lost()
			}
		case *redis.Message:
			if m.Channel == e.echo {
				e.heard.Add(1)
			} else {
				heard([]byte(m.Payload))
			}
		}
		e.words.Add(1) // a Redis that waits for us is not silent
	}
}

// subscribe begins a subscription; that a connection could not be made, Receive
// tells.
func (e *ear) subscribe(ctx context.Context) error {
	b := e.bus
	client := b.client
	if ring, ok := client.(*redis.Ring); ok {
		// Its own Subscribe panics when all are down.
		shard, err := ring.GetShardClientForKey(b.channel)
		if err != nil {
			return fmt.Errorf("seawall/redisstore: %w", err)
		}
		client = shard
	}
	e.ps = client.Subscribe(ctx, b.channel, e.echo)
	return nil
}

// watch closes a connection that has died, or when ctx is done: whoever reads
// from it then ends.
func (e *ear) watch(ctx context.Context) {
	defer e.ps.Close()
	ticks := time.NewTicker(e.bus.tick)
	defer ticks.Stop()
	last, quiet := int64(-1), 0
	var sent int64 // echoes; one is on its way at most
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		words := e.words.Load()
		if words%2 == 1 {
			quiet, n = 0, 0 // its words are being heard just now, and the next ones wait
			continue
		}
		if words != last {
			last, quiet = words, 0
		} else if quiet++; quiet >= maxQuiet || e.ps.Ping(ctx) != nil {
			return
		}
		if n >= echoEvery {
			if e.heard.Load() < sent {
				return
			}
			n = 0
			if e.say(ctx) {
				sent++
			} else {
				sent = e.heard.Load()
			}
		}
	}
}

// say publishes something for this listener alone. That it does not get through
// is no fault of the connection.
func (e *ear) say(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, e.bus.tick)
	defer cancel()
	return e.bus.publish(ctx, e.echo, nil) == nil
}
