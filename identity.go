package seawall

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"net/http"
	"slices"
	"strings"
)

// ID stands for a user or a tenant without naming it: a keyed 64-bit hash of a
// session cookie, a token or an address. It can be compared, counted and
// logged; the secret it was made from is nowhere kept. Zero is nobody known.
type ID uint64

// String returns 16 hexadecimal digits.
func (id ID) String() string { return fmt.Sprintf("%016x", uint64(id)) }

// Identity says by what a request's user is told apart, before anybody has
// authenticated anything: a forged token makes a new stranger, never a known
// user, because the hash of another token is another ID. The first of the
// sources that is present decides. The zero value knows users by their
// address alone.
type Identity struct {
	// Bearer takes the token of "Authorization: Bearer ...". Default false.
	Bearer bool
	// Cookie is the name of the session cookie. Default none.
	Cookie string
	// Header is a field that names the caller, such as X-Api-Key. Default none.
	Header string
	// Address groups those who have none of the above. Default: by the
	// peer's own address, IPv6 by /64.
	Address ClientIP
	// Secret keys the hash, so that nobody outside can compute who is served
	// first. Give all instances of a service the same 16 bytes or more, and
	// they agree on it: a user admitted by one is then admitted by the next.
	// It costs a SHA-256: about 0.1 us for a short token, 0.8 us for one of
	// 1 KiB. Default: random in each process.
	Secret []byte
}

func (c Identity) validate() error {
	if n := len(c.Secret); n > 0 && n < 16 {
		return fmt.Errorf("seawall: Identity.Secret must have at least 16 bytes (got %d)", n)
	}
	if !validToken(c.Cookie, true) {
		return fmt.Errorf("seawall: Identity.Cookie must be a cookie name (got %q)", clip(c.Cookie, 32))
	}
	if !validToken(c.Header, true) {
		return fmt.Errorf("seawall: Identity.Header must be a header field name (got %q)", clip(c.Header, 32))
	}
	return c.Address.Validate()
}

// NewIdentity returns the function that finds a request's user. It allocates
// nothing per request, and returns zero only when even the peer's address
// cannot be read.
func NewIdentity(c Identity) (func(*http.Request) ID, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	f := &identifier{Identity: c, hash: newHasher(c.Secret)}
	f.Header = http.CanonicalHeaderKey(c.Header)
	f.Address.Trusted = slices.Clone(c.Address.Trusted)
	f.whole = !f.hash.shared && len(c.Address.Trusted) == 0 && (c.Address.V4Bits == 0 || c.Address.V4Bits == 32)
	f.Secret = nil // only its hash is kept
	return f.identify, nil
}

type identifier struct {
	Identity
	hash  hasher
	whole bool // an IPv4 peer is known by its whole address
}

// Each source hashes into a space of its own (the tag), so that a cookie can
// never be made to look like somebody's bearer token.
const (
	tagBearer byte = iota + 1
	tagCookie
	tagHeader
	tagAddress
)

func (f *identifier) identify(r *http.Request) ID {
	if f.Bearer {
		if token := bearerToken(r.Header); token != "" {
			return f.hash.string(tagBearer, token)
		}
	}
	if f.Cookie != "" {
		if value := cookieValue(r.Header["Cookie"], f.Cookie); value != "" {
			return f.hash.string(tagCookie, value)
		}
	}
	if f.Header != "" {
		// Several lines of it are somebody's trick: only a single one counts.
		if v := r.Header[f.Header]; len(v) == 1 && v[0] != "" {
			return f.hash.string(tagHeader, v[0])
		}
	}
	if f.whole {
		if v4, ok := fourAndPort(r.RemoteAddr); ok {
			return f.hash.four(v4)
		}
	}
	p := f.Address.Prefix(r)
	if !p.IsValid() {
		return 0
	}
	if !f.hash.shared && p.Addr().Is4() && p.Bits() == 32 {
		a := p.Addr().As4()
		return f.hash.four(binary.BigEndian.Uint32(a[:]))
	}
	var b [18]byte
	a := p.Addr().As16()
	copy(b[:], a[:])
	b[16] = byte(p.Bits())
	if p.Addr().Is4() {
		b[17] = 4
	}
	return f.hash.bytes(tagAddress, b[:])
}

