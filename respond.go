package seawall

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Responder writes the answer to a rejected request. Respond is the default
// everywhere; a Config field replaces it.
type Responder func(http.ResponseWriter, *http.Request, *Rejection)

// ReasonHeader is the field that tells a client, or its SDK, why it was
// refused. Where it is present nothing was carried out: even a POST may be
// repeated.
const ReasonHeader = "Seawall-Reason"

// bodyPatience is how long a refusal waits for a request body that is still
// on its way. net/http reads up to 256 KiB of it before it answers, for ever
// if the client stalls. This bound answers a stalled client in 20 ms, and
// lets whoever has already sent a small body keep the connection.
const bodyPatience = 20 * time.Millisecond

// Respond is the default Responder: an application/problem+json body
// (RFC 9457) with Retry-After, Seawall-Reason and Cache-Control: no-store. It
// answers gRPC requests with a gRPC status, and clients that accept
// application/graphql-response+json with a GraphQL error. The common answers
// are rendered beforehand, so that refusing costs no allocation.
func Respond(w http.ResponseWriter, r *http.Request, rej *Rejection) {
	p := page(rej.Reason, rej.StatusCode())
	h := w.Header()
	h["Cache-Control"] = noStore
	h[ReasonHeader] = p.reason
	if s := rej.RetryAfterSeconds(); s > 0 {
		h["Retry-After"] = seconds(s)
	}
	switch {
	case isGRPC(r):
		h["Content-Type"] = grpcType
		h["Grpc-Status"] = p.grpcStatus
		h["Grpc-Message"] = p.reason
		limitBodyWait(w, r)
		w.WriteHeader(http.StatusOK)
	case acceptsGraphQL(r):
		send(w, r, p, graphqlType, p.graphqlLength, p.graphql)
	case rej.Problem != nil:
		send(w, r, p, problemType, rej.Problem.length, rej.Problem.body)
	default:
		send(w, r, p, problemType, p.problemLength, p.problem)
	}
}

func send(w http.ResponseWriter, r *http.Request, p *answer, kind, length []string, body []byte) {
	h := w.Header()
	h["Content-Type"] = kind
	h["Content-Length"] = length
	limitBodyWait(w, r)
	w.WriteHeader(p.status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client may have gone; there is nobody left to tell
	}
}

// limitBodyWait keeps a refusal from waiting for a stalled HTTP/1 body. The
// deadline is the connection's: net/http sets it anew for the next request.
// A body that is fully read, or that the client holds back until it hears
// "100 Continue", needs none.
func limitBodyWait(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor != 1 || r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
		return
	}
	// A writer without deadlines (a test's recorder) has no connection to wait for.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyPatience))
}

func isGRPC(r *http.Request) bool {
	if r.ProtoMajor != 2 {
		return false
	}
	v := r.Header["Content-Type"]
	return len(v) == 1 && strings.HasPrefix(v[0], "application/grpc") &&
		(len(v[0]) == len("application/grpc") || v[0][len("application/grpc")] == '+' || v[0][len("application/grpc")] == ';')
}

func acceptsGraphQL(r *http.Request) bool {
	for _, v := range r.Header["Accept"] {
		if strings.Contains(v, "application/graphql-response+json") {
			return true
		}
	}
	return false
}

// The field values below are shared by all answers; their capacity is their
// length, so that an append by somebody else copies them.
var (
	noStore     = []string{"no-store"}
	problemType = []string{"application/problem+json"}
	graphqlType = []string{"application/graphql-response+json"}
	grpcType    = []string{"application/grpc"}
	pages       = renderAll()
)

// answer is everything about a refusal that depends on reason and status only.
type answer struct {
	status                       int
	reason, grpcStatus           []string
	problem, graphql             []byte
	problemLength, graphqlLength []string
}

// reasons are those whose answers are rendered beforehand, in this order.
var reasons = [...]Reason{
	RateLimited, Overloaded, CircuitOpen, QueueFull, TenantFull, Expired, Duplicate, DeadlineExceeded, Draining, Canceled,
}

