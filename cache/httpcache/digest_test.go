package httpcache

import (
	"strings"
	"testing"
)

// TestDigests: tags are the same in all processes, also of another version.
func TestDigests(t *testing.T) {
	k := Key{Scheme: "https", Host: "shop.example", Path: "/a/b/", Query: "q=1"}
	for got, want := range map[string]string{
		userTag("article-7"):                           "tarticle-7",
		userTag(strings.Repeat("a", 63)):               "t" + strings.Repeat("a", 63),
		userTag(strings.Repeat("a", 64)):               "he9284fe1b01f4a4518b82564a35713ba",
		prefixTag(3, "https", "shop.example", "/a/b/"): "p206",
		urlTag(&k): "ue6b325cb43023471ab3b20569bc97175",
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// TestAllocsDigest: a tag takes its text.
func TestAllocsDigest(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	path := "/" + strings.Repeat("b", 100)
	if got := testing.AllocsPerRun(100, func() { prefixTag(2, "https", "shop.example", path) }); got != 1 {
		t.Errorf("%v allocations", got)
	}
}
