package seawall

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// ClientIP finds the address a request came from. The zero value believes
// nobody: it is the address of the peer that opened the connection. Behind a
// load balancer that is the balancer's, so name it in Trusted.
//
// Fields a peer outside of Trusted sends are never looked at. From a trusted
// one the list is read from the right, and the first address that is not
// itself trusted is the client's: everything to the left of it was written by
// the client and proves nothing.
type ClientIP struct {
	// Trusted are the networks of your own proxies. Default none.
	Trusted []netip.Prefix
	// Header is the field they write: X-Forwarded-For, Forwarded (RFC 7239),
	// or one with a single address such as CF-Connecting-IP. The proxy must
	// write or extend it on every request. Default X-Forwarded-For.
	Header string
	// V4Bits and V6Bits are the lengths to which Prefix cuts an address:
	// one subscriber commonly owns a whole IPv6 /64. Default 32 and 64.
	V4Bits, V6Bits int
}

// Validate reports the first setting that cannot work.
func (c ClientIP) Validate() error {
	for i, p := range c.Trusted {
		if err := validPrefix(p); err != nil {
			return fmt.Errorf("seawall: ClientIP.Trusted[%d] %w", i, err)
		}
	}
	if !validToken(c.Header, true) {
		return fmt.Errorf("seawall: ClientIP.Header must be a header field name (got %q)", clip(c.Header, 32))
	}
	if c.Header != "" && len(c.Trusted) == 0 {
		return fmt.Errorf("seawall: ClientIP.Header %q needs ClientIP.Trusted: without it the field is never read", c.Header)
	}
	if c.V4Bits < 0 || c.V4Bits > 32 {
		return fmt.Errorf("seawall: ClientIP.V4Bits must be between 0 and 32 (got %d)", c.V4Bits)
	}
	if c.V6Bits < 0 || c.V6Bits > 128 {
		return fmt.Errorf("seawall: ClientIP.V6Bits must be between 0 and 128 (got %d)", c.V6Bits)
	}
	return nil
}

// Addr returns the client's address: IPv4-mapped and NAT64 (64:ff9b::/96)
// addresses as IPv4, without a zone. It is the zero Addr when the peer's
// address cannot be read, as with a unix socket.
func (c ClientIP) Addr(r *http.Request) netip.Addr {
	peer := peerAddr(r)
	if !containsAddr(c.Trusted, peer) {
		return peer
	}
	name := c.Header
	if name == "" {
		name = "X-Forwarded-For"
	}
	lines := fieldLines(r.Header, name)
	switch {
	case equalFold(name, "X-Forwarded-For"):
		return c.rightmost(lines, peer, lastHop, parseHop)
	case equalFold(name, "Forwarded"):
		return c.rightmost(lines, peer, lastElement, parseForwarded)
	default:
		// A single-address field that comes twice was not written by the
		// proxy alone.
		if len(lines) != 1 {
			return peer
		}
		if a := parseHop(lines[0]); a.IsValid() {
			return a
		}
		return peer
	}
}

