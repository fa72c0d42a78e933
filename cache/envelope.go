package cache

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"time"
)

// envelope is a value as it is in L2: its times, its tags, and how it is written.
// All times but created are spans; created is of the store's own clock.
type envelope struct {
	created int64 // when its load began, in microseconds since 1970
	took    uint32
	ttl     uint32
	fresh   uint32 // after created, as the three around it in milliseconds
	stale   uint32
	last    uint32
	tags    []string
	payload []byte
}

const (
	envelopeMagic   = 0xCA
	envelopeVersion = 1
	flagFlate       = 1
	maxCodecName    = 15
)

// An envelope of another kind, or of a version to come, is as good as none.
var errEnvelope = errors.New("seawall/cache: not an envelope of this version")

// append writes an envelope: two bytes of version, flags, the codec's name, the
// times, the tags, the length of the value, and the value.
func (v *envelope) append(dst []byte, codec string, compressAbove int) []byte { //nolint:unparam // as all that append do
	flags := byte(0)
	compressed := []byte(nil)
	if compressAbove > 0 && len(v.payload) > compressAbove {
		if compressed = deflate(v.payload); compressed != nil {
			flags |= flagFlate
		}
	}
	dst = append(dst, envelopeMagic, envelopeVersion, flags, byte(len(codec)))
	dst = append(dst, codec...)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(v.created))
	for _, n := range [...]uint32{v.took, v.ttl, v.fresh, v.stale, v.last} {
		dst = binary.AppendUvarint(dst, uint64(n))
	}
	dst = binary.AppendUvarint(dst, uint64(len(v.tags)))
	for _, t := range v.tags {
		dst = append(binary.AppendUvarint(dst, uint64(len(t))), t...)
	}
	dst = binary.AppendUvarint(dst, uint64(len(v.payload)))
	if flags&flagFlate != 0 {
		return append(dst, compressed...)
	}
	return append(dst, v.payload...)
}

// parse reads an envelope. It keeps data. A payload above most is an error, also
// a compressed one before it is unpacked.
func (v *envelope) parse(data []byte, codec string, most int) error {
	if len(data) < 4 || data[0] != envelopeMagic || data[1] != envelopeVersion || data[2]&^flagFlate != 0 {
		return errEnvelope
	}
	flags, name := data[2], int(data[3])
	r := reader{data: data[4:]}
	if written := r.next(uint64(name)); r.failed || string(written) != codec {
		return fmt.Errorf("%w: its codec is %.20q", errEnvelope, written)
	}
	created := r.next(8)
	if r.failed {
		return errEnvelope
	}
	v.created = int64(binary.LittleEndian.Uint64(created))
	for _, n := range [...]*uint32{&v.took, &v.ttl, &v.fresh, &v.stale, &v.last} {
		*n = uint32(r.number(math.MaxUint32))
	}
	v.tags = nil
	for range r.number(maxTags) {
		v.tags = append(v.tags, string(r.next(r.number(maxTagName))))
	}
	size := r.number(uint64(most))
	switch {
	case r.failed:
		return errEnvelope
	case flags&flagFlate == 0:
		if uint64(len(r.data)) != size {
			return errEnvelope
		}
		v.payload = r.data
		return nil
	}
	var err error
	v.payload, err = inflate(r.data, int(size))
	return err
}

// reader takes parts off the front of data. After a failure it yields nothing.
type reader struct {
	data   []byte
	failed bool
}

func (r *reader) next(n uint64) []byte {
	if r.failed || n > uint64(len(r.data)) {
		r.failed = true
		return nil
	}
	part := r.data[:n]
	r.data = r.data[n:]
	return part
}

func (r *reader) number(most uint64) uint64 {
	n, size := binary.Uvarint(r.data)
	if r.failed || size <= 0 || n > most {
		r.failed = true
		return 0
	}
	r.data = r.data[size:]
	return n
}

// Writers take 600 KiB each to make.
var deflaters = sync.Pool{New: func() any {
	w, _ := flate.NewWriter(io.Discard, flate.BestSpeed) // no error: the level exists
	return w
}}

// deflate returns a shorter form, or nil if there is none.
func deflate(data []byte) []byte {
	var out bytes.Buffer
	w := deflaters.Get().(*flate.Writer)
	defer deflaters.Put(w)
	w.Reset(&out)
	_, err := w.Write(data)
	if err = errors.Join(err, w.Close()); err != nil || out.Len() >= len(data) {
		return nil
	}
	return out.Bytes()
}

var inflaters = sync.Pool{New: func() any { return flate.NewReader(bytes.NewReader(nil)) }}

// inflate unpacks exactly size bytes, growing as they come: the size is what a
// stranger may have written.
func inflate(data []byte, size int) ([]byte, error) {
	r := inflaters.Get().(io.ReadCloser)
	defer inflaters.Put(r)
	if err := r.(flate.Resetter).Reset(bytes.NewReader(data), nil); err != nil { //nolint:forcetypeassert // flate says so
		return nil, fmt.Errorf("seawall/cache: %w", err)
	}
	var out bytes.Buffer
	out.Grow(min(size+bytes.MinRead, 64*len(data)+bytes.MinRead))
	n, err := io.Copy(&out, io.LimitReader(r, int64(size)+1))
	if err != nil || n != int64(size) {
		return nil, fmt.Errorf("%w: it does not unpack to %d bytes: %w", errEnvelope, size, err)
	}
	return out.Bytes(), nil
}

// life is how long an L2 keeps an envelope.
func (v *envelope) life() time.Duration {
	return min(time.Duration(int64(v.fresh)+int64(max(v.stale, v.last)))*time.Millisecond, longest)
}
