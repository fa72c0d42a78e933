package seawall_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/seawall-go/seawall"
)

func prefixes(all ...string) []netip.Prefix {
	var ps []netip.Prefix
	for _, s := range all {
		ps = append(ps, netip.MustParsePrefix(s))
	}
	return ps
}

// from makes a request of a peer with header fields "Name: value".
func from(remote string, fields ...string) *http.Request {
	r, err := http.NewRequest("GET", "http://example.com/", nil)
	if err != nil {
		panic(err)
	}
	r.RemoteAddr = remote
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		r.Header.Add(name, value)
	}
	return r
}

func TestClientIPPeer(t *testing.T) {
	for _, c := range []struct{ remote, want string }{
		{"192.0.2.1:1234", "192.0.2.1"},
		{"[2001:db8::1]:1234", "2001:db8::1"},
		{"[::ffff:192.0.2.1]:1234", "192.0.2.1"},   // IPv4-mapped
		{"[64:ff9b::192.0.2.1]:1234", "192.0.2.1"}, // NAT64
		{"[64:ff9b::c000:201]:1234", "192.0.2.1"},
		{"[64:ff9b:1::c000:201]:1", "64:ff9b:1::c000:201"}, // not the well-known prefix
		{"[fe80::1%eth0]:1234", "fe80::1"},                 // zone
		{"192.0.2.1", "192.0.2.1"},                         // bare, as some servers put it
		{"2001:db8::1", "2001:db8::1"},
		{"fe80::1%eth0", "fe80::1"},
		{"", ""},
		{"@", ""}, // unix socket
		{"/run/app.sock", ""},
		{"pipe", ""},
		{"192.0.2.1:http", ""},
		{"192.0.2.999:80", ""},
	} {
		r := from(c.remote, "X-Forwarded-For: 6.6.6.6", "Forwarded: for=6.6.6.6", "X-Real-Ip: 6.6.6.6")
		checkAddr(t, seawall.ClientIP{}, r, c.want)
		// Headers of a peer outside of Trusted are no different.
		checkAddr(t, seawall.ClientIP{Trusted: prefixes("10.0.0.0/8")}, r, c.want)
	}
}

func checkAddr(t *testing.T, c seawall.ClientIP, r *http.Request, want string) {
	t.Helper()
	got := c.Addr(r)
	if want == "" {
		if got.IsValid() {
			t.Errorf("%q %v: address %v, want none", r.RemoteAddr, r.Header, got)
		}
		return
	}
	if got != netip.MustParseAddr(want) {
		t.Errorf("%q %v: address %v, want %s", r.RemoteAddr, r.Header, got, want)
	}
}

const lb = "10.0.0.1:4711" // a trusted peer