// bearerToken returns the token of a single Authorization field, or "".
func bearerToken(h http.Header) string {
	v := h["Authorization"]
	if len(v) != 1 {
		return ""
	}
	const scheme = "bearer "
	if len(v[0]) <= len(scheme) || !equalFold(v[0][:len(scheme)], scheme) {
		return ""
	}
	return strings.Trim(v[0][len(scheme):], " ")
}

// cookieValue finds a cookie without parsing the others, and without the
// allocations of http.Request.Cookie, but sees what that sees: the session the
// application knows is the one the user is told apart by. The first valid one
// of several wins, as there.
func cookieValue(lines []string, name string) string {
	for _, line := range lines {
		for line != "" {
			var part string
			part, line, _ = strings.Cut(line, ";")
			k, v, _ := strings.Cut(strings.Trim(part, " \t\r\n"), "=")
			if strings.Trim(k, " \t\r\n") != name {
				continue
			}
			if len(v) > 1 && v[0] == '"' && v[len(v)-1] == '"' {
				v = v[1 : len(v)-1]
			}
			if validCookieValue(v) {
				return v
			}
		}
	}
	return ""
}

func validCookieValue(v string) bool {
	for i := range len(v) {
		if c := v[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// hasher makes IDs: maphash when they need to hold in this process only,
// SHA-256 with a secret prefix when a fleet has to agree. (Truncated to 64 of
// 256 bits, so that extending a message gains nothing.)
type hasher struct {
	seed   maphash.Seed
	shared bool
	secret [sha256.Size]byte
}

func newHasher(secret []byte) hasher {
	if len(secret) == 0 {
		return hasher{seed: maphash.MakeSeed()}
	}
	return hasher{shared: true, secret: sha256.Sum256(secret)}
}

func (h *hasher) string(tag byte, s string) ID {
	if !h.shared {
		return avoidZero(maphash.String(h.seed, s) ^ uint64(tag)*0x9e3779b97f4a7c15)
	}
	// A chain over pieces of a fixed size keeps a token of any length on the
	// stack. The length goes in first: no two tokens share a chain.
	var buf [sha256.Size + 9 + 512]byte
	sum := h.secret
	rest := len(s)
	for {
		n := copy(buf[:], sum[:])
		buf[n] = tag
		binary.LittleEndian.PutUint64(buf[n+1:], uint64(rest))
		n += 9
		m := copy(buf[n:], s)
		sum = sha256.Sum256(buf[:n+m])
		s = s[m:]
		rest -= m
		if rest == 0 {
			return avoidZero(binary.LittleEndian.Uint64(sum[:8]))
		}
	}
}

func (h *hasher) bytes(tag byte, b []byte) ID {
	if !h.shared {
		return avoidZero(maphash.Bytes(h.seed, b) ^ uint64(tag)*0x9e3779b97f4a7c15)
	}
	var buf [sha256.Size + 1 + 64]byte
	n := copy(buf[:], h.secret[:])
	buf[n] = tag
	n++
	n += copy(buf[n:], b)
	sum := sha256.Sum256(buf[:n])
	return avoidZero(binary.LittleEndian.Uint64(sum[:8]))
}

// four is bytes for a whole IPv4 address, where a fleet need not agree.
func (h *hasher) four(v uint32) ID {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(v)|uint64(tagAddress)<<56)
	return avoidZero(maphash.Bytes(h.seed, b[:]))
}

func avoidZero(v uint64) ID {
	if v == 0 {
		return 1
	}
	return ID(v)
}

// validToken reports whether s is an RFC 9110 token: what header field names
// and cookie names are made of.
func validToken(s string, empty bool) bool {
	if s == "" {
		return empty
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return true
}
