package ratelimit

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/textproto"
	"strings"

	"github.com/seawall-go/seawall"
)

// Key tells by what a Policy counts requests. The zero Key counts all of them
// together. To whom a key does not apply, as a header field that is not there,
// the policy does not: an absent key is never one that many share.
type Key struct {
	// of appends the key to dst; nothing is no key.
	of    func(dst []byte, r *http.Request, c *seawall.Class) []byte
	wider func(key []byte) int
	show  func(key []byte) string // for people
	user  bool                    // it is of the class's user
	err   error
}

// ByClientIP counts by client address, cut to a network as c says (an IPv6 /64
// is one client). Addresses behind a proxy are believed only where c trusts it.
// The larger group is an IPv4 /16 or an IPv6 /32.
func ByClientIP(c seawall.ClientIP) Key {
	whole := c.V4Bits == 0 || c.V4Bits == 32
	return Key{
		err: c.Validate(),
		of: func(dst []byte, r *http.Request, _ *seawall.Class) []byte {
			if whole {
				if a := c.Addr(r); a.Is4() {
					v4 := a.As4()
					return append(dst, v4[:]...)
				}
			}
			p := c.Prefix(r)
			a := p.Addr()
			if a.Is4() {
				v4 := a.As4()
				return append(dst, v4[:]...)
			}
			if !a.IsValid() {
				return dst
			}
			v6 := a.As16()
			return append(dst, v6[:max(8, (p.Bits()+7)/8)]...)
		},
		show: addressText,
		wider: func(key []byte) int {
			if len(key) == 4 {
				return 2
			}
			return 4
		},
	}
}

func addressText(key []byte) string {
	if a, ok := netip.AddrFromSlice(key); ok && a.Is4() {
		return a.String()
	}
	var whole [16]byte
	n := copy(whole[:], key)
	return netip.PrefixFrom(netip.AddrFrom16(whole), 8*n).String()
}

// ByUser counts by Class.User: a session, a bearer token or an address,
// whatever the Classifier was told to take.
func ByUser() Key {
	return Key{of: func(dst []byte, _ *http.Request, c *seawall.Class) []byte { return appendID(dst, c.User) }, show: hex.EncodeToString, user: true}
}

// ByTenant counts by Class.Tenant.
func ByTenant() Key {
	return Key{of: func(dst []byte, _ *http.Request, c *seawall.Class) []byte { return appendID(dst, c.Tenant) }, show: hex.EncodeToString}
}

func appendID(dst []byte, id seawall.ID) []byte {
	if id == 0 {
		return dst
	}
	return binary.LittleEndian.AppendUint64(dst, uint64(id))
}

// ByRoute counts by Class.Route, the pattern and never the path, or by the
// pattern that a ServeMux further out has matched.
func ByRoute() Key {
	return Key{of: func(dst []byte, r *http.Request, c *seawall.Class) []byte {
		if c.Route != "" {
			return append(dst, c.Route...)
		}
		return append(dst, r.Pattern...)
	}}
}

// ByHeader counts by the value of a header field, such as an API key. It should
// be checked before, or limited by address as well: whoever makes up a new one
// for each request is never limited by it. The value is hashed at once and kept
// nowhere, unless Policy.ShowKeys says so. A field that comes more than once has no value.
func ByHeader(name string) Key {
	k := Key{}
	canonical := textproto.CanonicalMIMEHeaderKey(name)
	if name == "" || canonical == "Host" {
		k.err = fmt.Errorf("seawall/ratelimit: ByHeader needs the name of a header field (got %q)", name)
	}
	k.of = func(dst []byte, r *http.Request, _ *seawall.Class) []byte {
		v := r.Header[canonical]
		if len(v) != 1 {
			return dst
		}
		return append(dst, v[0]...)
	}
	return k
}

// ByFunc counts by what append adds to dst. It must not keep dst.
func ByFunc(appendKey func(dst []byte, r *http.Request) []byte) Key {
	if appendKey == nil {
		return Key{err: errors.New("seawall/ratelimit: ByFunc needs a function (got nil)")}
	}
	return Key{of: func(dst []byte, r *http.Request, _ *seawall.Class) []byte { return appendKey(dst, r) }}
}

// By counts by several keys together: By(ByUser(), ByRoute()) is each user on
// each route. Where one of them does not apply the policy does not.
func By(keys ...Key) Key {
	all := Key{}
	for i, k := range keys {
		switch {
		case k.err != nil:
			all.err = k.err
		case k.of == nil:
			all.err = fmt.Errorf("seawall/ratelimit: By needs keys (number %d is none)", i+1)
		}
		all.user = all.user || k.user
	}
	if len(keys) == 0 {
		all.err = errors.New("seawall/ratelimit: By needs keys (got none)")
	}
	all.show = func(key []byte) string {
		var parts []string
		for i := 0; i < len(keys) && len(key) >= 4; i++ {
			n := min(int(binary.LittleEndian.Uint32(key)), len(key)-4)
			parts = append(parts, textOf(key[4:4+n], keys[i].show))
			key = key[4+n:]
		}
		return strings.Join(parts, " ")
	}
	all.of = func(dst []byte, r *http.Request, c *seawall.Class) []byte {
		for _, k := range keys {
			at := len(dst)
			dst = append(dst, 0, 0, 0, 0) // the length goes before, so that ab+c is not a+bc
			dst = k.of(dst, r, c)
			n := len(dst) - at - 4
			if n <= 0 {
				return dst[:0]
			}
			binary.LittleEndian.PutUint32(dst[at:], uint32(n))
		}
		return dst
	}
	return all
}
