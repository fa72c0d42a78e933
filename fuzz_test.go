package seawall_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
)

// FuzzCookieValue is in cookie_test.go.

var (
	ours     = prefixes("10.0.0.0/8", "fd00::/8")
	ipFields = []string{"X-Forwarded-For", "Forwarded", "X-Real-Ip"}
)

// address makes an address of fuzzed bytes, wrapped in every way there is.
func address(b []byte, kind uint8) netip.Addr {
	var a16 [16]byte
	copy(a16[:], b)
	v4 := [4]byte(a16[:4])
	switch kind % 5 {
	case 0:
		return netip.AddrFrom4(v4)
	case 1:
		return netip.AddrFrom16(netip.AddrFrom4(v4).As16()) // ::ffff:a.b.c.d
	case 2:
		nat64 := netip.MustParseAddr("64:ff9b::").As16()
		copy(nat64[12:], v4[:])
		return netip.AddrFrom16(nat64)
	case 3:
		return netip.AddrFrom16(a16).WithZone("eth0")
	default:
		return netip.AddrFrom16(a16)
	}
}

// isOurs is a model of its own: it looks at the text.
func isOurs(a netip.Addr) bool {
	s := a.WithZone("").StringExpanded()
	if a.Is4() || a.Is4In6() {
		return strings.HasPrefix(a.Unmap().String(), "10.")
	}
	if strings.HasPrefix(s, "0064:ff9b:0000:0000:0000:0000:") {
		return strings.HasPrefix(s, "0064:ff9b:0000:0000:0000:0000:0a")
	}
	return strings.HasPrefix(s, "fd")
}

func withField(remote, name string, lines ...string) *http.Request {
	r := from(remote)
	r.Header[name] = lines
	return r
}

// Whatever an untrusted peer sends, its own address is what counts.
func FuzzClientIPUntrusted(f *testing.F) {
	f.Add([]byte{192, 0, 2, 1}, uint8(0), "6.6.6.6")
	f.Add([]byte{11, 0, 0, 1}, uint8(1), "10.0.0.1, 6.6.6.6")
	f.Add([]byte{9, 255, 255, 255}, uint8(2), "for=6.6.6.6;host=\"a,b\"")
	f.Add([]byte{0xfc, 0xff}, uint8(3), "")
	f.Add([]byte{0x20, 0x01, 0x0d, 0xb8}, uint8(4), "::1\n10.0.0.1")
	f.Fuzz(func(t *testing.T, b []byte, kind uint8, lines string) {
		a := address(b, kind)
		if isOurs(a) {
			return
		}
		remote := netip.AddrPortFrom(a, 1234).String()
		want := seawall.ClientIP{}.Addr(from(remote))
		if !want.IsValid() || want.Zone() != "" || want.Is4In6() {
			t.Fatalf("%s: address %v", remote, want)
		}
		for _, name := range ipFields {
			c := seawall.ClientIP{Trusted: ours, Header: name}
			r := withField(remote, name, strings.Split(lines, "\n")...)
			if got := c.Addr(r); got != want {
				t.Errorf("%s with %s %q is %v, want %v", remote, name, lines, got, want)
			}
			if p := c.Prefix(r); !p.Contains(want) {
				t.Errorf("prefix %v of %v", p, want)
			}
		}
	})
}

var (
	bracketed  = regexp.MustCompile(`^\[([^\]]+)\](:.*)?$`)
	v4WithPort = regexp.MustCompile(`^([^:\[]*):[^:]*$`)
)

// naiveHop reads one element in the plainest way.
func naiveHop(s string) (netip.Addr, bool) {
	s = strings.Trim(s, " \t")
	if len(s) > 64 {
		return netip.Addr{}, false
	}
	if m := bracketed.FindStringSubmatch(s); m != nil {
		s = m[1]
	} else if m := v4WithPort.FindStringSubmatch(s); m != nil {
		s = m[1]
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}, false
	}
	a = a.WithZone("").Unmap()
	if b := a.As16(); a.Is6() && slices.Equal(b[:12], []byte{0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0}) {
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	return a, true
}

