package msgpackcodec

import (
	"encoding/json"
	"math"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/seawall-go/seawall/cache"
)

type product struct {
	ID          int64             `json:"id"               msgpack:"id"`
	Name        string            `json:"name"             msgpack:"name"`
	Description string            `json:"description"      msgpack:"description"`
	Price       float64           `json:"price"            msgpack:"price"`
	Stock       int               `json:"stock"            msgpack:"stock"`
	Tags        []string          `json:"tags"             msgpack:"tags"`
	Attributes  map[string]string `json:"attributes"       msgpack:"attributes"`
	Images      []image           `json:"images"           msgpack:"images"`
	Updated     time.Time         `json:"updated"          msgpack:"updated"`
	Parent      *product          `json:"parent,omitempty" msgpack:"parent,omitempty"`
}

type image struct {
	URL    string `json:"url"    msgpack:"url"`
	Width  int    `json:"width"  msgpack:"width"`
	Height int    `json:"height" msgpack:"height"`
}

func shirt() product {
	return product{
		ID: 4711, Name: "Shirt of heavy cotton, blue", Price: 39.9, Stock: 120,
		Description: "A shirt that stays in shape, woven in a small mill by the sea from cotton that has never seen an aeroplane.",
		Tags:        []string{"shirt", "cotton", "blue", "summer"},
		Attributes:  map[string]string{"size": "M", "colour": "blue", "care": "30 degrees"},
		Images: []image{
			{"https://images.example.com/4711/front.jpg", 1200, 1600}, {"https://images.example.com/4711/back.jpg", 1200, 1600},
		},
		Updated: time.Date(2026, 11, 22, 10, 30, 0, 123_000_000, time.UTC),
	}
}

// both writes and reads.
func both[V any](t *testing.T, v V) V {
	t.Helper()
	c := New[V]()
	data, err := c.Append([]byte("before"), v)
	if err != nil {
		t.Fatal(err)
	}
	if string(data[:6]) != "before" {
		t.Fatalf("%q", data)
	}
	got, err := c.Decode(data[6:])
	if err != nil {
		t.Fatalf("%x: %v", data[6:], err)
	}
	return got
}

func same[V any](t *testing.T, v V) {
	t.Helper()
	if got := both(t, v); !reflect.DeepEqual(got, v) {
		t.Errorf("%#v came back as %#v", v, got)
	}
}

func TestRoundTrip(t *testing.T) {
	p := shirt()
	got := both(t, p)
	if !got.Updated.Equal(p.Updated) {
		t.Errorf("%v", got.Updated)
	}
	got.Updated = p.Updated
	if !reflect.DeepEqual(got, p) {
		t.Errorf("%+v", got)
	}
	q := shirt()
	q.Parent = &p
	if got := both(t, &q); got.Parent == nil || got.Parent.Name != p.Name || got.Parent.Parent != nil {
		t.Errorf("%+v", got)
	}
	same(t, (*product)(nil))
	same(t, "")
	same(t, "größe")
	same(t, []byte{})
	same(t, []byte("\x00\xff"))
	same(t, []string{"a", ""})
	same(t, map[string]int{"a": 1, "b": -1})
	same(t, map[int]string{1: "a"})
	same(t, map[string]any{"a": "b", "n": nil, "list": []any{true, 1.5}})
	same[any](t, nil)
	same(t, true)
	for _, n := range []int64{0, 1, 127, 128, 255, 256, 65535, 65536, 1 << 31, 1 << 32, math.MaxInt64, -1, -32, -33, -128, -129, -32769, math.MinInt32, math.MinInt64} {
		same(t, n)
		same(t, int(n))
		same(t, uint64(n))
		same(t, time.Duration(n))
		same(t, float64(n))
		if at := time.Unix(n>>4, 999); !both(t, at).Equal(at) {
			t.Errorf("%v", at)
		}
	}
	for _, n := range []int{15, 16, 31, 32, 255, 256, 65535, 65536} { // where the form of a length changes
		same(t, strings.Repeat("s", n))
		same(t, slices.Repeat([]byte{7}, n))
		same(t, slices.Repeat([]int{7}, n))
	}
	same(t, msgpack.RawMessage{0x93, 1, 2, 3})
	deep := any("bottom")
	for range maxDepth {
		deep = []any{deep}
	}
	same(t, deep)
}

