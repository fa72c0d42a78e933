package cache

import (
	"encoding/json"
	"fmt"
)

// Codec writes values for an L2 and reads them again. A value is decoded once,
// when it comes from L2, and never for a hit in L1.
type Codec[V any] interface {
	// Name is kept with each value, in at most 15 bytes; one that was written
	// under another name is not read. Change it when the form changes.
	Name() string
	// Append appends the form of v to dst.
	Append(dst []byte, v V) ([]byte, error)
	// Decode may keep data.
	Decode(data []byte) (V, error)
}

// JSON is the Codec of encoding/json. It is the default for all but strings and
// byte slices.
func JSON[V any]() Codec[V] { return jsonCodec[V]{} }

type jsonCodec[V any] struct{}

func (jsonCodec[V]) Name() string { return "json" }

func (jsonCodec[V]) Append(dst []byte, v V) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return dst, fmt.Errorf("seawall/cache: %w", err)
	}
	return append(dst, data...), nil
}

func (jsonCodec[V]) Decode(data []byte) (V, error) {
	var v V
	if err := json.Unmarshal(data, &v); err != nil {
		return v, fmt.Errorf("seawall/cache: %w", err)
	}
	return v, nil
}

// Raw is the Codec of strings and byte slices, which are written as they are.
func Raw[V ~string | ~[]byte]() Codec[V] { return rawCodec[V]{} }

type rawCodec[V ~string | ~[]byte] struct{}

func (rawCodec[V]) Name() string { return "raw" }

func (rawCodec[V]) Append(dst []byte, v V) ([]byte, error) { return append(dst, v...), nil }

func (rawCodec[V]) Decode(data []byte) (V, error) { return V(data), nil }

// defaultCodec is Raw for strings and byte slices, else JSON.
func defaultCodec[V any]() Codec[V] {
	var c any = JSON[V]()
	switch any(*new(V)).(type) {
	case string:
		c = Raw[string]()
	case []byte:
		c = Raw[[]byte]()
	}
	return c.(Codec[V]) //nolint:forcetypeassert // V is the type of the case
}
