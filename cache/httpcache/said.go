package httpcache

import (
	"net/http"
	"slices"
)

// said is which of the request fields that matter to a hit may be there.
type said uint8

const (
	saidUpgrade    said = 1 << iota
	saidOriginOnly      // If-Match, If-Unmodified-Since
	saidKey             // one of KeyHeaders
	saidDirective       // Cache-Control, Pragma
	saidCondition       // If-None-Match, If-Modified-Since
	saidRange
	saidAny = saidUpgrade | saidOriginOnly | saidKey | saidDirective | saidCondition | saidRange
)

// fewFields is up to how many it takes less time to go through than to look for the
// twenty-five names that matter, which is a third of a hit: as many as browsers send.
const fewFields = 12

// said looks through the header of a request, if that is short.
func (h *Cache) said(header http.Header) (s said) {
	if len(header) > fewFields {
		return saidAny
	}
	for name := range header {
		switch name {
		case "Upgrade":
			s |= saidUpgrade
		case "If-Match", "If-Unmodified-Since":
			s |= saidOriginOnly
		case "Cache-Control", "Pragma":
			s |= saidDirective
		case "If-None-Match", "If-Modified-Since":
			s |= saidCondition
		case "Range":
			s |= saidRange
		}
		if h.keyLengths&(1<<(len(name)%64)) != 0 && name != "" && h.keyFirsts&(1<<(name[0]%64)) != 0 && slices.Contains(h.cfg.KeyHeaders, name) {
			s |= saidKey
		}
	}
	return s
}

// lengthsOf is a set of the lengths of names.
func lengthsOf(names []string) (set uint64) {
	for _, name := range names {
		set |= 1 << (len(name) % 64)
	}
	return set
}

// firstsOf is a set of the first letters of names.
func firstsOf(names []string) (set uint64) {
	for _, name := range names {
		set |= 1 << (name[0] % 64)
	}
	return set
}
