package httpcache

import (
	"net/http"
	"slices"
	"strings"
)

// A field is one of a stored response, under its canonical name.
type field struct {
	name   string
	values []string
	adds   bool // to what stands there already
}

// hopByHop are fields of the connection, and those of a proxy, which are not
// stored (RFC 9111, 3.1; RFC 9110, 7.6.1).
var hopByHop = map[string]bool{
	"Connection": true, "Keep-Alive": true, "Proxy-Connection": true, "Te": true, "Trailer": true,
	"Transfer-Encoding": true, "Upgrade": true, "Proxy-Authenticate": true, "Proxy-Authentication-Info": true,
	"Proxy-Authorization": true,
}

// notUpdated are fields that a 304 does not change (RFC 9111, 3.2): they tell of
// the stored body.
var notUpdated = map[string]bool{
	"Content-Length": true, "Content-Encoding": true, "Content-Range": true, "Age": true,
}

// connectionFields are the names that a Connection field lists.
func connectionFields(h http.Header) []string {
	var names []string
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			if name = trimOWS(name); name != "" {
				names = append(names, http.CanonicalHeaderKey(name))
			}
		}
	}
	return names
}

// kept returns the fields of a response that are stored: those that the handler has
// set, and not who stands before this cache. Gone are those that the handler has
// taken away.
func (h *Cache) kept(header, before http.Header, d *directives) (fields []field, gone []string) {
	var drop []string
	if h.on(ruleHopByHop) {
		drop = connectionFields(header)
	}
	if h.on(ruleQualified) {
		drop = append(append(drop, d.noCacheFields...), d.privateFields...)
	}
	for name, values := range header {
		switch {
		case name == "Age" || name == "Content-Length":
		case h.on(ruleHopByHop) && hopByHop[name]:
		case strings.HasPrefix(name, http.TrailerPrefix):
		case slices.Contains(drop, name):
		case len(values) == 0 && name != "Date" && name != "Content-Type":
		case h.on(ruleOuterFields) && slices.Equal(before[name], values) && len(values) > 0:
		case h.isTagField(name) && !h.cfg.KeepTags:
		case name == ownTarget:
		default:
			outer := len(before[name])
			adds := h.on(ruleOuterFields) && outer > 0 && outer < len(values) && slices.Equal(before[name], values[:outer])
			if adds {
				values = values[outer:]
			}
			fields = append(fields, field{strings.Clone(name), cloneAll(values), adds})
		}
	}
	slices.SortFunc(fields, func(a, b field) int { return strings.Compare(a.name, b.name) })
	for name := range before {
		if _, there := header[name]; !there {
			gone = append(gone, name)
		}
	}
	return fields, gone
}

func (h *Cache) isTagField(name string) bool { return slices.Contains(h.cfg.TagFields, name) }

// cloneAll copies strings that may be parts of something much larger.
func cloneAll(values []string) []string {
	if len(values) == 0 {
		return nil
	}
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = strings.Clone(v)
	}
	return out
}

// get returns the values of a stored field.
func get(fields []field, name string) []string {
	for i := range fields {
		if fields[i].name == name {
			return fields[i].values
		}
	}
	return nil
}

// first returns the first value of a field, or "".
func first(values []string) string {
	if len(values) > 0 {
		return values[0]
	}
	return ""
}

// put sets or replaces a stored field.
func put(fields []field, name string, values []string) []field {
	for i := range fields {
		if fields[i].name == name {
			fields[i].values = values
			return fields
		}
	}
	return append(fields, field{name: name, values: values})
}
