package msgpackcodec

import (
	"encoding/binary"
	"errors"
)

// maxDepth is how deeply arrays and maps may be nested. The decoder takes some 500
// bytes of stack for each level.
const maxDepth = 1000

var (
	errShort = errors.New("the bytes end too early, or announce more than there is")
	errDeep  = errors.New("nested more deeply than 1000 levels")
	errRest  = errors.New("there is something behind the value")
	errCode  = errors.New("0xc1 begins no value")
)

// check is an error unless data is one value of MessagePack. Every element that is
// announced takes a byte, so all together are no more than data has.
func (r *reader) check(data []byte) error {
	open := r.open[:0] // how many values are missing, at each level
	open = append(open, 1)
	defer func() { r.open = open }()
	rest := data
	for len(open) > 0 {
		top := len(open) - 1
		if open[top] == 0 {
			open = open[:top]
			continue
		}
		open[top]--
		if len(rest) == 0 {
			return errShort
		}
		skip, values := head(rest)
		switch {
		case skip == 0:
			return errCode
		case skip > uint64(len(rest)):
			return errShort
		}
		rest = rest[skip:]
		if values > 0 {
			if len(open) > maxDepth {
				return errDeep
			}
			open = append(open, values)
		}
	}
	if len(rest) > 0 {
		return errRest
	}
	return nil
}

// head is how many bytes the first value takes without its elements, and how many
// those are. More than there is means that it ends too early; 0 bytes, that it is
// no value.
func head(data []byte) (bytes, values uint64) {
	c := data[0]
	switch {
	case c <= 0x7f || c >= 0xe0: // a small number
		return 1, 0
	case c <= 0x8f:
		return 1, 2 * uint64(c&0x0f)
	case c <= 0x9f:
		return 1, uint64(c & 0x0f)
	case c <= 0xbf:
		return 1 + uint64(c&0x1f), 0
	}
	k := kinds[c-0xc0]
	if k.fixed == 0 {
		return 0, 0
	}
	if len(data) < k.fixed {
		return uint64(k.fixed), 0
	}
	var n uint64
	switch k.length {
	case 1:
		n = uint64(data[1])
	case 2:
		n = uint64(binary.BigEndian.Uint16(data[1:]))
	case 4:
		n = uint64(binary.BigEndian.Uint32(data[1:]))
	}
	if k.values > 0 {
		return uint64(k.fixed), n * uint64(k.values)
	}
	return uint64(k.fixed) + n, 0
}

// kind is what a first byte from 0xc0 to 0xdf means: how many bytes there are at
// least, how many of them after the first are a length, and how many values, rather
// than bytes, each of that length is.
type kind struct{ fixed, length, values int }

var kinds = [...]kind{
	{1, 0, 0}, {}, {1, 0, 0}, {1, 0, 0}, // nil, none, false, true
	{2, 1, 0}, {3, 2, 0}, {5, 4, 0}, // bin
	{3, 1, 0}, {4, 2, 0}, {6, 4, 0}, // ext
	{5, 0, 0}, {9, 0, 0}, // float
	{2, 0, 0}, {3, 0, 0}, {5, 0, 0}, {9, 0, 0}, // uint
	{2, 0, 0}, {3, 0, 0}, {5, 0, 0}, {9, 0, 0}, // int
	{3, 0, 0}, {4, 0, 0}, {6, 0, 0}, {10, 0, 0}, {18, 0, 0}, // ext of 1, 2, 4, 8 and 16 bytes
	{2, 1, 0}, {3, 2, 0}, {5, 4, 0}, // str
	{3, 2, 1}, {5, 4, 1}, // array
	{3, 2, 2}, {5, 4, 2}, // map
}
