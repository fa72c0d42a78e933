package seawall_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
)

// refuse says no to everybody, after an optional wait for nothing.
func refuse(rej *seawall.Rejection) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { seawall.Respond(w, r, rej) })
}

// overTLS serves h on loopback with HTTP/1 or HTTP/2.
func overTLS(t *testing.T, h http.Handler, http2 bool) *httptest.Server {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.EnableHTTP2 = http2
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv
}

func TestRespondOverSockets(t *testing.T) {
	rej := &seawall.Rejection{Component: "shed", Reason: seawall.Overloaded, RetryAfter: 90 * time.Second}
	for proto, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2.0": true} {
		t.Run(proto, func(t *testing.T) {
			srv := overTLS(t, refuse(rej), http2)
			for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"} {
				for _, accept := range []string{"*/*", "application/graphql-response+json"} {
					var body io.Reader
					if method == "POST" || method == "PUT" {
						body = bytes.NewReader(make([]byte, 100))
					}
					req, _ := http.NewRequestWithContext(t.Context(), method, srv.URL, body)
					req.Header.Set("Accept", accept)
					res, err := srv.Client().Do(req)
					if err != nil {
						t.Fatal(err)
					}
					text, err := io.ReadAll(res.Body)
					res.Body.Close()
					if err != nil {
						t.Errorf("%s: %v", method, err)
					}
					if res.Proto != proto || res.StatusCode != 503 {
						t.Errorf("%s: %s %d", method, res.Proto, res.StatusCode)
					}
					checkFields(t, res.Header, "overloaded", "90")
					if res.Close {
						t.Errorf("%s: the connection was given up", method)
					}
					if method == "HEAD" {
						if len(text) != 0 || res.ContentLength <= 0 {
							t.Errorf("HEAD: %d bytes, Content-Length %d", len(text), res.ContentLength)
						}
						continue
					}
					if res.ContentLength != int64(len(text)) {
						t.Errorf("%s: %d bytes, Content-Length %d", method, len(text), res.ContentLength)
					}
					if accept == "*/*" {
						var p problem
						decode(t, text, &p)
						if p.Status != res.StatusCode || p.Reason != "overloaded" {
							t.Errorf("%s: %+v", method, p)
						}
					} else {
						var g graphqlAnswer
						decode(t, text, &g)
					}
				}
			}
		})
	}
}

// HEAD says of the length what GET would.
func TestRespondHeadLikeGet(t *testing.T) {
	for reason := range reasons {
		get := respond(httptest.NewRequest("GET", "/", nil), &seawall.Rejection{Reason: reason})
		head := respond(httptest.NewRequest("HEAD", "/", nil), &seawall.Rejection{Reason: reason})
		if head.Body.Len() != 0 || head.Header().Get("Content-Length") != strconv.Itoa(get.Body.Len()) || head.Code != get.Code {
			t.Errorf("%s: HEAD %d with length %s and %d bytes, GET %d with %d bytes", reason,
				head.Code, head.Header().Get("Content-Length"), head.Body.Len(), get.Code, get.Body.Len())
		}
	}
}

// A gRPC client must find its status in the one header block there is
// ("Trailers-Only"): the frame has to end the stream.
func TestRespondGRPCOverHTTP2(t *testing.T) {
	srv := overTLS(t, refuse(&seawall.Rejection{Reason: seawall.Overloaded, RetryAfter: time.Second}), true)
	// A stream that stays open: gRPC clients send when they like.
	pr, pw := io.Pipe()
	defer pw.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, "POST", srv.URL+"/pkg.Service/Method", pr)
	req.Header.Set("Content-Type", "application/grpc+proto")
	req.Header.Set("Te", "trailers")
	res, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || len(text) != 0 || len(res.Trailer) != 0 {
		t.Errorf("body %q, trailer %v, %v", text, res.Trailer, err)
	}
	if res.StatusCode != 200 || res.Header.Get("Grpc-Status") != "14" || res.Header.Get("Grpc-Message") != "overloaded" ||
		res.Header.Get("Content-Type") != "application/grpc" {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
	checkFields(t, res.Header, "overloaded", "1")
}

func TestRespondGRPCEndsTheStream(t *testing.T) {
	srv := httptest.NewUnstartedServer(refuse(&seawall.Rejection{Reason: seawall.Overloaded}))
	srv.Config.Protocols = new(http.Protocols)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	srv.Start()
	defer srv.Close()
	c, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))

	// One request by hand: literal fields, no Huffman, the stream left open.
	var block []byte
	for _, f := range [][2]string{
		{":method", "POST"}, {":scheme", "http"}, {":path", "/pkg.Service/Method"}, {":authority", "example.com"},
		{"content-type", "application/grpc"}, {"te", "trailers"},
	} {
		block = append(block, 0, byte(len(f[0])))
		block = append(block, f[0]...)
		block = append(block, byte(len(f[1])))
		block = append(block, f[1]...)
	}
	const headers, settings, endHeaders, endStream = 1, 4, 4, 1
	out := []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	out = append(out, frame(settings, 0, 0, nil)...)
	out = append(out, frame(headers, endHeaders, 1, block)...)
	if _, err := c.Write(out); err != nil {
		t.Fatal(err)
	}
	for {
		var head [9]byte
		if _, err := io.ReadFull(c, head[:]); err != nil {
			t.Fatalf("no header block on stream 1: %v", err)
		}
		length := int(head[0])<<16 | int(head[1])<<8 | int(head[2])
		if _, err := io.CopyN(io.Discard, c, int64(length)); err != nil {
			t.Fatal(err)
		}
		if head[3] == headers && binary.BigEndian.Uint32(head[5:]) == 1 {
			if head[4]&endStream == 0 {
				t.Errorf("flags %#x of the header block: the stream goes on", head[4])
			}
			return
		}
	}
}

func frame(kind, flags byte, stream uint32, payload []byte) []byte {
	b := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	return append(binary.BigEndian.AppendUint32(b, stream), payload...)
}

// HTTP/2 answers while a body is on its way: its streams stand in nobody's way.
func TestRespondStalledBodyOverHTTP2(t *testing.T) {
	srv := overTLS(t, refuse(&seawall.Rejection{Reason: seawall.Overloaded}), true)
	for range 3 {
		pr, pw := io.Pipe()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		req, _ := http.NewRequestWithContext(ctx, "POST", srv.URL, pr)
		req.ContentLength = 1000
		go pw.Write([]byte("x"))
		res, err := srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != 503 {
			t.Errorf("status %d", res.StatusCode)
		}
		res.Body.Close()
		pw.Close()
		cancel()
	}
}
