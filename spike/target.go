package spike

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

// Guard admits a request or refuses it with an error; release gives back what
// it took. It is the admission function of a contender, such as Oracle.Guard.
type Guard func(ctx context.Context, r *Request) (release func(), err error)

// Target returns a target without HTTP: a handler that calls guard and then
// the backend. A nil guard admits everything. As in a server, the handler goes
// on when the client has given up, until its work is done, and release is
// called only then; Backend.Drain waits for such work.
func (b *Backend) Target(guard Guard) Target {
	return func(ctx context.Context, r *Request) Outcome {
		req := *r // the handler may outlive the client
		return answer(ctx, func() Outcome {
			if guard != nil {
				release, err := guard(ctx, &req)
				if err != nil {
					return refusal(ctx)
				}
				defer release()
			}
			route := anyRoute
			if req.Routes > 0 {
				route = req.Route
			}
			switch err := b.serve(ctx, route); {
			case err == nil:
				return Success
			case errors.Is(err, ErrInjected):
				return Failed
			}
			return gone(ctx)
		})
	}
}

// HandlerTarget returns a target that calls an http.Handler without a network,
// with the requests an HTTPTarget would send, each user with an address of its
// own (10.x.y.z). prepare, when not nil, may change a request before it is
// served. As in a server, the request's context ends when the client gives up
// and the handler may go on for as long as it likes. http.ErrAbortHandler and
// runtime.Goexit are Failed; any other panic is not caught.
func HandlerTarget(h http.Handler, prepare func(*http.Request, *Request)) Target {
	return func(ctx context.Context, r *Request) Outcome {
		hr := handlerRequest(ctx, r)
		if prepare != nil {
			prepare(hr, r)
		}
		return answer(ctx, func() (o Outcome) {
			o = Failed
			defer func() {
				if p := recover(); p != nil && p != any(http.ErrAbortHandler) {
					panic(p)
				}
			}()
			w := &statusWriter{header: make(http.Header)}
			h.ServeHTTP(w, hr)
			w.WriteHeader(http.StatusOK)
			return outcomeOf(w.status)
		})
	}
}

// answer runs the handler in a goroutine of its own and waits for it as long
// as the client does. A handler that ends without an answer has failed.
func answer(ctx context.Context, handle func() Outcome) Outcome {
	done := make(chan Outcome, 1)
	go func() {
		o := Failed
		defer func() { done <- o }()
		o = handle()
	}()
	select {
	case o := <-done:
		return o
	case <-ctx.Done():
		return gone(ctx)
	}
}

// gone is the outcome for a client whose context has ended.
func gone(ctx context.Context) Outcome {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return TimedOut
	}
	return Failed
}

func refusal(ctx context.Context) Outcome {
	if ctx.Err() != nil {
		return gone(ctx)
	}
	return Rejected
}

// outcomeOf reads a status code.
func outcomeOf(status int) Outcome {
	switch {
	case status >= 200 && status < 300:
		return Success
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		return Rejected
	}
	return Failed
}

func handlerRequest(ctx context.Context, r *Request) *http.Request {
	path := r.path()
	hr := &http.Request{
		Method: http.MethodGet, URL: &url.URL{Path: path}, RequestURI: path, Host: "spike.test",
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Cookie": {sessionCookie(r.User)}}, Body: http.NoBody,
		RemoteAddr: fmt.Sprintf("10.%d.%d.%d:40000", byte(r.User>>16), byte(r.User>>8), byte(r.User)),
	}
	return hr.WithContext(ctx)
}

func sessionCookie(user uint64) string {
	return "session=u" + strconv.FormatUint(user, 10)
}

// statusWriter keeps the status and throws the body away.
type statusWriter struct {
	header http.Header
	status int
}

func (w *statusWriter) Header() http.Header { return w.header }

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.status = status
	}
}

func (w *statusWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return len(p), nil
}

func (w *statusWriter) Flush() { w.WriteHeader(http.StatusOK) }
