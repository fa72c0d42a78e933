package seawall_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"

	"github.com/seawall-go/seawall"
)

// What a handler asks of others goes under the class of the request it serves.
func ExampleWithClass() {
	ctx := seawall.WithClass(context.Background(), seawall.Class{Priority: seawall.Critical, Route: "POST /login"})
	class, ok := seawall.ClassFrom(ctx)
	fmt.Println(class.Priority, class.Route, ok)
	// Output: critical POST /login true
}

func ExampleClassFrom() {
	_, ok := seawall.ClassFrom(context.Background())
	fmt.Println(ok)
	// Output: false
}

func ExampleFromPeers() {
	ours := seawall.Must(seawall.FromPeers(netip.MustParsePrefix("10.0.0.0/8")))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = "10.1.2.3:49152"
	fmt.Println("straight from a service of ours:", ours(r))
	r.Header.Set("X-Forwarded-For", "192.0.2.1")
	fmt.Println("passed on by it for somebody else:", ours(r))
	// Output:
	// straight from a service of ours: true
	// passed on by it for somebody else: false
}

// A service of one's own says how long it waits; a stranger may say what it
// likes.
func ExampleClassifierConfig_timeoutHeader() {
	classify := seawall.Must(seawall.NewClassifier(seawall.ClassifierConfig{
		Peers:         []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
		TimeoutHeader: "X-Envoy-Expected-Rq-Timeout-Ms",
	}))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("X-Envoy-Expected-Rq-Timeout-Ms", "250")
	for _, from := range []string{"10.1.2.3:49152", "192.0.2.1:49152"} {
		r.RemoteAddr = from
		fmt.Println(classify(r).Budget)
	}
	// Output:
	// 250ms
	// 0s
}
