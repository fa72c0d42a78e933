package httpcache

import (
	"hash/maphash"
	"strings"
)

// preference is what a client prefers, as it wrote it and in its normal form.
type preference struct {
	name, value string
	normal      []string
}

const (
	normalPlaces = 128
	// normalLongest is how long a value may be to be remembered. Those of browsers
	// are shorter, and all together take less than 128 KiB.
	normalLongest = 256
)

// normal is normalized, from memory where it can be: a crowd comes with the same few
// browsers, and to bring a list into order takes longer than all else that a hit
// does. Where two fall on one place the last one has it. Of other fields nothing is
// remembered: they may tell who somebody is, and cost less.
func (h *Cache) normal(name string, values []string) []string {
	if len(values) != 1 || len(values[0]) > normalLongest || !isPreference(name) {
		return normalized(name, values)
	}
	value := values[0]
	place := &h.normals[maphash.String(h.seed, value)%normalPlaces]
	if p := place.Load(); p != nil && p.value == value && p.name == name {
		return p.normal
	}
	value = strings.Clone(value) // it belongs to the request
	p := &preference{strings.Clone(name), value, normalized(name, []string{value})}
	place.Store(p)
	return p.normal
}

func isPreference(name string) bool { return name == "Accept-Encoding" || name == "Accept-Language" }

// hash is what variants differ by, and its hash.
type hash struct{ of, is string }

// hashed is hashOf with a mark, from memory if it is common: of nobody's own fields.
func (h *Cache) hashed(b []byte, common bool) string {
	if !common || len(b) > normalLongest {
		return variantMark + hashOf(b).String()
	}
	place := &h.hashes[maphash.Bytes(h.seed, b)%normalPlaces]
	if known := place.Load(); known != nil && known.of == string(b) {
		return known.is
	}
	known := &hash{string(b), variantMark + hashOf(b).String()}
	place.Store(known)
	return known.is
}
