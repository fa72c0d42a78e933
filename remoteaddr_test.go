package seawall

import (
	"net/netip"
	"testing"
)

// FuzzFourAndPort: what the quick parser takes, netip takes too, and as the
// same address.
func FuzzFourAndPort(f *testing.F) {
	for _, s := range []string{
		"192.0.2.1:1234", "0.0.0.0:0", "255.255.255.255:65535", "1.2.3.4:65536", "1.2.3.4:", "1.2.3.4", "01.2.3.4:5",
		"256.1.1.1:1", "1.2.3:4", "1.2.3.4.5:6", "[::1]:80", "1.2.3.4:0080", "1.2.3.4:+5", "1..2.3:4", "", "@", ":1", "1.2.3.4:99999999999999999999",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, ok := fourAndPort(s)
		if !ok {
			return
		}
		want, err := netip.ParseAddrPort(s)
		if err != nil {
			t.Fatalf("%q taken, but: %v", s, err)
		}
		if got := netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}); got != want.Addr() {
			t.Fatalf("%q is %v, want %v", s, got, want.Addr())
		}
	})
}

func TestFourAndPortTakesWhatServersWrite(t *testing.T) {
	for _, s := range []string{"192.0.2.1:1234", "0.0.0.0:0", "255.255.255.255:65535", "10.0.0.1:1"} {
		if _, ok := fourAndPort(s); !ok {
			t.Errorf("%q is left to the slow way", s)
		}
	}
}
