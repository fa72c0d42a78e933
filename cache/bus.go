package cache

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"sync"
	"time"
)

// A message says what is no longer true:
//
//	version, node (8 bytes), number (uvarint), length of the prefix (uvarint), prefix,
//	then for each: kind, length of the name (uvarint), name
//
// and for tags and all, the time by L2's clock (8 bytes). The numbers of a node's
// messages follow each other, so that a listener knows when it has missed one.
const (
	messageVersion = 1
	nodeLen        = 8
	maxName        = 64 << 10
)

const (
	kindKey byte = iota
	kindTag
	kindAll
	kindGap // something that was not said
)

// listener hears what other processes say.
type listener[K comparable, V any] struct {
	r   *remote[K, V]
	own [nodeLen]byte

	sent uint64 // the outbox's goroutine alone

	mu    sync.Mutex
	since int64 // when it was last known that something may have been missed; 0 before anything was heard
	heard map[[nodeLen]byte]heard
}

// heard is the last message of a node.
type heard struct {
	number uint64
	at     int64
}

// mostNodes bounds what is known of others; the ones heard of longest ago go.
const mostNodes = 1024

func newListener[K comparable, V any](r *remote[K, V]) *listener[K, V] {
	l := &listener[K, V]{r: r, heard: make(map[[nodeLen]byte]heard)}
	hex.Decode(l.own[:], []byte(r.node)) //nolint:errcheck // it was made by EncodeToString
	return l
}

func (l *listener[K, V]) run() {
	c := l.r.c
	defer c.work.Done()
	defer l.deaf() // also if the engine ends the goroutine
	for c.ctx.Err() == nil {
		func() {
			defer func() {
				if v := recover(); v != nil { // the engine's: the Cache goes on
					c.stats.l2Foreign.Add(1)
				}
			}()
			l.r.cfg.Bus.Listen(c.ctx, l.hear, l.lost)
		}()
		l.deaf()
		t := time.NewTimer(time.Second) // it should not have returned
		select {
		case <-t.C:
		case <-c.ctx.Done():
		}
		t.Stop()
	}
}

// lost notes that messages may have been missed until now.
func (l *listener[K, V]) lost() {
	l.mu.Lock()
	l.since = l.r.c.stamp()
	clear(l.heard)
	l.mu.Unlock()
	l.r.c.gapped()
}

func (l *listener[K, V]) deaf() {
	l.mu.Lock()
	l.since = 0
	l.mu.Unlock()
}

// hearsSince says since when no message can have been missed.
func (r *remote[K, V]) hearsSince() (since int64, hears bool) {
	if r.bus == nil {
		return 0, false
	}
	r.bus.mu.Lock()
	defer r.bus.mu.Unlock()
	return r.bus.since, r.bus.since > 0
}

// hear takes in one message.
func (l *listener[K, V]) hear(message []byte) {
	c := l.r.c
	d := reader{data: message}
	version := d.next(1)
	node := d.next(nodeLen)
	number := d.number(1 << 62)
	prefix := d.next(d.number(maxName))
	if d.failed || version[0] != messageVersion {
		c.stats.l2Foreign.Add(1)
		return
	}
	from := [nodeLen]byte(node)
	if from == l.own || string(prefix) != l.r.cfg.Prefix {
		return
	}
	if !l.follows(from, number) {
		l.lost()
		l.follows(from, number)
	}
	c.stats.messages.Add(1)
	for len(d.data) > 0 && !d.failed {
		l.obey(&d)
	}
	if d.failed {
		c.stats.l2Foreign.Add(1)
	}
}

// follows says whether nothing of that node has been missed.
func (l *listener[K, V]) follows(from [nodeLen]byte, number uint64) bool {
	now := l.r.c.clock.Exact()
	l.mu.Lock()
	defer l.mu.Unlock()
	last, known := l.heard[from]
	if !known && len(l.heard) >= mostNodes {
		l.forgetOldest()
	}
	if !known || number > last.number {
		l.heard[from] = heard{number, now}
	}
	// A node that is new here may have said something before; its first is 1.
	return known && number <= last.number+1 || !known
}

func (l *listener[K, V]) forgetOldest() {
	var oldest [nodeLen]byte
	at := int64(1<<63 - 1)
	for node, h := range l.heard {
		if h.at < at {
			oldest, at = node, h.at
		}
	}
	delete(l.heard, oldest)
}

// obey carries out the next thing of a message.
func (l *listener[K, V]) obey(d *reader) {
	r, c := l.r, l.r.c
	kind := d.next(1)
	name := string(d.next(d.number(maxName)))
	if d.failed {
		return
	}
	if kind[0] == kindKey {
		if key, err := r.cfg.DecodeKey(name); err == nil {
			c.forget(key)
		} else {
			c.stats.l2Foreign.Add(1)
		}
		return
	}
	if kind[0] == kindGap {
		l.lost()
		return
	}
	when := d.next(8)
	if d.failed {
		return
	}
	us := int64(binary.LittleEndian.Uint64(when))
	r.clock.saw(us, c.clock.Exact())
	switch kind[0] {
	case kindTag:
		if checkTags([]string{name}, 1) == nil && changed(&c.tag(name).inStore, us) {
			c.outdate(r.epochHere(us), []string{name})
		}
	case kindAll:
		if changed(&r.allSeen, us) {
			c.outdateAll(r.epochHere(us))
		}
	default:
		d.failed = true
	}
}

// publish tells other processes. What cannot be told is tried again, under the
// number it had: who has heard it already does no harm to anybody.
func (r *remote[K, V]) publish(ops []*op[K, V]) error {
	if r.bus == nil || len(ops) == 0 {
		return nil
	}
	message := append([]byte{messageVersion}, r.bus.own[:]...)
	message = binary.AppendUvarint(message, r.bus.sent+1)
	message = binary.AppendUvarint(message, uint64(len(r.cfg.Prefix)))
	message = append(message, r.cfg.Prefix...)
	for _, p := range ops {
		switch p.kind {
		case opTag:
			message = appendName(message, kindTag, p.tag)
			message = binary.LittleEndian.AppendUint64(message, uint64(p.us))
		case opGap:
			message = appendName(message, kindGap, "")
		case opAll:
			message = appendName(message, kindAll, "")
			message = binary.LittleEndian.AppendUint64(message, uint64(p.us))
		default:
			if name := r.cfg.EncodeKey(p.key); len(name) <= maxName {
				message = appendName(message, kindKey, name)
			}
		}
	}
	ctx, cancel := context.WithTimeout(r.c.ctx, r.cfg.Budget)
	defer cancel()
	err := errPanicked
	func() {
		defer func() {
			if v := recover(); v != nil { // the engine's, told by err
				r.c.stats.l2Foreign.Add(1)
			}
		}()
		err = r.cfg.Bus.Publish(ctx, message)
	}()
	if err != nil {
		r.c.stats.unpublished.Add(1)
		return errors.Join(errUnpublished, err)
	}
	r.bus.sent++
	return nil
}

var errUnpublished = errors.New("seawall/cache: other processes could not be told")

func appendName(b []byte, kind byte, name string) []byte {
	b = append(b, kind)
	b = binary.AppendUvarint(b, uint64(len(name)))
	return append(b, name...)
}
