package httpcache

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Key is under what a response is kept. Two requests have the same one only if all
// parts are the same: it is never written in one piece.
type Key struct {
	Method string
	Scheme string
	// Host is in lower case, without the scheme's own port.
	Host string
	// Path is escaped as it came, Query as it came but for what IgnoreQuery names.
	Path, Query string
	// Vary is what of the request's fields the response depends on, or a hash of it;
	// empty for one that depends on none.
	Vary string
}

// keyOf is the key of a request, as far as it is known before its response.
func (h *Cache) keyOf(r *http.Request) Key { return h.keyFor(r, saidAny) }

func (h *Cache) keyFor(r *http.Request, said said) Key {
	k := Key{Method: http.MethodGet, Scheme: h.schemeOf(r), Host: r.Host, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery}
	k.Host = canonicalHost(k.Host, k.Scheme)
	if k.Path == "" {
		k.Path = "/"
	}
	if k.Query != "" && len(h.ignore) > 0 {
		k.Query = h.withoutIgnored(k.Query)
	}
	if said&saidKey != 0 && h.on(ruleKeyHeaders) {
		for _, name := range h.cfg.KeyHeaders {
			if values, there := r.Header[name]; there {
				k.Vary = appendPart(k.Vary, "h", name, values)
			}
		}
		if len(k.Vary) > longestPart {
			k.Vary = "#" + hashOf([]byte(k.Vary)).String()
		}
	}
	return k
}

func (h *Cache) schemeOf(r *http.Request) string {
	switch {
	case h.cfg.Scheme != nil:
		return h.cfg.Scheme(r)
	case r.TLS != nil:
		return "https"
	}
	return "http"
}

// canonicalHost is in lower case and without the port that the scheme has anyway.
func canonicalHost(host, scheme string) string {
	for i := range len(host) {
		if c := host[i]; 'A' <= c && c <= 'Z' {
			host = strings.ToLower(host)
			break
		}
	}
	if port := ":80"; scheme == "http" {
		host = strings.TrimSuffix(host, port)
	} else if scheme == "https" {
		host = strings.TrimSuffix(host, ":443")
	}
	return host
}

// ofKey says whether a target in the absolute form (RFC 9112, 3.2.2) has nothing that
// is not in the key: handlers see its scheme and host in r.URL, and may make links of
// them.
func (h *Cache) ofKey(r *http.Request) bool {
	u, scheme := r.URL, h.schemeOf(r)
	return u.User == nil && u.Opaque == "" && (u.Scheme == "" || u.Scheme == scheme) &&
		(u.Host == "" || u.Host == r.Host || canonicalHost(u.Host, scheme) == canonicalHost(r.Host, scheme))
}

// own copies a key whose parts belong to a request.
func (k Key) own() Key {
	return Key{http.MethodGet, strings.Clone(k.Scheme), strings.Clone(k.Host), strings.Clone(k.Path), strings.Clone(k.Query), strings.Clone(k.Vary)}
}

// appendPart adds a field to the Vary part of a key, with the length of each piece
// before it, so that none can be taken for another.
func appendPart(to, mark, name string, values []string) string {
	b := make([]byte, 0, len(to)+64)
	return string(addPart(append(b, to...), mark, name, values))
}

func addPart(b []byte, mark, name string, values []string) []byte {
	b = append(b, mark...)
	b = strconv.AppendInt(b, int64(len(name)), 10)
	b = append(b, ':')
	b = append(b, name...)
	if values == nil {
		return append(b, '-')
	}
	b = strconv.AppendInt(b, int64(len(values)), 10)
	for _, v := range values {
		b = append(b, ',')
		b = strconv.AppendInt(b, int64(len(v)), 10)
		b = append(b, ':')
		b = append(b, v...)
	}
	return b
}

// longestPart bounds what of KeyHeaders stands in a key as it came.
const longestPart = 256

// variant is the key of one variant of a URL. Clients choose how long its fields are,
// and they may be secrets: it has a hash of them.
func (h *Cache) variant(primary Key, marker *Response, header http.Header) Key {
	b := append(make([]byte, 0, 256), marker.gen...)
	common := true
	for _, name := range marker.names {
		b = addPart(b, "f", name, h.normal(name, header[name]))
		common = common && isPreference(name)
	}
	primary.Vary += h.hashed(b, common)
	return primary
}

// hashSum is a hash for keys: whoever finds two texts with the same one has written
// both.
type hashSum [16]byte

func hashOf(b []byte) hashSum {
	sum := sha256.Sum256(b)
	return hashSum(sum[:])
}

func (s hashSum) String() string { return base64.RawURLEncoding.EncodeToString(s[:]) }

// variantMark stands before the hash in the key of a variant.
const variantMark = "v"

// sumIn is the hash in the last part of the key of a variant.
func sumIn(vary string) (sum hashSum) {
	_, _ = base64.RawURLEncoding.Decode(sum[:], []byte(strings.TrimPrefix(vary, variantMark)))
	return sum
}