func TestClientIPForwardedFor(t *testing.T) {
	trusting := seawall.ClientIP{Trusted: prefixes("10.0.0.0/8", "fd00::/8")}
	for name, c := range map[string]struct {
		lines []string
		want  string
	}{
		"none":                          {nil, "10.0.0.1"},
		"one":                           {[]string{"192.0.2.1"}, "192.0.2.1"},
		"the client wrote the left":     {[]string{"6.6.6.6, 192.0.2.1"}, "192.0.2.1"},
		"the client wrote a line":       {[]string{"6.6.6.6", "192.0.2.1"}, "192.0.2.1"},
		"trusted chain":                 {[]string{"6.6.6.6, 192.0.2.1, 10.0.0.9, 10.0.0.8"}, "192.0.2.1"},
		"trusted chain over lines":      {[]string{"6.6.6.6, 192.0.2.1", "10.0.0.9", "fd00::8, 10.0.0.8"}, "192.0.2.1"},
		"all trusted":                   {[]string{"10.0.0.7, 10.0.0.8"}, "10.0.0.7"},
		"no space":                      {[]string{"6.6.6.6,192.0.2.1,10.0.0.8"}, "192.0.2.1"},
		"tabs and spaces":               {[]string{" 192.0.2.1\t ,\t 10.0.0.8 "}, "192.0.2.1"},
		"port":                          {[]string{"192.0.2.1:1234"}, "192.0.2.1"},
		"IPv6":                          {[]string{"2001:db8::1"}, "2001:db8::1"},
		"IPv6 in brackets":              {[]string{"[2001:db8::1]"}, "2001:db8::1"},
		"IPv6 with port":                {[]string{"[2001:db8::1]:1234"}, "2001:db8::1"},
		"IPv4-mapped":                   {[]string{"::ffff:192.0.2.1"}, "192.0.2.1"},
		"IPv4-mapped in brackets":       {[]string{"[::ffff:192.0.2.1]:80"}, "192.0.2.1"},
		"NAT64":                         {[]string{"64:ff9b::192.0.2.1"}, "192.0.2.1"},
		"mapped hop is trusted":         {[]string{"192.0.2.1, ::ffff:10.0.0.8"}, "192.0.2.1"},
		"zone":                          {[]string{"fe80::1%eth0"}, "fe80::1"},
		"zone in brackets":              {[]string{"[fe80::1%25eth0]:80"}, "fe80::1"},
		"unknown stops":                 {[]string{"192.0.2.1, unknown"}, "10.0.0.1"},
		"unknown behind a proxy":        {[]string{"192.0.2.1, unknown, 10.0.0.8"}, "10.0.0.8"},
		"name stops":                    {[]string{"192.0.2.1, localhost"}, "10.0.0.1"},
		"empty line":                    {[]string{""}, "10.0.0.1"},
		"empty line after a client's":   {[]string{"6.6.6.6", ""}, "10.0.0.1"},
		"empty element at the end":      {[]string{"6.6.6.6,"}, "10.0.0.1"},
		"blank element at the end":      {[]string{"6.6.6.6, "}, "10.0.0.1"},
		"empty element inside":          {[]string{"6.6.6.6,,10.0.0.8"}, "10.0.0.8"},
		"empty element in front":        {[]string{"6.6.6.6", ",10.0.0.8"}, "10.0.0.8"},
		"only commas":                   {[]string{",,,,"}, "10.0.0.1"},
		"quoted":                        {[]string{`"192.0.2.1"`}, "10.0.0.1"},
		"open bracket":                  {[]string{"[2001:db8::1"}, "10.0.0.1"},
		"junk after bracket":            {[]string{"[2001:db8::1]x"}, "10.0.0.1"},
		"leading zeros":                 {[]string{"192.0.2.01"}, "10.0.0.1"},
		"octal":                         {[]string{"0300.0.2.1"}, "10.0.0.1"},
		"number":                        {[]string{"3221225985"}, "10.0.0.1"},
		"oversized element":             {[]string{strings.Repeat("1", 65)}, "10.0.0.1"},
		"oversized zone":                {[]string{"fe80::1%" + strings.Repeat("e", 60)}, "10.0.0.1"},
		"oversized left of the client":  {[]string{strings.Repeat("x", 1<<20) + ", 192.0.2.1"}, "192.0.2.1"},
		"oversized chain":               {[]string{"6.6.6.6, " + strings.Repeat("10.0.0.2, ", 1000) + "10.0.0.3"}, "6.6.6.6"},
		"many lines":                    {append(make([]string, 1000), "192.0.2.1"), "192.0.2.1"},
		"header splitting":              {[]string{"192.0.2.1\r\nX: y"}, "10.0.0.1"},
		"element with a trusted prefix": {[]string{"192.0.2.1, 10.0.0.8.evil.example"}, "10.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			r := from(lb)
			r.Header["X-Forwarded-For"] = c.lines
			if c.lines == nil {
				delete(r.Header, "X-Forwarded-For")
			}
			checkAddr(t, trusting, r, c.want)
			named := trusting
			named.Header = "x-forwarded-FOR"
			checkAddr(t, named, r, c.want)
		})
	}
}

func TestClientIPSingleAddressField(t *testing.T) {
	c := seawall.ClientIP{Trusted: prefixes("10.0.0.0/8"), Header: "CF-Connecting-IP"}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		fields []string
		want   string
	}{
		"once":            {[]string{"CF-Connecting-IP: 192.0.2.1"}, "192.0.2.1"},
		"IPv6":            {[]string{"CF-Connecting-IP: 2001:db8::1"}, "2001:db8::1"},
		"mapped":          {[]string{"CF-Connecting-IP: ::ffff:192.0.2.1"}, "192.0.2.1"},
		"port":            {[]string{"CF-Connecting-IP: 192.0.2.1:99"}, "192.0.2.1"},
		"trusted itself":  {[]string{"CF-Connecting-IP: 10.1.1.1"}, "10.1.1.1"},
		"twice":           {[]string{"CF-Connecting-IP: 192.0.2.1", "CF-Connecting-IP: 192.0.2.1"}, "10.0.0.1"},
		"a list":          {[]string{"CF-Connecting-IP: 6.6.6.6, 192.0.2.1"}, "10.0.0.1"},
		"empty":           {[]string{"CF-Connecting-IP: "}, "10.0.0.1"},
		"garbage":         {[]string{"CF-Connecting-IP: me"}, "10.0.0.1"},
		"absent":          {nil, "10.0.0.1"},
		"another field":   {[]string{"X-Forwarded-For: 6.6.6.6", "X-Real-Ip: 6.6.6.6"}, "10.0.0.1"},
		"several entries": {[]string{"X-Forwarded-For: 6.6.6.6", "CF-Connecting-IP: 192.0.2.1"}, "192.0.2.1"},
	} {
		t.Run(name, func(t *testing.T) { checkAddr(t, c, from(lb, x.fields...), x.want) })
	}
	long := seawall.ClientIP{Trusted: prefixes("10.0.0.0/8"), Header: "x-" + strings.Repeat("a", 100)}
	checkAddr(t, long, from(lb, long.Header+": 192.0.2.1"), "192.0.2.1")
}

