package cache

import (
	"math/rand/v2"
	"sync"
	"testing"
)

// TestRistrettoBooks: after any amount of work by several goroutines, index, window
// and ristretto hold the same entries, and every byte is counted where it is.
func TestRistrettoBooks(t *testing.T) {
	for _, keys := range []int{20, 3000, 100_000} {
		made, err := Ristretto[int, int](RistrettoConfig{MaxBytes: 2 << 20})
		if err != nil {
			t.Fatal(err)
		}
		l := made.(*ristrettoL1[int, int])
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(uint64(g), 1))
				for range 30_000 {
					key := int(float64(keys) * r.Float64() * r.Float64())
					switch op := r.IntN(10_000); {
					case op < 5000:
						l.Get(key)
					case op < 8500:
						l.Set(key, new(Entry[int]), 1+int64(r.IntN(4000)))
					case op < 9998:
						l.Delete(key)
					case r.IntN(20) == 0:
						l.Clear()
					}
				}
			})
		}
		wg.Wait()
		audit(t, l)
		l.Close()
	}
}

// TestRistrettoGrace: where all but the newcomer was used again, and so gets
// another turn, the newcomer is not the one to go.
func TestRistrettoGrace(t *testing.T) {
	made, err := Ristretto[int, int](RistrettoConfig{MaxBytes: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer made.Close()
	l := made.(*ristrettoL1[int, int])
	l.main.UpdateMaxCost(1) // it refuses everything
	l.feed.mainRoom = 0
	const cost = 1000
	room := int(l.window.room / (cost + 200))
	for i := range 2 * room {
		l.Set(i, new(Entry[int]), cost)
		l.Get(i)
	}
	l.Set(-1, new(Entry[int]), cost)
	for i := range room / 4 {
		l.Set(2*room+i, new(Entry[int]), cost)
		l.Get(2*room + i)
	}
	if _, ok := l.Get(-1); !ok {
		t.Errorf("an entry was gone after %d others, with room for %d in the window", room/4, room)
	}
}

// audit is for when nobody else uses l.
func audit(t *testing.T, l *ristrettoL1[int, int]) {
	t.Helper()
	l.feed.batchBytes = 0 // anything is a batch
	for range 5 {
		l.flush()
	}
	indexed, main, mainBytesHeld := 0, 0, int64(0)
	for i := range l.shards {
		for key, c := range l.shards[i].cells {
			indexed++
			switch c.place {
			case inMain:
				main++
				mainBytesHeld += c.cost() + mainBytes
				if got, ok := l.main.Get(c.hash); !ok || got != c {
					t.Fatalf("key %d is not in ristretto", key)
				}
			case nowhere:
				t.Fatalf("key %d is in the index and nowhere else", key)
			case leaving:
				t.Fatalf("key %d is on its way for ever", key)
			case inWindow:
			}
		}
	}
	inList, listed := 0, int64(0)
	for c := l.window.root.next; c != &l.window.root; c = c.next {
		inList++
		listed += c.cost()
		if c.place != inWindow || l.shard(c.hash).cells[c.key] != c {
			t.Fatalf("key %d is in the window, and not in the index", c.key)
		}
	}
	if listed != l.window.used || listed > l.window.room {
		t.Errorf("%d bytes are in the window, %d counted, %d allowed", listed, l.window.used, l.window.room)
	}
	if inList+main != indexed {
		t.Errorf("%d in the index, %d in the window, %d in ristretto", indexed, inList, main)
	}
	theirs := l.main.MaxCost() - l.main.RemainingCost()
	if l.feed.settled != mainBytesHeld || theirs != mainBytesHeld {
		t.Errorf("%d bytes are in ristretto, %d counted, %d by ristretto", mainBytesHeld, l.feed.settled, theirs)
	}
	t.Logf("%d in the window, %d in ristretto", inList, main)
}
