package msgpackcodec

import (
	"bytes"
	"testing"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/seawall-go/seawall/cache"
)

// BenchmarkCodec reads and writes a product of about 500 bytes of JSON, with JSON
// and the bare library beside it.
func BenchmarkCodec(b *testing.B) {
	p := shirt()
	for _, c := range []struct {
		name  string
		codec cache.Codec[product]
	}{{"seawall", New[product]()}, {"json", cache.JSON[product]()}, {"msgpack", bare{}}} {
		data, err := c.codec.Append(nil, p)
		if err != nil {
			b.Fatal(err)
		}
		b.Run("append/"+c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.ReportMetric(float64(len(data)), "bytes")
			for b.Loop() {
				c.codec.Append(data[:0], p)
			}
		})
		b.Run("decode/"+c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.codec.Decode(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// bare is the library without anything around it.
type bare struct{}

func (bare) Name() string { return "bare" }

func (bare) Append(dst []byte, p product) ([]byte, error) {
	data, err := msgpack.Marshal(&p)
	return append(dst, data...), err
}

// Decode does not preallocate: the goroutines of msgpack.Unmarshal never end.
func (bare) Decode(data []byte) (p product, err error) {
	d := msgpack.GetDecoder()
	defer msgpack.PutDecoder(d)
	d.Reset(bytes.NewReader(data))
	err = d.Decode(&p)
	return p, err
}

// BenchmarkCheck is what Decode does before it decodes.
func BenchmarkCheck(b *testing.B) {
	data, err := New[product]().Append(nil, shirt())
	if err != nil {
		b.Fatal(err)
	}
	r := new(reader)
	b.ReportAllocs()
	for b.Loop() {
		if err := r.check(data); err != nil {
			b.Fatal(err)
		}
	}
}
