package msgpackcodec

import (
	"errors"
	"io"
	"sync"

	"github.com/vmihailenco/msgpack/v5"
)

// reader is a decoder with what it reads.
//
// Where the decoder wants a map and finds an extension, it takes the bytes of the
// extension for the map: other values than those that were checked. It then reads
// them as it reads the first byte of a value, by ReadByte, and not as a body, by
// Read. So ReadByte fails where a body should begin.
type reader struct {
	dec  *msgpack.Decoder
	open []uint64 // of check

	data []byte
	pos  int
	state
	before state // ReadByte, for UnreadByte
}

type state struct {
	plain int  // how many of the next bytes begin no value
	body  bool // after them comes the body of an extension
}

var errExtension = errors.New("an extension in the place of a map")

var readers = sync.Pool{New: func() any {
	r := new(reader)
	r.dec = msgpack.NewDecoder(r)
	return r
}}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	r.state = state{}
	if r.pos == len(r.data) && len(p) > 0 {
		return 0, io.EOF
	}
	n := copy(p, r.data[r.pos:])
	r.pos += n
	return n, nil
}

// ReadByte implements io.ByteReader.
func (r *reader) ReadByte() (byte, error) {
	r.before = r.state
	switch {
	case r.pos == len(r.data):
		return 0, io.EOF
	case r.plain == 0 && r.body:
		return 0, errExtension
	}
	c := r.data[r.pos]
	r.pos++
	if r.plain > 0 {
		r.plain--
		return c, nil
	}
	switch c {
	case 0xc4, 0xcc, 0xd0, 0xd9: // one byte follows: a length, or a number
		r.plain = 1
	case 0xd4, 0xd5, 0xd6, 0xd7, 0xd8: // the type of an extension
		r.state = state{plain: 1, body: true}
	case 0xc7: // its length, and type; check saw that they are there
		r.state = state{plain: 2, body: r.data[r.pos] > 0}
	case 0xc8, 0xc9: // its length is read as a body
		r.body = true
	}
	return c, nil
}

// UnreadByte implements io.ByteScanner.
func (r *reader) UnreadByte() error {
	r.pos--
	r.state = r.before
	return nil
}

// decode reads a value that has been checked.
func (r *reader) decode(data []byte, v any) error {
	r.data, r.pos, r.state = data, 0, state{}
	r.dec.Reset(r) // a method of V may have set options
	return r.dec.Decode(v)
}

// maxOpen is what of check's memory is kept.
const maxOpen = 64

// release is for a reader whose decoder has not failed: what state that leaves is
// unknown.
func (r *reader) release() {
	r.data = nil
	if cap(r.open) > maxOpen {
		r.open = nil
	}
	readers.Put(r)
}
