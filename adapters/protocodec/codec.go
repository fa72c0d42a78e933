package protocodec

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/seawall-go/seawall/cache"
)

var (
	errNil  = errors.New("seawall/protocodec: there is no form for a nil message")
	errType = errors.New("seawall/protocodec: V must be the pointer type of a message (got an interface)")
)

// New returns a Codec for messages of type V. It may be used by many goroutines.
// Append allocates what dst lacks, Decode the message. Where V is an interface, such
// as proto.Message itself, Decode does not know what to make and returns an error.
func New[V proto.Message]() cache.Codec[V] {
	var none V
	if any(none) == nil {
		return codec[V]{}
	}
	return codec[V]{typ: none.ProtoReflect().Type()}
}

type codec[V proto.Message] struct{ typ protoreflect.MessageType }

// Name is "proto".
func (codec[V]) Name() string { return "proto" }

func (codec[V]) Append(dst []byte, v V) ([]byte, error) {
	if any(v) == nil || !v.ProtoReflect().IsValid() {
		return dst, errNil
	}
	data, err := proto.MarshalOptions{}.MarshalAppend(dst, v)
	if err != nil {
		return dst, fmt.Errorf("seawall/protocodec: %w", err)
	}
	return data, nil
}

func (c codec[V]) Decode(data []byte) (V, error) {
	var none V
	if c.typ == nil {
		return none, errType
	}
	v, ok := c.typ.New().Interface().(V)
	if !ok {
		return none, errType
	}
	if err := proto.Unmarshal(data, v); err != nil {
		return none, fmt.Errorf("seawall/protocodec: %w", err)
	}
	return v, nil
}
