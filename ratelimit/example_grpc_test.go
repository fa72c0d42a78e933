package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/ratelimit"
)

// A server interceptor for gRPC, without importing it: in yours method is
// info.FullMethod, peer is that of peer.FromContext, and Rejections become
// status.Error(codes.ResourceExhausted, ...).
func ExampleLimits_Take_gRPC() {
	limits := seawall.Must(ratelimit.New(ratelimit.Config{Policies: []ratelimit.Policy{ratelimit.PerIP(10, time.Minute)}}))

	intercept := func(ctx context.Context, method, peer string, req any, handler func(context.Context, any) (any, error)) (any, error) {
		// Policies look at a request: this one has all that theirs need.
		r := (&http.Request{Method: http.MethodPost, URL: &url.URL{Path: method}, RemoteAddr: peer}).WithContext(ctx)
		if err := limits.Take(r, seawall.Class{Route: method}); err != nil {
			return nil, err
		}
		return handler(ctx, req)
	}

	for range 2 {
		resp, err := intercept(context.Background(), "/shop.Cart/Add", "192.0.2.1:4711", "milk",
			func(_ context.Context, req any) (any, error) { return req, nil })
		fmt.Println(resp, err, errors.Is(err, seawall.RateLimited))
	}
	// Output:
	// milk <nil> false
	// <nil> seawall/ratelimit default: rejected: rate_limited true
}