func FuzzClientIPTrusted(f *testing.F) {
	for _, s := range []string{"", "192.0.2.1", "6.6.6.6, 192.0.2.1, 10.0.0.9", "6.6.6.6\n\n10.0.0.3", "[2001:db8::1]:80,10.0.0.1:1", ",,", "a\n[fd00::1]", "10.0.0.1,10.0.0.2",
		"::ffff:10.0.0.1", "fe80::1%eth0,64:ff9b::a00:1", "[::1", "1.2.3.4:", "[1.2.3.4]:x,fd00::1\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, lines string) {
		// Several lines are one list.
		want := netip.MustParseAddr("10.0.0.1")
		all := strings.Split(strings.ReplaceAll(lines, "\n", ","), ",")
		for _, hop := range slices.Backward(all) {
			a, ok := naiveHop(hop)
			if !ok {
				break
			}
			want = a
			if !isOurs(a) {
				break
			}
		}
		c := seawall.ClientIP{Trusted: ours}
		if got := c.Addr(withField(lb, "X-Forwarded-For", strings.Split(lines, "\n")...)); got != want {
			t.Errorf("X-Forwarded-For %q: %v, want %v", lines, got, want)
		}
		c.Header = "X-Real-Ip"
		want = netip.MustParseAddr("10.0.0.1")
		if a, ok := naiveHop(lines); ok && !strings.Contains(lines, "\n") {
			want = a
		}
		if got := c.Addr(withField(lb, "X-Real-Ip", strings.Split(lines, "\n")...)); got != want {
			t.Errorf("X-Real-Ip %q: %v, want %v", lines, got, want)
		}
	})
}

// What the nearest proxy wrote decides, whatever the client put in front of it
// and whatever host it asked for; and nothing is found that nobody wrote.
func FuzzForwarded(f *testing.F) {
	f.Add([]byte{192, 0, 2, 1}, uint8(0), "for=6.6.6.6", "example.com")
	f.Add([]byte{192, 0, 2, 1}, uint8(1), `for="6.6.6.6`, "x,for=6.6.6.6;a=b")
	f.Add([]byte{0x20, 1, 0x0d, 0xb8}, uint8(4), `x="\`, `x;for=6.6.6.6;y=`)
	f.Add([]byte{1}, uint8(2), `for=_x, for="[fd00::1]:9"`, `a"b\`)
	f.Add([]byte{1}, uint8(2), `\`, `\"\\",for=6.6.6.6;x="`)
	f.Fuzz(func(t *testing.T, b []byte, kind uint8, client, host string) {
		c := seawall.ClientIP{Trusted: ours, Header: "Forwarded"}
		a := address(b, kind).WithZone("")
		want, _ := naiveHop(a.String())
		node := a.String()
		if a.Is6() {
			node = `"[` + node + `]:4711"`
		}
		quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(host) + `"`
		for _, element := range []string{
			"for=" + node + ";host=" + quoted,
			"host=" + quoted + ";for=" + node + ";proto=https",
			"host=" + quoted + ";by=" + quoted + ";FOR=" + node,
		} {
			got := c.Addr(withField(lb, "Forwarded", element))
			if got != want {
				t.Errorf("%s: %v, want %v", element, got, want)
			}
			if isOurs(want) {
				continue // then the client's part is read, and may be
			}
			for _, lines := range [][]string{{client + "," + element}, {client + ", " + element}, {client, element}} {
				if got := c.Addr(withField(lb, "Forwarded", lines...)); got != want {
					t.Errorf("%q: %v, want %v", lines, got, want)
				}
			}
		}
		// Anything at all: no panic, and an address that stands there.
		got := c.Addr(withField(lb, "Forwarded", client))
		if got != netip.MustParseAddr("10.0.0.1") && !mentions(client, got) {
			t.Errorf("%q: %v is not in it", client, got)
		}
	})
}

var hexAndDots = regexp.MustCompile(`[0-9A-Fa-f:.]+`)

// mentions reports whether a, or something it came from, stands in s.
func mentions(s string, a netip.Addr) bool {
	for _, word := range hexAndDots.FindAllString(s, -1) {
		for i := range word {
			for j := len(word); j > i; j-- {
				if b, ok := naiveHop(word[i:j]); ok && b == a {
					return true
				}
			}
		}
	}
	return false
}

// No header of an outsider raises, or changes at all, a priority; and none of
// a peer that passes on somebody else's request.
func FuzzClassifierPriority(f *testing.F) {
	f.Add([]byte{192, 0, 2, 1}, uint8(0), "critical", "", "/login")
	f.Add([]byte{10, 0, 0, 1}, uint8(0), "background", "", "/")
	f.Add([]byte{10, 0, 0, 1}, uint8(1), "critical", "X-Forwarded-For", "/login")
	f.Add([]byte{10, 0, 0, 1}, uint8(2), "critical\ncritical", "Via", "/feed/../login") //nolint:dupword // two lines of one field
	f.Add([]byte{0xfd}, uint8(4), "CRITICAL", "Forwarded", "//login")
	cl := seawall.Must(seawall.NewClassifier(seawall.ClassifierConfig{
		Peers:   ours,
		Routes:  map[string]seawall.Class{"/login": {Priority: seawall.Critical}, "/bulk/": {Priority: seawall.Background}},
		Default: seawall.Class{Priority: seawall.Sheddable},
		User:    seawall.Identity{Secret: secret, Bearer: true, Cookie: "sid"},
	}))
	names := map[string]seawall.Priority{"background": seawall.Background, "sheddable": seawall.Sheddable, "normal": seawall.Normal, "critical": seawall.Critical}
	f.Fuzz(func(t *testing.T, b []byte, kind uint8, claim, extra, path string) {
		a := address(b, kind)
		remote := netip.AddrPortFrom(a, 1).String()
		r := from(remote)
		r.URL.Path = path
		before := cl(r)
		r.Header["Seawall-Priority"] = strings.Split(claim, "\n")
		if extra != "" {
			r.Header.Add(extra, claim)
		}
		after := cl(r)
		want := before.Priority
		passedOn := false
		for _, name := range []string{"X-Forwarded-For", "Forwarded", "Via"} {
			passedOn = passedOn || len(r.Header.Values(name)) > 0
		}
		if p, ok := names[lowerASCII(claim)]; ok && isOurs(a) && !passedOn && len(r.Header.Values("Seawall-Priority")) == 1 {
			want = p
		}
		if after.Priority != want {
			t.Errorf("%s claims %q with %q for %q: %v, was %v, want %v", remote, claim, extra, path, after.Priority, before.Priority, want)
		}
		if after.Route != before.Route || after.Exempt || after.Cost != before.Cost {
			t.Errorf("%s: headers changed %+v to %+v", remote, before, after)
		}
	})
}

func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}

func FuzzParsePriority(f *testing.F) {
	for _, s := range []string{"critical", "Normal", "SHEDDABLE", "background", "", "x", "normal ", "bac\u212Aground"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := seawall.ParsePriority(s)
		if err != nil {
			if p != seawall.Normal || len(err.Error()) > 300 {
				t.Errorf("%q: %v with error %v", s, p, err)
			}
			return
		}
		if p.String() != lowerASCII(s) {
			t.Errorf("%q came back as %q", s, p)
		}
		text, err := p.MarshalText()
		var q seawall.Priority
		if err != nil || q.UnmarshalText(text) != nil || q != p {
			t.Errorf("%v became %q and %v, %v", p, text, q, err)
		}
	})
}

