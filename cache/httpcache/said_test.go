package httpcache

import (
	"net/http"
	"strconv"
	"testing"

	"github.com/seawall-go/seawall"
)

// TestSaid: a field that matters is seen in a short header, and alone there; a long
// header may have it.
func TestSaid(t *testing.T) {
	h := newCache(t, Config{KeyHeaders: []string{"x-forwarded-host", "X-Own"}})
	want := map[string]said{
		"Upgrade": saidUpgrade, "If-Match": saidOriginOnly, "If-Unmodified-Since": saidOriginOnly,
		"Cache-Control": saidDirective, "Pragma": saidDirective, "If-None-Match": saidCondition, "If-Modified-Since": saidCondition,
		"Range": saidRange, "X-Forwarded-Host": saidKey, "X-Own": saidKey,
		"X-Not": 0, "": 0, "Accept": 0, "Y-Own": 0, "X-Original-Url": 0, "If-Range": 0,
	}
	for name, bit := range want {
		header := http.Header{name: {"x"}, "User-Agent": {"y"}}
		if got := h.said(header); got != bit {
			t.Errorf("%s: %b, want %b", name, got, bit)
		}
		for i := range fewFields - 1 {
			header["X-"+strconv.Itoa(i)] = nil
		}
		if got := h.said(header); got&bit != bit || got != saidAny {
			t.Errorf("%s in a long header: %b", name, got)
		}
	}
}

// TestSaidWhatever: a hit is the same, however long the header that asks for it is.
func TestSaidWhatever(t *testing.T) {
	for name, value := range map[string]string{
		"Upgrade": "websocket", "If-Match": `"v2"`, "If-Unmodified-Since": "Sun, 06 Nov 1994 08:49:37 GMT", "Cache-Control": "no-cache",
		"If-None-Match": `"v1"`, "If-Modified-Since": "Sun, 06 Nov 2094 08:49:37 GMT", "Range": "bytes=1-5", "X-Forwarded-Host": "evil.example", "Accept": "text/html",
	} {
		var ways [2]string
		for i, fields := range [2]int{0, fewFields} {
			front := newCache(t, Config{MinReload: seawall.Off}).Middleware(lasting([]string{"Etag", `"v1"`}))
			newClient(front).ask()
			c := newClient(front, name, value)
			for n := range fields {
				c.r.Header["X-"+strconv.Itoa(n)] = []string{"more"}
			}
			status := c.ask()
			ways[i] = strconv.Itoa(status) + " " + strconv.Itoa(c.w.bytes) + " " + c.way()
		}
		if ways[0] != ways[1] {
			t.Errorf("%s: %s; with more fields: %s", name, ways[0], ways[1])
		}
		if hit := name == "Accept"; hit != (ways[0] == "200 2048 seawall; hit") {
			t.Errorf("%s: %s", name, ways[0])
		}
	}
}
