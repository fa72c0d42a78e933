package msgpackcodec

import "testing"

// TestCodecAllocs: with room in dst, writing allocates the value once, as it goes
// through an interface, and what the library takes for its map and time; reading,
// what the value consists of and a few for reflection.
func TestCodecAllocs(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates, too")
	}
	c := New[product]()
	p := shirt()
	data, err := c.Append(nil, p)
	if err != nil {
		t.Fatal(err)
	}
	dst := make([]byte, 0, 2*len(data))
	if n := testing.AllocsPerRun(100, func() { c.Append(dst, p) }); n > 5 {
		t.Errorf("Append: %v allocations, want 5", n)
	}
	if n := testing.AllocsPerRun(100, func() { c.Decode(data) }); n > 22 {
		t.Errorf("Decode: %v allocations, want 22", n)
	}
}