// Whatever reason somebody makes up, the answer stays one JSON value and the
// fields stay fields.
func FuzzRespondReason(f *testing.F) {
	for _, s := range []string{"overloaded", "", "a\r\nb: c", `"},{"`, "\x00", "\xff", "\u2028", strings.Repeat("é", 40)} {
		f.Add(s, 0, int64(time.Second), "GET", "*/*")
		f.Add(s, 429, int64(-1), "HEAD", "application/graphql-response+json")
	}
	f.Fuzz(func(t *testing.T, reason string, status int, after int64, method, accept string) {
		rej := &seawall.Rejection{Component: reason, Name: reason, Reason: seawall.Reason(reason), Status: status, RetryAfter: time.Duration(after)}
		r := from(somebody)
		r.Method = method
		r.Header["Accept"] = []string{accept}
		w := respond(r, rej)
		checkAnswer(t, w, rej)
		if method == "HEAD" != (w.Body.Len() == 0) {
			t.Errorf("%s: %d bytes", method, w.Body.Len())
		}
		if w.Body.Len() > 0 && !json.Valid(w.Body.Bytes()) {
			t.Errorf("reason %q: body %q", reason, w.Body)
		}
		r.ProtoMajor = 2
		r.Header["Content-Type"] = []string{"application/grpc"}
		if w := respond(r, rej); w.Code != 200 || w.Header().Get("Grpc-Status") == "" {
			t.Errorf("gRPC: %d %v", w.Code, w.Header())
		} else {
			checkLegal(t, w.Header())
		}
	})
}

func checkAnswer(t *testing.T, w *httptest.ResponseRecorder, rej *seawall.Rejection) {
	t.Helper()
	checkLegal(t, w.Header())
	if w.Code != rej.StatusCode() || w.Code < 400 || w.Code > 599 {
		t.Errorf("status %d, want %d", w.Code, rej.StatusCode())
	}
	n, err := strconv.Atoi(w.Header().Get("Content-Length"))
	if err != nil || w.Body.Len() > 0 && n != w.Body.Len() {
		t.Errorf("Content-Length %q of %d bytes", w.Header().Get("Content-Length"), w.Body.Len())
	}
	if s := w.Header().Get("Retry-After"); s != "" {
		if n, err := strconv.Atoi(s); err != nil || n < 1 || n > 86400 || time.Duration(n)*time.Second < min(rej.RetryAfter, 24*time.Hour) {
			t.Errorf("Retry-After %q for %v", s, rej.RetryAfter)
		}
	} else if rej.RetryAfter > 0 {
		t.Errorf("no Retry-After for %v", rej.RetryAfter)
	}
}