func TestClientIPUnixPeerIsNeverTrusted(t *testing.T) {
	c := seawall.ClientIP{Trusted: prefixes("0.0.0.0/0", "::/0")}
	checkAddr(t, c, from("@", "X-Forwarded-For: 6.6.6.6"), "")
	if p := c.Prefix(from("@", "X-Forwarded-For: 6.6.6.6")); p.IsValid() {
		t.Errorf("prefix %v, want none", p)
	}
}

func TestClientIPPrefix(t *testing.T) {
	for _, c := range []struct {
		conf   seawall.ClientIP
		remote string
		want   string
	}{
		{seawall.ClientIP{}, "192.0.2.1:1", "192.0.2.1/32"},
		{seawall.ClientIP{}, "[2001:db8:1:2:3:4:5:6]:1", "2001:db8:1:2::/64"},
		{seawall.ClientIP{}, "[::ffff:192.0.2.1]:1", "192.0.2.1/32"},
		{seawall.ClientIP{}, "[64:ff9b::192.0.2.1]:1", "192.0.2.1/32"},
		{seawall.ClientIP{}, "[fe80::1%eth0]:1", "fe80::/64"},
		{seawall.ClientIP{V4Bits: 24}, "192.0.2.77:1", "192.0.2.0/24"},
		{seawall.ClientIP{V4Bits: 24}, "[2001:db8:1:2:3:4:5:6]:1", "2001:db8:1:2::/64"},
		{seawall.ClientIP{V6Bits: 48}, "[2001:db8:1:2:3:4:5:6]:1", "2001:db8:1::/48"},
		{seawall.ClientIP{V6Bits: 128}, "[2001:db8::6]:1", "2001:db8::6/128"},
		{seawall.ClientIP{V6Bits: 48}, "192.0.2.1:1", "192.0.2.1/32"},
	} {
		if got := c.conf.Prefix(from(c.remote)); got != netip.MustParsePrefix(c.want) {
			t.Errorf("%+v %s: prefix %v, want %s", c.conf, c.remote, got, c.want)
		}
	}
	// What was never validated still does not panic.
	if p := (seawall.ClientIP{V4Bits: 99, V6Bits: -3}).Prefix(from("192.0.2.1:1")); p.IsValid() {
		t.Errorf("prefix of 99 bits: %v", p)
	}
}

func TestClientIPValidate(t *testing.T) {
	trusted := prefixes("10.0.0.0/8")
	for _, c := range []struct {
		conf seawall.ClientIP
		want string // part of the error, "" is none
	}{
		{seawall.ClientIP{}, ""},
		{seawall.ClientIP{Trusted: trusted, Header: "Forwarded", V4Bits: 32, V6Bits: 128}, ""},
		{seawall.ClientIP{Trusted: prefixes("::/0", "64:ff9b:1::/48")}, ""},
		{seawall.ClientIP{Trusted: []netip.Prefix{trusted[0], {}}}, "ClientIP.Trusted[1] must be a valid prefix"},
		{seawall.ClientIP{Trusted: prefixes("::ffff:10.0.0.0/104")}, "ClientIP.Trusted[0] must be written as an IPv4 prefix (got ::ffff:10.0.0.0/104)"},
		{seawall.ClientIP{Trusted: prefixes("64:ff9b::a00:1/128")}, "ClientIP.Trusted[0] must be written as an IPv4 prefix"},
		{seawall.ClientIP{Trusted: trusted, Header: "X Real"}, `ClientIP.Header must be a header field name (got "X Real")`},
		{seawall.ClientIP{Trusted: trusted, Header: "X:\r\n"}, `(got "X:\r\n")`},
		{seawall.ClientIP{Header: "X-Real-IP"}, "needs ClientIP.Trusted"},
		{seawall.ClientIP{V4Bits: 33}, "ClientIP.V4Bits must be between 0 and 32 (got 33)"},
		{seawall.ClientIP{V4Bits: seawall.Off}, "ClientIP.V4Bits must be between 0 and 32 (got -1)"},
		{seawall.ClientIP{V6Bits: 129}, "ClientIP.V6Bits must be between 0 and 128 (got 129)"},
		{seawall.ClientIP{V6Bits: -1}, "ClientIP.V6Bits"},
	} {
		checkError(t, c.conf.Validate(), c.want)
	}
}

// checkError wants err to come from seawall and to contain want; "" is none.
func checkError(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("error %v, want none", err)
	case want != "" && err == nil:
		t.Errorf("no error, want one with %q", want)
	case want != "" && (!strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "seawall: ")):
		t.Errorf("error %q, want one of seawall with %q", err, want)
	}
}
