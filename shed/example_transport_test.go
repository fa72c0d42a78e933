package shed_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/shed"
)

// Between two services of one's own: the one behind tells its floor to those it
// trusts, the one in front asks through a Transport.
func ExampleNewTransport() {
	ours := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	behind := seawall.Must(shed.New(shed.Config{
		Classify:  seawall.Must(seawall.NewClassifier(seawall.ClassifierConfig{Peers: ours})), // believes priority and time-out
		TellFloor: seawall.Must(seawall.FromPeers(ours...)),
	}))
	srv := httptest.NewServer(behind.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "for you")
		fmt.Println("asked as", r.Header.Get("Seawall-Priority"))
	})))
	defer srv.Close()

	client := &http.Client{
		Transport: seawall.Must(shed.NewTransport(shed.TransportConfig{Propagate: true})),
		Timeout:   time.Second,
	}
	defer client.CloseIdleConnections()
	front := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The context says whose request this is; a Track class has it from Middleware.
		ctx := seawall.WithClass(r.Context(), seawall.Class{Priority: seawall.Sheddable})
		out, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL+"/recommendations", nil)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		resp, err := client.Do(out)
		switch {
		case errors.Is(err, seawall.Overloaded):
			fmt.Fprintln(w, "no recommendations just now") // nothing was sent
		case err != nil:
			http.Error(w, err.Error(), http.StatusBadGateway)
		default:
			defer resp.Body.Close()
			fmt.Println(resp.Status)
		}
	})
	front.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	// Output:
	// asked as sheddable
	// 200 OK
}

// crowded is a service in a crowd, as its callers see it.
type crowded struct{}

func (crowded) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Seawall-Floor": {"sheddable/0"}}, Body: http.NoBody}, nil
}

// While a host refuses what is Sheddable, that is not even sent.
func ExampleTransport_RoundTrip() {
	client := &http.Client{Transport: seawall.Must(shed.NewTransport(shed.TransportConfig{
		Name: "feed", Base: crowded{},
		Classify: func(r *http.Request) seawall.Class {
			if r.Method == http.MethodPost {
				return seawall.Class{Priority: seawall.Critical}
			}
			return seawall.Class{Priority: seawall.Sheddable}
		},
	}))}
	get := func() {
		resp, err := client.Get("http://feed.internal/latest")
		if err == nil {
			resp.Body.Close()
		}
		fmt.Println(err)
	}
	get() // nothing is known yet
	get()
	resp, err := client.Post("http://feed.internal/orders", "", nil)
	if err == nil {
		resp.Body.Close()
	}
	fmt.Println(err)
	// Output:
	// <nil>
	// Get "http://feed.internal/latest": seawall/shed feed: rejected: overloaded
	// <nil>
}

func ExampleTransport_Stats() {
	tr := seawall.Must(shed.NewTransport(shed.TransportConfig{Base: crowded{}}))
	client := &http.Client{Transport: tr}
	resp, err := client.Get("http://feed.internal/")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	host := tr.Stats().Hosts[0]
	fmt.Printf("%s: %d sent, refuses from %s/%d on\n", host.Host, host.Sent, host.Floor, host.Cohort)
	fmt.Println(tr.Snapshot().State)
	// Output:
	// feed.internal: 1 sent, refuses from sheddable/0 on
	// refusing
}

// Close to the other end: a house that is not full tells nothing.
func ExampleConfig_tellFloor() {
	shedder := seawall.Must(shed.New(shed.Config{
		TellFloor: seawall.Must(seawall.FromPeers(netip.MustParsePrefix("10.0.0.0/8"))),
	}))
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = "10.0.0.7:49152"
	shedder.Middleware(http.NotFoundHandler()).ServeHTTP(w, r)
	fmt.Printf("%q\n", w.Header().Get(shed.FloorHeader))
	// Output: ""
}
