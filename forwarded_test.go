package seawall_test

import (
	"strings"
	"testing"

	"github.com/seawall-go/seawall"
)

func TestClientIPForwarded(t *testing.T) {
	c := seawall.ClientIP{Trusted: prefixes("10.0.0.0/8", "fd00::/8"), Header: "Forwarded"}
	for name, x := range map[string]struct {
		lines []string
		want  string
	}{
		"plain":                    {[]string{"for=192.0.2.1"}, "192.0.2.1"},
		"any case":                 {[]string{"FOR=192.0.2.1;Proto=https"}, "192.0.2.1"},
		"other parameters first":   {[]string{"proto=https;by=10.0.0.1;for=192.0.2.1;host=example.com"}, "192.0.2.1"},
		"spaces":                   {[]string{" proto=https ; for=192.0.2.1 ; by=_x "}, "192.0.2.1"},
		"empty pairs":              {[]string{";;for=192.0.2.1;;"}, "192.0.2.1"},
		"quoted":                   {[]string{`for="192.0.2.1"`}, "192.0.2.1"},
		"quoted with port":         {[]string{`for="192.0.2.1:4711"`}, "192.0.2.1"},
		"quoted, obfuscated port":  {[]string{`for="192.0.2.1:_gazonk"`}, "192.0.2.1"},
		"port without quotes":      {[]string{"for=192.0.2.1:4711"}, "192.0.2.1"},
		"IPv6":                     {[]string{`for="[2001:db8:cafe::17]"`}, "2001:db8:cafe::17"},
		"IPv6 with port":           {[]string{`for="[2001:db8:cafe::17]:4711";proto=http`}, "2001:db8:cafe::17"},
		"IPv6 without quotes":      {[]string{"for=[2001:db8:cafe::17]:4711"}, "2001:db8:cafe::17"},
		"IPv4-mapped":              {[]string{`for="[::ffff:192.0.2.1]"`}, "192.0.2.1"},
		"the client wrote left":    {[]string{"for=6.6.6.6, for=192.0.2.1"}, "192.0.2.1"},
		"the client wrote a line":  {[]string{"for=6.6.6.6", "for=192.0.2.1"}, "192.0.2.1"},
		"trusted chain":            {[]string{`for=6.6.6.6, for=192.0.2.1`, `for="[fd00::1]";by=10.0.0.3, for=10.0.0.2`}, "192.0.2.1"},
		"obfuscated stops":         {[]string{"for=192.0.2.1, for=_hidden"}, "10.0.0.1"},
		"obfuscated behind ours":   {[]string{"for=192.0.2.1, for=_SEVKISEK, for=10.0.0.8"}, "10.0.0.8"},
		"unknown stops":            {[]string{"for=192.0.2.1, for=unknown"}, "10.0.0.1"},
		"without for":              {[]string{"for=192.0.2.1, by=10.0.0.1;proto=https"}, "10.0.0.1"},
		"empty":                    {[]string{""}, "10.0.0.1"},
		"empty last element":       {[]string{"for=192.0.2.1,"}, "10.0.0.1"},
		"empty for":                {[]string{"for="}, "10.0.0.1"},
		"X-Forwarded-For's syntax": {[]string{"192.0.2.1"}, "10.0.0.1"},
		"space around =":           {[]string{"for = 192.0.2.1"}, "10.0.0.1"},
		"for twice":                {[]string{"for=6.6.6.6;for=192.0.2.1"}, "10.0.0.1"},

		// A host is chosen by the client, and may hold commas, semicolons and =.
		"comma in a host":          {[]string{`for=192.0.2.1;host="x,for=6.6.6.6"`}, "192.0.2.1"},
		"element in a host":        {[]string{`for=192.0.2.1;host="x,for=6.6.6.6;a=b"`}, "192.0.2.1"},
		"pair in a host":           {[]string{`host="x;for=6.6.6.6;y=z";for=192.0.2.1`}, "192.0.2.1"},
		"escaped quotes in a host": {[]string{`for=192.0.2.1;host="x\",for=6.6.6.6;a=\"b"`}, "192.0.2.1"},
		"escaped backslash":        {[]string{`for=192.0.2.1;host="x\\", for=10.0.0.8`}, "192.0.2.1"},
		"host only":                {[]string{`host="x,for=6.6.6.6;a=b"`}, "10.0.0.1"},

		// A quote left open by the client must not swallow what the proxy wrote.
		"open quote left":             {[]string{`for="6.6.6.6, for=192.0.2.1`}, "192.0.2.1"},
		"open quote left, quotes own": {[]string{`for=6.6.6.6;x=", for="192.0.2.1";host="y"`}, "192.0.2.1"},
		"open quote and backslash":    {[]string{`for=6.6.6.6;x="\, for=192.0.2.1;host="y"`}, "192.0.2.1"},
		"open quote in its own line":  {[]string{`for="6.6.6.6`, `for=192.0.2.1`}, "192.0.2.1"},
		"open quote at the end":       {[]string{`for="192.0.2.1`}, "10.0.0.1"},
		"lone quote":                  {[]string{`"`}, "10.0.0.1"},
		"text after a quote":          {[]string{`for="192.0.2.1"x`}, "10.0.0.1"},
		"pair glued to a quote":       {[]string{`for="192.0.2.1"x=y`}, "10.0.0.1"},
		"quote inside a token":        {[]string{`for=192.0.2.1;host=a"b`}, "10.0.0.1"},
		"escape in an address":        {[]string{`for="192.0.2.\1"`}, "10.0.0.1"},
		"name that is no token":       {[]string{`for=192.0.2.1;h ost=x`}, "10.0.0.1"},
		"no name":                     {[]string{`for=192.0.2.1;=x`}, "10.0.0.1"},
		"oversized left":              {[]string{strings.Repeat(`\"`, 1<<19) + ", for=192.0.2.1"}, "192.0.2.1"},
		"oversized host":              {[]string{`for=192.0.2.1;host="` + strings.Repeat(`\"`, 1<<10) + `"`}, "192.0.2.1"},
	} {
		t.Run(name, func(t *testing.T) {
			r := from(lb)
			r.Header["Forwarded"] = x.lines
			r.Header.Set("X-Forwarded-For", "6.6.6.6")
			checkAddr(t, c, r, x.want)
		})
	}
}

func TestForwardedIsNotReadUnlessNamed(t *testing.T) {
	c := seawall.ClientIP{Trusted: prefixes("10.0.0.0/8")}
	checkAddr(t, c, from(lb, "Forwarded: for=6.6.6.6"), "10.0.0.1")
}
