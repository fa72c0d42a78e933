package seawall_test

import (
	"net/netip"
	"testing"

	"github.com/seawall-go/seawall"
)

func TestFromPeers(t *testing.T) {
	own := prefixes("10.0.0.0/8", "fd00::/8")
	trusted, err := seawall.FromPeers(own...)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		remote string
		fields []string
		want   bool
	}{
		"peer":                 {peer, nil, true},
		"mapped":               {"[::ffff:10.0.0.7]:9", nil, true},
		"IPv6":                 {"[fd00::1]:9", nil, true},
		"IPv6 with a zone":     {"[fd00::1%eth0]:9", nil, true},
		"without a port":       {"10.0.0.7", nil, true},
		"other fields":         {peer, []string{"X-Real-Ip: 192.0.2.1", "Seawall-Priority: normal"}, true},
		"outsider":             {somebody, nil, false},
		"next to it":           {"11.0.0.0:1", nil, false},
		"unix socket":          {"@", nil, false},
		"nobody":               {"", nil, false},
		"X-Forwarded-For":      {peer, []string{"X-Forwarded-For: 192.0.2.1"}, false},
		"for a peer":           {peer, []string{"X-Forwarded-For: 10.0.0.9"}, false},
		"empty":                {peer, []string{"X-Forwarded-For: "}, false},
		"Forwarded":            {peer, []string{"Forwarded: for=192.0.2.1"}, false},
		"Via":                  {peer, []string{"Via: 1.1 vegur"}, false},
		"outsider says he is":  {somebody, []string{"X-Forwarded-For: 10.0.0.7"}, false},
		"outsider, any prefix": {"192.0.2.1:10", []string{"Forwarded: for=10.0.0.7"}, false},
	} {
		if got := trusted(from(c.remote, c.fields...)); got != c.want {
			t.Errorf("%s: %t, want %t", name, got, c.want)
		}
	}
	clear(own)
	if !trusted(from(peer)) {
		t.Error("the caller's slice is still in use")
	}
}

func TestFromPeersNobody(t *testing.T) {
	trusted, err := seawall.FromPeers()
	if err != nil {
		t.Fatal(err)
	}
	for _, remote := range []string{peer, somebody, "127.0.0.1:1", "@", ""} {
		if trusted(from(remote)) {
			t.Errorf("%q is trusted", remote)
		}
	}
	for want, list := range map[string][]netip.Prefix{
		"seawall: FromPeers: prefix 0 must be a valid prefix":              {{}},
		"seawall: FromPeers: prefix 1 must be written as an IPv4 prefix":   prefixes("10.0.0.0/8", "::ffff:10.0.0.0/104"),
		"FromPeers: prefix 0 must be written as an IPv4 prefix (got 64:ff": prefixes("64:ff9b::/96"),
	} {
		trusted, err := seawall.FromPeers(list...)
		checkError(t, err, want)
		if trusted != nil {
			t.Errorf("%v makes a function", list)
		}
	}
}
