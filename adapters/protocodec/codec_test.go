package protocodec

import (
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/seawall-go/seawall/cache"
)

var _ cache.Codec[*structpb.Struct] = New[*structpb.Struct]()

// shirt is a product of about 500 bytes of JSON. Without generated code there is no
// message with fields of its own, so it is a Struct, which is what JSON is to
// protobuf, and slower than a message would be.
func shirt(t testing.TB) *structpb.Struct {
	t.Helper()
	s, err := structpb.NewStruct(fields())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func fields() map[string]any {
	return map[string]any{
		"id": 4711, "name": "Shirt of heavy cotton, blue", "price": 39.9, "stock": 120,
		"description": "A shirt that stays in shape, woven in a small mill by the sea from cotton that has never seen an aeroplane.",
		"tags":        []any{"shirt", "cotton", "blue", "summer"},
		"attributes":  map[string]any{"size": "M", "colour": "blue", "care": "30 degrees"},
		"images": []any{
			map[string]any{"url": "https://images.example.com/4711/front.jpg", "width": 1200, "height": 1600},
			map[string]any{"url": "https://images.example.com/4711/back.jpg", "width": 1200, "height": 1600},
		},
		"updated": "2026-11-22T10:30:00.123Z",
	}
}

// both writes and reads.
func both[V proto.Message](t *testing.T, v V) {
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
	if err != nil || !proto.Equal(got, v) {
		t.Errorf("%v came back as %v, %v", v, got, err)
	}
	clear(data)
	if !proto.Equal(got, v) {
		t.Errorf("%v shares its bytes", v)
	}
}

func TestRoundTrip(t *testing.T) {
	both(t, shirt(t))
	both(t, &emptypb.Empty{})
	both(t, timestamppb.New(time.Unix(1_795_000_000, 123)))
	both(t, durationpb.New(math.MinInt64))
	both(t, wrapperspb.String("größe"))
	both(t, wrapperspb.Bytes([]byte("\x00\xff")))
	both(t, wrapperspb.Int64(-1))
	both(t, structpb.NewNullValue())
	inside, err := anypb.New(shirt(t))
	if err != nil {
		t.Fatal(err)
	}
	both(t, inside)
}

// TestDecodeMakes: each call a message of its own, also of no bytes.
func TestDecodeMakes(t *testing.T) {
	c := New[*wrapperspb.StringValue]()
	a, err := c.Decode(nil)
	if err != nil || a == nil || a.GetValue() != "" {
		t.Fatal(a, err)
	}
	b, _ := c.Decode(nil)
	if a == b {
		t.Error("twice the same")
	}
	if name := c.Name(); name != "proto" {
		t.Error(name)
	}
}

// TestFieldsMayChange: what one version does not know it keeps.
func TestFieldsMayChange(t *testing.T) {
	data, err := New[*timestamppb.Timestamp]().Append(nil, timestamppb.New(time.Unix(5, 7)))
	if err != nil {
		t.Fatal(err)
	}
	older, err := New[*emptypb.Empty]().Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	again, err := New[*emptypb.Empty]().Append(nil, older)
	if err != nil || string(again) != string(data) {
		t.Errorf("%x, %v", again, err)
	}
}

func TestErrors(t *testing.T) {
	const prefix = "seawall/protocodec: "
	if data, err := New[*emptypb.Empty]().Append([]byte("before"), nil); err == nil || !strings.HasPrefix(err.Error(), prefix) || string(data) != "before" {
		t.Errorf("%q, %v", data, err)
	}
	if data, err := New[proto.Message]().Append([]byte("before"), nil); err == nil || string(data) != "before" {
		t.Errorf("%q, %v", data, err)
	}
	if data, err := New[*wrapperspb.StringValue]().Append([]byte("before"), wrapperspb.String("\xff")); err == nil || !strings.HasPrefix(err.Error(), prefix) || string(data) != "before" {
		t.Errorf("%q, %v", data, err)
	}
	if got, err := New[proto.Message]().Decode(nil); err == nil || !strings.HasPrefix(err.Error(), prefix) || got != nil {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := New[*wrapperspb.StringValue]().Decode([]byte{0x0a, 5, 'a'}); err == nil || !strings.HasPrefix(err.Error(), prefix) || got != nil {
		t.Errorf("%v, %v", got, err)
	}
	// A Value within a Value, and so on: the library has a bound.
	var deep []byte
	for range 11_000 {
		list := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), deep)
		deep = protowire.AppendBytes(protowire.AppendTag(nil, 6, protowire.BytesType), list)
		if len(deep) > 1<<20 {
			break
		}
	}
	if _, err := New[*structpb.Value]().Decode(deep); err == nil || !strings.HasPrefix(err.Error(), prefix) {
		t.Errorf("nested %d bytes deep: %v", len(deep), err)
	}
}

func TestConcurrent(t *testing.T) {
	c := New[*wrapperspb.StringValue]()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 500 {
				want := strings.Repeat(string(rune('a'+i)), n)
				data, err := c.Append(nil, wrapperspb.String(want))
				if got, err2 := c.Decode(data); err != nil || err2 != nil || got.GetValue() != want {
					t.Errorf("%v, %v", err, err2)
				}
			}
		})
	}
	wg.Wait()
}

// TestCodecAllocs: nothing to write a message, and only its parts to read one.
func TestCodecAllocs(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates, too")
	}
	c := New[*timestamppb.Timestamp]()
	at := timestamppb.New(time.Unix(1_795_000_000, 123))
	data, err := c.Append(nil, at)
	if err != nil {
		t.Fatal(err)
	}
	dst := make([]byte, 0, 100)
	if n := testing.AllocsPerRun(100, func() { c.Append(dst, at) }); n != 0 {
		t.Errorf("Append: %v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { c.Decode(data) }); n != 1 {
		t.Errorf("Decode: %v allocations, want 1", n)
	}
}

// FuzzDecode: an error or a message that can be written and read again.
func FuzzDecode(f *testing.F) {
	c := New[*structpb.Struct]()
	data, err := c.Append(nil, shirt(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte{})
	f.Add([]byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, data []byte) {
		New[*anypb.Any]().Decode(data)
		New[*timestamppb.Timestamp]().Decode(data)
		v, err := c.Decode(data)
		if err != nil {
			return
		}
		again, err := c.Append(nil, v)
		if err != nil {
			t.Fatal(err)
		}
		if w, err := c.Decode(again); err != nil || !proto.Equal(v, w) && proto.Equal(v, v) { // NaN equals nothing in a map
			t.Errorf("%v came back as %v, %v", v, w, err)
		}
	})
}