// Prefix returns the client's address cut to V4Bits or V6Bits.
func (c ClientIP) Prefix(r *http.Request) netip.Prefix {
	a := c.Addr(r)
	bits := c.V6Bits
	if a.Is4() {
		bits = c.V4Bits
		if bits == 0 {
			bits = 32
		}
	} else if bits == 0 {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// rightmost walks the hops from the nearest to the farthest and stops at the
// first that is not ours. What cannot be parsed, an empty element included,
// stops the walk too: the hop before it is the last one anybody vouches for.
func (c ClientIP) rightmost(lines []string, peer netip.Addr,
	last func(string) (rest, hop string, more bool), parse func(string) netip.Addr,
) netip.Addr {
	client := peer
	for i := len(lines) - 1; i >= 0; i-- {
		rest, more := lines[i], true
		for more {
			var hop string
			rest, hop, more = last(rest)
			a := parse(hop)
			if !a.IsValid() {
				return client
			}
			client = a
			if !containsAddr(c.Trusted, a) {
				return client
			}
		}
	}
	return client
}

// peerAddr is the address of whoever opened the connection.
func peerAddr(r *http.Request) netip.Addr {
	if v4, ok := fourAndPort(r.RemoteAddr); ok {
		return netip.AddrFrom4([4]byte{byte(v4 >> 24), byte(v4 >> 16), byte(v4 >> 8), byte(v4)})
	}
	if ap, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		return plain(ap.Addr())
	}
	// Some servers (and tests) put a bare address here.
	if a, err := netip.ParseAddr(r.RemoteAddr); err == nil {
		return plain(a)
	}
	return netip.Addr{}
}

// lastHop cuts the last element off a list without quoted strings.
func lastHop(s string) (rest, hop string, more bool) {
	if i := strings.LastIndexByte(s, ','); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return "", s, false
}

// parseHop reads one element of X-Forwarded-For: an address, or an address
// with a port as some balancers write it.
func parseHop(s string) netip.Addr {
	s = strings.Trim(s, " \t")
	if len(s) > 64 {
		return netip.Addr{}
	}
	if len(s) > 0 && s[0] == '[' {
		if end := strings.IndexByte(s, ']'); end > 0 && (end == len(s)-1 || s[end+1] == ':') {
			s = s[1:end]
		}
	} else if strings.Count(s, ":") == 1 {
		s, _, _ = strings.Cut(s, ":")
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}
	}
	return plain(a)
}

var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// plain drops the zone and unwraps IPv4 inside IPv6: left wrapped, all of IPv4
// would be one /64.
func plain(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if nat64.Contains(a) {
		b := a.As16()
		return netip.AddrFrom4([4]byte(b[12:16]))
	}
	return a
}

// validPrefix reports a prefix that no address can match after plain.
func validPrefix(p netip.Prefix) error {
	switch {
	case !p.IsValid():
		return fmt.Errorf("must be a valid prefix (got %v)", p)
	case p.Addr().Is4In6(), nat64.Contains(p.Addr()) && p.Bits() >= 96:
		return fmt.Errorf("must be written as an IPv4 prefix (got %v)", p)
	}
	return nil
}

// fieldLines is h.Values without the allocation it needs for a name like
// CF-Connecting-IP, which is not in the canonical form.
func fieldLines(h http.Header, name string) []string {
	var key [64]byte
	if len(name) > len(key) {
		return h[http.CanonicalHeaderKey(name)]
	}
	first := true
	for i := range len(name) {
		c := lower(name[i])
		if first && 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		key[i] = c
		first = c == '-'
	}
	return h[string(key[:len(name)])]
}

func containsAddr(prefixes []netip.Prefix, a netip.Addr) bool {
	if !a.IsValid() {
		return false
	}
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// fourAndPort reads "a.b.c.d:port" as net/http writes it, in a fraction of the
// time of netip.ParseAddrPort. Anything unusual is not its affair.
func fourAndPort(s string) (addr uint32, ok bool) {
	parts, v, digits := 0, uint32(0), 0
	for i := 0; i < len(s) && i < 16; i++ {
		c := uint32(s[i]) - '0'
		if c <= 9 {
			if digits > 0 && v == 0 {
				return 0, false // 01 is not 1 to everybody
			}
			v = v*10 + c
			digits++
			continue
		}
		if digits == 0 || v > 255 {
			return 0, false
		}
		addr = addr<<8 | v
		parts++
		if parts == 4 {
			return addr, s[i] == ':' && validPort(s[i+1:])
		}
		if s[i] != '.' {
			return 0, false
		}
		v, digits = 0, 0
	}
	return 0, false
}

// validPort keeps to what netip.ParseAddrPort takes for one.
func validPort(s string) bool {
	v := 0
	for i := range len(s) {
		if s[i]-'0' > 9 || v > 65535 {
			return false
		}
		v = v*10 + int(s[i]-'0')
	}
	return s != "" && v <= 65535
}