// TestFieldsMayChange: versions of a program that share an L2 read one another's.
func TestFieldsMayChange(t *testing.T) {
	type next struct {
		Name  string         `msgpack:"name"`
		Added map[string]any `msgpack:"added"`
	}
	data, err := New[product]().Append(nil, shirt())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := New[next]().Decode(data); err != nil || got.Name != shirt().Name || got.Added != nil {
		t.Errorf("%+v, %v", got, err)
	}
	data, err = New[next]().Append(nil, next{Name: "n", Added: map[string]any{"a": []any{"b", time.Unix(1, 2)}}})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := New[product]().Decode(data); err != nil || got.Name != "n" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestErrors(t *testing.T) {
	data, err := New[chan int]().Append([]byte("before"), nil)
	if err == nil || !strings.HasPrefix(err.Error(), "seawall/msgpackcodec: ") || string(data) != "before" {
		t.Errorf("%q, %v", data, err)
	}
	if got, err := New[product]().Decode([]byte{0x81, 0xa2, 'i', 'd', 0xa1, 'x'}); err == nil || got.ID != 0 || !strings.HasPrefix(err.Error(), "seawall/msgpackcodec: ") {
		t.Errorf("%+v, %v", got, err)
	}
	if name := New[product]().Name(); name != "msgpack" {
		t.Error(name)
	}
}

// moody sets options of what it is given, and fails or panics when asked to.
type moody struct{ mood string }

func (m *moody) EncodeMsgpack(e *msgpack.Encoder) error {
	e.SetSortMapKeys(true).UseArrayEncodedStructs(true)
	if m.mood == "panic" {
		panic(m.mood)
	}
	return e.EncodeString(m.mood)
}

func (m *moody) DecodeMsgpack(d *msgpack.Decoder) (err error) {
	d.UseLooseInterfaceDecoding(true)
	d.DisallowUnknownFields(true)
	m.mood, err = d.DecodeString()
	return err
}

// TestOptionsDoNotStay in what is used again.
func TestOptionsDoNotStay(t *testing.T) {
	for range 100 {
		same(t, &moody{"good"})
		func() {
			defer func() { recover() }()
			New[*moody]().Append(nil, &moody{"panic"})
		}()
		New[product]().Decode([]byte{0x81})
		New[msgpack.RawMessage]().Decode([]byte{0xd4, 1, 0xc1})
		if got := both[any](t, []any{int8(1)}); !reflect.DeepEqual(got, []any{int8(1)}) {
			t.Fatalf("%#v", got)
		}
		TestFieldsMayChange(t)
	}
}

func TestConcurrent(t *testing.T) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 200 {
				p := shirt()
				p.ID = int64(i*1000 + n)
				p.Name = strings.Repeat("n", n)
				if got := both(t, p); got.ID != p.ID || got.Name != p.Name || got.Tags[3] != "summer" {
					t.Errorf("%+v", got)
				}
			}
		})
	}
	wg.Wait()
}

// TestDecodeKeeps: what was decoded is not changed by what is decoded later.
func TestDecodeKeeps(t *testing.T) {
	c := New[product]()
	data, _ := c.Append(nil, shirt())
	first, _ := c.Decode(data)
	clear(data)
	other, _ := c.Append(nil, product{Name: strings.Repeat("x", 500), Tags: []string{"xxxxx"}})
	c.Decode(other)
	if first.Name != shirt().Name || first.Tags[0] != "shirt" || first.Attributes["size"] != "M" {
		t.Errorf("%+v", first)
	}
}

// allocated is how many bytes f takes from the heap.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

var _ cache.Codec[product] = New[product]()

func sizes(t testing.TB) (ours, theirs int) {
	data, err := New[product]().Append(nil, shirt())
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(shirt())
	if err != nil {
		t.Fatal(err)
	}
	return len(data), len(text)
}

func TestSize(t *testing.T) {
	ours, theirs := sizes(t)
	t.Logf("%d bytes, JSON %d", ours, theirs)
	if ours >= theirs {
		t.Error("it is no smaller")
	}
}
