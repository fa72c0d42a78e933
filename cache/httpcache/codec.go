package httpcache

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/seawall-go/seawall/internal/coarse"
)

// codec writes responses for an L2:
//
//	version, kind, status, lifetime and age in microseconds, when that was (microseconds
//	since 1970), flags, the two stale times, then counted lists: fields with their
//	values, and whether they add to what stands there, fields taken away, tags,
//	Seawall-Cache-Control, fields of Vary; then what tells variants apart, and the body
//
// Numbers are varints, and each text has its length before it. Ages go by wall
// clocks between processes, and by clock within one.
type codec struct{ clock *coarse.Clock }

const codecVersion = 1

func (codec) Name() string { return "seawall-http" }

const (
	flagNoCache = 1 << iota
	flagStrict
	flagExplicit
)

func (c codec) Append(b []byte, p *Response) ([]byte, error) {
	age, at := min(p.times.current(c.clock.Exact()), mostTime), time.Now()
	b = append(b, codecVersion, byte(p.kind))
	b = binary.AppendUvarint(b, uint64(p.status))
	b = binary.AppendVarint(b, p.times.lifetime.Microseconds())
	b = binary.AppendVarint(b, age.Microseconds())
	b = binary.AppendVarint(b, at.UnixMicro())
	var flags byte
	for i, set := range [...]bool{p.times.noCache, p.times.strict, p.times.explicit} {
		if set {
			flags |= 1 << i
		}
	}
	b = append(b, flags)
	b = binary.AppendVarint(b, int64(p.times.staleRevalidate))
	b = binary.AppendVarint(b, int64(p.times.staleError))
	b = binary.AppendUvarint(b, uint64(len(p.fields)))
	for _, f := range p.fields {
		b = appendText(b, f.name)
		b = appendTexts(b, f.values)
		if f.adds {
			b = append(b, 1)
		} else {
			b = append(b, 0)
		}
	}
	b = appendTexts(b, p.gone)
	b = appendTexts(b, p.tags)
	b = appendTexts(b, p.own)
	b = appendTexts(b, p.names)
	b = appendText(b, p.gen)
	return append(b, p.body...), nil
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendTexts(b []byte, list []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, s := range list {
		b = appendText(b, s)
	}
	return b
}

var errForm = errors.New("seawall/httpcache: not a stored response")

func (c codec) Decode(data []byte) (*Response, error) {
	d := decoder{data: data}
	if d.byte() != codecVersion {
		return nil, errForm
	}
	p := &Response{kind: kind(d.byte()), status: int(d.number(999))}
	p.times.lifetime, p.times.age = d.micros(), d.micros()
	written := d.signed()
	flags := d.byte()
	p.times.noCache, p.times.strict, p.times.explicit = flags&flagNoCache != 0, flags&flagStrict != 0, flags&flagExplicit != 0
	p.times.staleRevalidate, p.times.staleError = time.Duration(d.signed()), time.Duration(d.signed())
	for range d.count() {
		if d.failed {
			break
		}
		p.fields = append(p.fields, field{name: d.text(), values: d.texts(), adds: d.byte() != 0})
	}
	p.gone, p.tags, p.own, p.names, p.gen = d.texts(), d.texts(), d.texts(), d.texts(), d.text()
	switch {
	case d.failed, p.kind > wants, p.kind == whole && (p.status < 200 || p.status > 599),
		max(p.times.staleRevalidate, p.times.staleError) > mostTime, min(p.times.staleRevalidate, p.times.staleError) < absent:
		return nil, errForm
	}
	p.body = d.data
	if len(p.body) < ownBelow {
		p.body = slices.Clip(bytes.Clone(p.body))
	}
	p.times.began = c.clock.Exact() - int64(min(max(time.Since(time.UnixMicro(written)), 0), mostTime))
	p.derive()
	return p, nil
}

const (
	// mostTime is far from where times overflow that are added to it.
	mostTime = 100 * longest
	// ownBelow is below what size a body is copied: it would keep what stood before it,
	// fields and tags, which is nothing beside a longer one.
	ownBelow = 256 << 10
)

// decoder reads, and notes if there is not enough.
type decoder struct {
	data   []byte
	failed bool
}

func (d *decoder) byte() byte {
	if len(d.data) == 0 {
		d.failed = true
		return 0
	}
	c := d.data[0]
	d.data = d.data[1:]
	return c
}

func (d *decoder) number(most uint64) uint64 {
	n, size := binary.Uvarint(d.data)
	if size <= 0 || n > most {
		d.failed, d.data = true, nil
		return 0
	}
	d.data = d.data[size:]
	return n
}

func (d *decoder) signed() int64 {
	n, size := binary.Varint(d.data)
	if size <= 0 {
		d.failed, d.data = true, nil
		return 0
	}
	d.data = d.data[size:]
	return n
}

// micros is a time that is not negative, in microseconds.
func (d *decoder) micros() time.Duration {
	n := d.signed()
	if n < 0 || n > mostTime.Microseconds() {
		d.failed, d.data = true, nil
		return 0
	}
	return time.Duration(n) * time.Microsecond
}

// count is that of a list, each of whose members has a byte at least.
func (d *decoder) count() uint64 { return d.number(uint64(len(d.data))) }

func (d *decoder) text() string {
	n := d.count()
	if n > uint64(len(d.data)) {
		d.failed, d.data = true, nil
		return ""
	}
	s := string(d.data[:n])
	d.data = d.data[n:]
	return s
}

func (d *decoder) texts() []string {
	n := d.count()
	if n == 0 {
		return nil
	}
	list := make([]string, 0, min(n, 64))
	for range n {
		if d.failed {
			return nil
		}
		list = append(list, d.text())
	}
	return list
}
