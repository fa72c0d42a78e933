package httpcache

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// parseTargeted reads the lines of a targeted field (RFC 9213): a dictionary of
// structured fields (RFC 9651). It is not ok if that is none, or empty; then the
// field counts as absent. So it does if a directive that this cache goes by has a
// value of the wrong type: nobody knows what was meant.
func parseTargeted(lines []string) (d directives, ok bool) {
	d = noDirectives()
	p := sfParser{s: strings.Join(lines, ",")}
	found := map[string]sfValue{}
	p.spaces()
	for p.i < len(p.s) {
		key, valid := p.key()
		if !valid {
			return d, false
		}
		value := sfValue{kind: sfTrue}
		if p.eat('=') {
			if value, valid = p.member(); !valid {
				return d, false
			}
		}
		if !p.parameters() {
			return d, false
		}
		found[key] = value // the last one counts
		p.blanks()
		if p.i == len(p.s) {
			break
		}
		if !p.eat(',') {
			return d, false
		}
		p.blanks()
		if p.i == len(p.s) { // a comma at the end
			return d, false
		}
	}
	for key, v := range found {
		if !d.takeTargeted(key, v) {
			return noDirectives(), false
		}
	}
	return d, len(found) > 0
}

// takeTargeted returns false for a value of the wrong type.
func (d *directives) takeTargeted(key string, v sfValue) bool {
	switch key {
	case "max-age", "s-maxage", "stale-while-revalidate", "stale-if-error":
		d.takeSeconds(key, v.text, true)
		return v.kind == sfInteger
	case "no-cache", "private":
		if v.kind == sfString {
			d.take(key, v.text, true)
			return true
		}
	case "no-store", "public", "must-revalidate", "proxy-revalidate", "must-understand":
	default:
		return true
	}
	if v.kind == sfTrue {
		d.take(key, "", false)
	}
	return v.kind == sfTrue || v.kind == sfFalse
}

type sfKind uint8

const (
	sfOther sfKind = iota
	sfTrue
	sfFalse
	sfInteger
	sfString
)

type sfValue struct {
	kind sfKind
	text string
}

// sfParser reads structured fields, strictly.
type sfParser struct {
	s string
	i int
}

func (p *sfParser) peek() byte {
	if p.i < len(p.s) {
		return p.s[p.i]
	}
	return 0
}

func (p *sfParser) eat(c byte) bool {
	if p.i < len(p.s) && p.s[p.i] == c {
		p.i++
		return true
	}
	return false
}

func (p *sfParser) spaces() {
	for p.peek() == ' ' {
		p.i++
	}
}

func (p *sfParser) blanks() {
	for c := p.peek(); c == ' ' || c == '\t'; c = p.peek() {
		p.i++
	}
}

func isLower(c byte) bool { return 'a' <= c && c <= 'z' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func (p *sfParser) key() (string, bool) {
	from := p.i
	if c := p.peek(); !isLower(c) && c != '*' {
		return "", false
	}
	for c := p.peek(); isLower(c) || isDigit(c) || c != 0 && strings.IndexByte("_-.*", c) >= 0; c = p.peek() {
		p.i++
	}
	return p.s[from:p.i], true
}

// member is an item or an inner list, without the parameters behind it.
func (p *sfParser) member() (sfValue, bool) {
	if !p.eat('(') {
		return p.bare()
	}
	for {
		p.spaces()
		if p.eat(')') {
			return sfValue{}, true
		}
		if _, ok := p.bare(); !ok || !p.parameters() {
			return sfValue{}, false
		}
		if c := p.peek(); c != ' ' && c != ')' {
			return sfValue{}, false
		}
	}
}

func (p *sfParser) parameters() bool {
	for p.eat(';') {
		p.spaces()
		if _, ok := p.key(); !ok {
			return false
		}
		if p.eat('=') {
			if _, ok := p.bare(); !ok {
				return false
			}
		}
	}
	return true
}

func (p *sfParser) bare() (sfValue, bool) {
	switch c := p.peek(); {
	case c == '-' || isDigit(c):
		return p.number()
	case c == '"':
		return p.text()
	case c == '*' || 'a' <= c|0x20 && c|0x20 <= 'z':
		for c := p.peek(); c != 0 && (isTokenByte(c) || c == ':' || c == '/'); c = p.peek() {
			p.i++
		}
		return sfValue{}, true
	case c == '?':
		p.i++
		switch {
		case p.eat('1'):
			return sfValue{kind: sfTrue}, true
		case p.eat('0'):
			return sfValue{kind: sfFalse}, true
		}
	case c == ':':
		if end := strings.IndexByte(p.s[p.i+1:], ':'); end >= 0 {
			inner := p.s[p.i+1 : p.i+1+end]
			p.i += end + 2
			_, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(inner, "="))
			return sfValue{}, err == nil && !strings.ContainsAny(inner, "\r\n")
		}
	case c == '@':
		p.i++
		v, ok := p.number()
		return sfValue{}, ok && v.kind == sfInteger
	case c == '%':
		return p.display()
	}
	return sfValue{}, false
}

// number is an integer of at most 15 digits, or a decimal of 12 and 3.
func (p *sfParser) number() (sfValue, bool) {
	from := p.i
	p.eat('-')
	digits := p.i
	for isDigit(p.peek()) {
		p.i++
	}
	n := p.i - digits
	if n == 0 {
		return sfValue{}, false
	}
	if !p.eat('.') {
		return sfValue{sfInteger, p.s[from:p.i]}, n <= 15
	}
	fraction := p.i
	for isDigit(p.peek()) {
		p.i++
	}
	return sfValue{}, n <= 12 && p.i > fraction && p.i-fraction <= 3
}

func (p *sfParser) text() (sfValue, bool) {
	var b strings.Builder
	for p.i++; p.i < len(p.s); p.i++ {
		switch c := p.s[p.i]; {
		case c == '"':
			p.i++
			return sfValue{sfString, b.String()}, true
		case c == '\\':
			p.i++
			if e := p.peek(); e != '"' && e != '\\' {
				return sfValue{}, false
			}
			b.WriteByte(p.s[p.i])
		case c < 0x20 || c > 0x7e:
			return sfValue{}, false
		default:
			b.WriteByte(c)
		}
	}
	return sfValue{}, false
}

// display is a string of Unicode, percent-encoded.
func (p *sfParser) display() (sfValue, bool) {
	p.i++
	if !p.eat('"') {
		return sfValue{}, false
	}
	var b []byte
	for ; p.i < len(p.s); p.i++ {
		switch c := p.s[p.i]; {
		case c == '"':
			p.i++
			return sfValue{}, utf8.Valid(b)
		case c == '%':
			var octet byte
			for range 2 {
				p.i++
				h := p.peek()
				switch {
				case isDigit(h):
					octet = octet<<4 | (h - '0')
				case 'a' <= h && h <= 'f':
					octet = octet<<4 | (h - 'a' + 10)
				default:
					return sfValue{}, false
				}
			}
			b = append(b, octet)
		case c < 0x20 || c > 0x7e:
			return sfValue{}, false
		default:
			b = append(b, c)
		}
	}
	return sfValue{}, false
}
