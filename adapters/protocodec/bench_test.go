package protocodec

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/seawall-go/seawall/cache"
)

// BenchmarkCodec reads and writes messages, with JSON of the same beside them. There
// is no generated product here: a message with fields of its own, strings and lists
// of others is the description of a .proto file. A product as a
// Struct is a tree of maps, which is the worst that can be asked of protobuf.
func BenchmarkCodec(b *testing.B) {
	file := protodesc.ToFileDescriptorProto(timestamppb.File_google_protobuf_timestamp_proto)
	bench(b, "message/seawall", New[*descriptorpb.FileDescriptorProto](), file)
	bench(b, "message/json", cache.JSON[*descriptorpb.FileDescriptorProto](), file)
	bench(b, "product/struct", New[*structpb.Struct](), shirt(b))
	bench(b, "product/json-map", cache.JSON[map[string]any](), fields())
	at := timestamppb.New(time.Unix(1_795_000_000, 123))
	bench(b, "timestamp/seawall", New[*timestamppb.Timestamp](), at)
	bench(b, "timestamp/proto", cache.Codec[*timestamppb.Timestamp](bare{}), at)
}

func bench[V any](b *testing.B, name string, codec cache.Codec[V], v V) {
	data, err := codec.Append(nil, v)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("append/"+name, func(b *testing.B) {
		b.ReportAllocs()
		b.ReportMetric(float64(len(data)), "bytes")
		for b.Loop() {
			codec.Append(data[:0], v)
		}
	})
	b.Run("decode/"+name, func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			codec.Decode(data)
		}
	})
}

// bare is the library without anything around it.
type bare struct{}

func (bare) Name() string { return "bare" }

func (bare) Append(dst []byte, v *timestamppb.Timestamp) ([]byte, error) {
	data, err := proto.Marshal(v)
	return append(dst, data...), err
}

func (bare) Decode(data []byte) (*timestamppb.Timestamp, error) {
	v := new(timestamppb.Timestamp)
	return v, proto.Unmarshal(data, v)
}
