package msgpackcodec

import (
	"fmt"
	"sync"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/seawall-go/seawall/cache"
)

// New returns a Codec for values of type V. It may be used by many goroutines.
// Append allocates what dst lacks, Decode what the value needs.
func New[V any]() cache.Codec[V] { return codec[V]{} }

type codec[V any] struct{}

// Name is "msgpack".
func (codec[V]) Name() string { return "msgpack" }

func (codec[V]) Append(dst []byte, v V) ([]byte, error) {
	w := writers.Get().(*writer)
	w.buf = dst
	w.enc.Reset(w) // a method of V may have set options
	w.enc.UseCompactInts(true)
	if err := w.enc.Encode(&v); err != nil {
		return dst, fmt.Errorf("seawall/msgpackcodec: %w", err) // its state is unknown: not back to the pool
	}
	done := w.buf
	w.buf = nil
	writers.Put(w)
	return done, nil
}

func (codec[V]) Decode(data []byte) (V, error) {
	var v V
	r := readers.Get().(*reader)
	err := r.check(data)
	if err == nil {
		err = r.decode(data, &v)
	}
	if err != nil {
		var none V
		return none, fmt.Errorf("seawall/msgpackcodec: %w", err)
	}
	r.release()
	return v, nil
}

// writer is an encoder that appends.
type writer struct {
	enc *msgpack.Encoder
	buf []byte
}

var writers = sync.Pool{New: func() any {
	w := new(writer)
	w.enc = msgpack.NewEncoder(w)
	return w
}}

func (w *writer) Write(p []byte) (int, error) {
	w.buf = append(w.buf, p...)
	return len(p), nil
}

func (w *writer) WriteByte(c byte) error {
	w.buf = append(w.buf, c)
	return nil
}
