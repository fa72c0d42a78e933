package ratelimit

import (
	"encoding/hex"
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	heavyKeys  = 64 // are counted
	heavyTold  = 10 // of them are told
	heavyText  = 64 // bytes of a key are kept
	heavyHalf  = int64(time.Minute) << unitShift
	heavyEach  = 1 << 12 // refusals a minute are counted each; after them one in heavyNth
	heavyNth   = 16
	heavyDecay = 0.5
)

// heavy finds the keys that are refused most, in fixed memory: the Space-Saving
// sketch of Metwally, Agrawal and El Abbadi (2005). A key that is not counted
// takes the place, and the count, of the least. Counts halve each minute, so that
// it tells of now.
type heavy struct {
	show bool
	text func([]byte) string
	seed maphash.Seed

	mu   sync.Mutex
	keys map[uint64]*heavyKey
	last int64         // when the counts were halved, in units
	read bool          // somebody else than add has halved them
	from atomic.Uint64 // the refusals there had been then
}

// heavyKey changes hands without an allocation: a flood of keys would make a
// garbage of them.
type heavyKey struct {
	key          [heavyText]byte // its beginning, if it may be shown
	length       int
	count, error float64
}

func newHeavy(show bool, text func([]byte) string) *heavy {
	return &heavy{show: show, text: text, seed: maphash.MakeSeed(), keys: make(map[uint64]*heavyKey)}
}

// as goes on counting with the settings of another.
func (h *heavy) as(o *heavy) *heavy {
	if h.show != o.show {
		return o
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.text = o.text
	return h
}

// add counts the nth refusal of the policy. Under a flood one in sixteen stands
// for all, and none waits for another.
func (h *heavy) add(key []byte, n uint64, now int64) {
	weight := 1.0
	if n-h.from.Load() > heavyEach {
		if n%heavyNth != 0 {
			return
		}
		weight = heavyNth
	}
	if !h.mu.TryLock() {
		return
	}
	defer h.mu.Unlock()
	if h.fade(now) || h.read {
		h.from.Store(n)
		h.read = false
	}
	id := maphash.Bytes(h.seed, key)
	if k := h.keys[id]; k != nil {
		k.count += weight
		return
	}
	var fresh *heavyKey
	if len(h.keys) < heavyKeys {
		fresh = new(heavyKey)
	} else {
		var least uint64
		var of *heavyKey
		for i, k := range h.keys {
			if of == nil || k.count < of.count {
				least, of = i, k
			}
		}
		delete(h.keys, least)
		fresh, of.error = of, of.count
	}
	fresh.count += weight
	fresh.length = 0
	if h.show {
		fresh.length = copy(fresh.key[:], key)
	}
	h.keys[id] = fresh
}

// fade halves the counts for each minute that has passed, if any has.
func (h *heavy) fade(now int64) (faded bool) {
	if h.last == 0 || now-h.last >= 64*heavyHalf {
		clear(h.keys)
		h.last = now
		return true
	}
	for ; now-h.last >= heavyHalf; h.last += heavyHalf {
		faded = true
		for id, k := range h.keys {
			k.count *= heavyDecay
			k.error *= heavyDecay
			if k.count < 0.5 {
				delete(h.keys, id)
			}
		}
	}
	return faded
}

func (h *heavy) nameOf(key []byte, id uint64) string {
	if !h.show {
		return "#" + hex.EncodeToString([]byte{byte(id >> 24), byte(id >> 16), byte(id >> 8), byte(id)})
	}
	return textOf(key, h.text)
}

// textOf is a key as people may read it, and a log may hold it.
func textOf(key []byte, text func([]byte) string) string {
	if text != nil {
		return text(key)
	}
	s := strings.ToValidUTF8(string(key[:min(len(key), heavyText)]), "?")
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return '?'
		}
		return r
	}, s)
}

// RefusedKey is one of those refused most in the last minutes.
type RefusedKey struct {
	// Key is its hash, different in each process, or with Policy.ShowKeys the key
	// as far as it is text.
	Key string `json:"key"`
	// Refused is about how often, halved for each minute since; it is too high by
	// at most Error.
	Refused float64 `json:"refused"`
	Error   float64 `json:"error,omitempty"`
}

func (h *heavy) top() []RefusedKey {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.read = h.fade(clock()) || h.read
	var out []RefusedKey
	for id, k := range h.keys {
		out = append(out, RefusedKey{h.nameOf(k.key[:k.length], id), k.count, k.error})
	}
	slices.SortFunc(out, func(a, b RefusedKey) int {
		switch {
		case a.Refused-a.Error > b.Refused-b.Error:
			return -1
		case a.Refused-a.Error < b.Refused-b.Error:
			return 1
		}
		return strings.Compare(a.Key, b.Key)
	})
	return out[:min(len(out), heavyTold)]
}