// normalized returns the values of a field in a form in which those that mean the
// same are the same (RFC 9111, 4.1).
func normalized(name string, values []string) []string {
	if values == nil {
		return nil
	}
	if len(values) == 1 && values[0] == "" {
		return []string{""}
	}
	switch name {
	case "Cookie", "Authorization", "User-Agent":
		return values
	}
	line := joined(values)
	if isPreference(name) {
		return []string{ranked(strings.ToLower(line), name == "Accept-Language")}
	}
	if len(values) == 1 && strings.IndexByte(line, ',') < 0 && trimOWS(line) == line {
		return values // one member, as most are
	}
	var b strings.Builder
	for line != "" {
		var part string
		before := len(line)
		part, line = cutList(line)
		b.WriteString(trimOWS(part)) // an empty one, too: who says that it is a list
		if len(part) < before {
			b.WriteByte(',')
		}
	}
	return []string{b.String()}
}

// joined makes one line of those of a field (RFC 9110, 5.3). An empty one changes
// nothing, not even where a quote has no end.
func joined(lines []string) string {
	if len(lines) == 1 {
		return lines[0]
	}
	blank := func(line string) bool { return trimOWS(line) == "" }
	return strings.Join(slices.DeleteFunc(slices.Clone(lines), blank), ",")
}

// cutList takes the first member off a list; a comma within quotes is none.
func cutList(s string) (part, rest string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// ranked brings a list of preferences into one order: the most wanted first, and of
// those wanted alike the first by name, or as given where servers go by that.
func ranked(list string, asGiven bool) string {
	type choice struct {
		name string
		q    int
	}
	var choices []choice
	for part := range strings.SplitSeq(list, ",") {
		name, params, _ := strings.Cut(part, ";")
		if name = trimOWS(name); name == "" {
			continue
		}
		q, ok := weight(params)
		if !ok { // nobody knows what it means
			return list
		}
		choices = append(choices, choice{name, q})
	}
	slices.SortStableFunc(choices, func(a, b choice) int {
		if a.q != b.q || asGiven {
			return b.q - a.q
		}
		return strings.Compare(a.name, b.name)
	})
	var b strings.Builder
	for i, c := range choices {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(c.name)
		if c.q != 1000 {
			b.WriteString(";q=0.")
			b.WriteString(strconv.Itoa(1000 + c.q)[1:])
		}
	}
	return b.String()
}

// weight reads ";q=0.5" in thousandths (RFC 9110, 12.4.2).
func weight(params string) (int, bool) {
	params = trimOWS(params)
	if params == "" {
		return 1000, true
	}
	value, ok := strings.CutPrefix(params, "q=")
	if !ok || value == "" || len(value) > len("0.000") || value[0] > '1' || len(value) > 1 && value[1] != '.' {
		return 0, false
	}
	q := 0
	for i, c := range []byte(value + "0.000"[len(value):]) {
		switch {
		case i == 1:
		case !isDigit(c):
			return 0, false
		default:
			q = 10*q + int(c-'0')
		}
	}
	return q, q <= 1000
}

// keyOfURL is the key of a URL; one that is relative is so to base, if there is
// one (RFC 3986, 5.2).
func (h *Cache) keyOfURL(target string, base *Key) (Key, bool) {
	u, err := url.Parse(target)
	if err == nil && base != nil {
		from := base.Scheme + "://" + base.Host + base.Path
		if base.Query != "" {
			from += "?" + base.Query
		}
		var b *url.URL
		if b, err = url.Parse(from); err == nil {
			u = b.ResolveReference(u)
		}
	}
	if err != nil || u.Scheme == "" || u.Host == "" {
		return Key{}, false
	}
	k := Key{Method: http.MethodGet, Scheme: strings.ToLower(u.Scheme), Path: u.EscapedPath(), Query: u.RawQuery}
	k.Host = canonicalHost(u.Host, k.Scheme)
	if k.Path == "" {
		k.Path = "/"
	}
	if k.Query != "" && len(h.ignore) > 0 {
		k.Query = h.withoutIgnored(k.Query)
	}
	return k, true
}

// withoutIgnored takes the parameters of IgnoreQuery out of a query.
func (h *Cache) withoutIgnored(query string) string {
	found := false
	for part := range strings.SplitSeq(query, "&") {
		if h.ignored(part) {
			found = true
			break
		}
	}
	if !found {
		return query
	}
	kept := make([]string, 0, 8)
	for part := range strings.SplitSeq(query, "&") {
		if !h.ignored(part) {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, "&")
}

func (h *Cache) ignored(parameter string) bool {
	name, _, _ := strings.Cut(parameter, "=")
	for _, pattern := range h.ignore {
		if prefix, ok := strings.CutSuffix(pattern, "*"); ok && strings.HasPrefix(name, prefix) || name == pattern {
			return true
		}
	}
	return false
}
