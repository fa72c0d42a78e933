package cache

import "sync/atomic"

// Entry is a value with its times. An L1 keeps pointers to them; what is inside
// is the Cache's. Beside the value it takes 56 bytes.
type Entry[V any] struct {
	value V
	// Times are nanoseconds of the Cache's own monotonic clock.
	//
	// soon is until when nothing has to be considered: the hot path looks at this
	// and at seen, and at nothing else.
	soon    atomic.Int64
	fresh   atomic.Int64 // until when it is as good as new
	stale   int64        // for how much longer it may be shown while it is loaded anew
	last    int64        // for how much longer if that fails
	created int64        // when its load began: what was invalidated later may be in it
	seen    atomic.Uint32
	took    uint32 // by the load, in units of 2^16 ns
	tags    *tagList
}

// tagList are the tags of an entry; nil if it has none.
type tagList []*tag

type tag struct{}