func renderAll() (all [len(reasons)][3]*answer) {
	for i, r := range reasons {
		all[i] = [...]*answer{
			render(r, r.Status()), render(r, http.StatusServiceUnavailable), render(r, http.StatusTooManyRequests),
		}
	}
	return all
}

// index is the place of r in reasons, or -1. A switch over strings takes 3 ns,
// a map 20.
func (r Reason) index() int {
	switch r {
	case RateLimited:
		return 0
	case Overloaded:
		return 1
	case CircuitOpen:
		return 2
	case QueueFull:
		return 3
	case TenantFull:
		return 4
	case Expired:
		return 5
	case Duplicate:
		return 6
	case DeadlineExceeded:
		return 7
	case Draining:
		return 8
	case Canceled:
		return 9
	default:
		return -1
	}
}

func page(r Reason, status int) *answer {
	if i := r.index(); i >= 0 {
		for _, p := range pages[i] {
			if p.status == status {
				return p
			}
		}
	}
	return render(r, status)
}

// details are written for the person who reads them in a client's log.
var details = map[Reason]string{
	RateLimited:      "Too many requests. Nothing was done; try again later.",
	Overloaded:       "The service is at capacity. Nothing was done; try again later.",
	CircuitOpen:      "A service this one depends on is not answering. Nothing was done; try again later.",
	QueueFull:        "The work queue is full. Nothing was done; try again later.",
	TenantFull:       "This account has too much work waiting. Nothing was done; try again later.",
	Expired:          "The request waited longer than it was worth. Nothing was done.",
	Duplicate:        "The same work is already under way. Nothing was done again.",
	DeadlineExceeded: "The deadline of the request has passed. Nothing was done.",
	Canceled:         "The request was given up. Nothing was done.",
	Draining:         "This server is shutting down. Nothing was done; try again.",
}

func render(r Reason, status int) *answer {
	detail, ok := details[r]
	if !ok {
		detail = "The request was refused. Nothing was done; try again later."
	}
	// strconv.Quote would write \x escapes, which JSON does not know; field
	// values must not hold line breaks either.
	name := sanitize(string(cmp.Or(r, ErrRejected)))
	title := cmp.Or(http.StatusText(status), "Request Rejected")
	a := &answer{
		status:     status,
		reason:     []string{name},
		grpcStatus: []string{grpcCode(status)},
		problem: []byte(`{"type":"about:blank","title":"` + title + `","status":` + strconv.Itoa(status) +
			`,"detail":"` + detail + `","reason":"` + name + "\"}\n"),
		graphql: []byte(`{"errors":[{"message":"` + detail + `","extensions":{"code":"` + strings.ToUpper(name) +
			`","status":` + strconv.Itoa(status) + "}}]}\n"),
	}
	a.problemLength = []string{strconv.Itoa(len(a.problem))}
	a.graphqlLength = []string{strconv.Itoa(len(a.graphql))}
	return a
}

// grpcCode is UNAVAILABLE for what may be tried elsewhere at once,
// RESOURCE_EXHAUSTED for the caller's own share, DEADLINE_EXCEEDED and
// ALREADY_EXISTS for what they say.
func grpcCode(status int) string {
	switch status {
	case http.StatusTooManyRequests:
		return "8"
	case http.StatusGatewayTimeout:
		return "4"
	case http.StatusConflict:
		return "6"
	default:
		return "14"
	}
}

func sanitize(s string) string {
	return strings.Map(func(c rune) rune {
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-' || c == '.' {
			return c
		}
		return '_'
	}, clip(s, 64))
}

// retryValues are field values for whole seconds, made as they are first needed:
// those up to 17 minutes stay, longer ones as long as none with the same place
// comes.
var retryValues [1024]atomic.Pointer[retryValue]

type retryValue struct {
	seconds int
	value   []string
}

func seconds(s int) []string {
	at := &retryValues[s%len(retryValues)]
	if v := at.Load(); v != nil && v.seconds == s {
		return v.value
	}
	v := &retryValue{s, []string{strconv.Itoa(s)}}
	at.Store(v)
	return v.value
}
