package shed

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/seawall-go/seawall"
)

// Transport is an http.RoundTripper that does not send what would be refused.
// See NewTransport. It is safe for concurrent use, and has no goroutine and no
// timer of its own.
type Transport struct {
	cfg      TransportConfig
	k        [seawall.NumPriorities]float64 // by class; 0: never throttled
	base     time.Time
	says     *rejections
	hosts    hosts
	favours  atomic.Pointer[favours] // nil while no host has told a floor
	outcomes [seawall.NumPriorities][numSendings]atomic.Uint64
}

// sending is what became of a request here.
type sending uint8

const (
	outSent      sending = iota
	outProbed            // sent although below the floor
	outFloored           // not sent: below the floor
	outThrottled         // not sent: by chance

	numSendings = 4
)

// NewTransport returns a Transport, which spares the services behind it what
// they would refuse, and the caller the wait for it:
//
//   - A host whose Shedder tells its floor (Config.TellFloor) does not get the
//     requests that are below it. They are ranked as the host ranks them: if both
//     have the same Sticky, and IDs made with the same Identity.Secret, the same
//     users are refused here who would be refused there; and who has been served
//     goes first here, too. A floor holds for a second after it was told, or
//     until an answer comes without it; one request in a hundred below it is
//     sent all the same, to find out.
//   - To any other host requests are refused with the probability (R - K*A)/(R+1),
//     where A of R were accepted in the window: not answered by 429 or 503, or
//     by an error. A request that the caller cancelled is neither. Below ten
//     requests in the window nothing is refused, and never more than 99 %.
//
// What is Critical or Exempt is always sent. A refusal is a
// *seawall.Rejection with Reason Overloaded; nothing was sent, and the request's
// body has been closed.
//
// A host is what stands in the URL, with the port. The Transport takes about
// 2 KiB for each, and 64 KiB once when somebody is served under a floor. To
// send costs about 0.1 us and no allocation more than Base, with Propagate 0.6 us
// and four; to refuse costs 0.1 us and nothing. It takes Seawall-Floor out of
// responses: a proxy that hands them on must not tell it to others. Bodies it
// does not touch.
func NewTransport(cfg TransportConfig) (*Transport, error) {
	cfg, err := cfg.resolve()
	if err != nil {
		return nil, err
	}
	t := &Transport{cfg: cfg, base: time.Now(), says: newRejections(cfg.Name), hosts: newHosts(cfg.MaxHosts)}
	if cfg.K != seawall.Off {
		t.k = [...]float64{0, cfg.K, max(lowestK, 0.75*cfg.K), max(lowestK, 0.75*cfg.K)}
	}
	return t, nil
}

// RoundTrip sends the request, or returns a *seawall.Rejection. It follows the
// rules of http.RoundTripper: the request is not changed.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	class, known := t.classOf(r)
	var name string
	if r.URL != nil {
		name = r.URL.Host
	}
	h := t.hosts.get(name)
	began, rej := t.decide(h, &class)
	if rej != nil {
		if r.Body != nil {
			r.Body.Close()
		}
		t.observe(r.Context(), &class, rej)
		return nil, rej
	}
	t.observe(r.Context(), &class, nil)
	out := r
	if t.cfg.Propagate {
		out = propagate(r, class.Priority, known)
	}
	resp, err := t.cfg.Base.RoundTrip(out)
	t.learn(r.Context(), h, &class, began, resp, err)
	return resp, err
}

// classOf reports whether anybody has said what the class is.
func (t *Transport) classOf(r *http.Request) (seawall.Class, bool) {
	if t.cfg.Classify != nil {
		return t.cfg.Classify(r), true
	}
	return seawall.ClassFrom(r.Context())
}

// decide returns when it was, if the host has a floor or failures; in calm it
// does not look at the clock.
func (t *Transport) decide(h *host, c *seawall.Class) (began time.Duration, _ *seawall.Rejection) {
	class := classOf(c.Priority).class()
	what, retry := outSent, uint32(1)
	if h.alert.Load() {
		at := time.Now()
		began = at.Sub(t.base)
		r := t.rank(h, c, at, began)
		what, retry = h.decide(began, r, c.Exempt, t.k[class], t.cfg.Window)
	}
	h.outcomes[what].Add(1)
	t.outcomes[class][what].Add(1)
	if what < outFloored {
		return began, nil
	}
	return began, t.says.overloaded[1+rand.Uint32N(retry)]
}

// rank is the one the host gives to the request.
func (t *Transport) rank(h *host, c *seawall.Class, at time.Time, now time.Duration) rank {
	e := epochsAt(at, t.cfg.Sticky)
	r := e.rank(c.Priority, c.User)
	if f := t.favours.Load(); f != nil && c.User != 0 && f.has(h.own(c.User), seconds(now)) {
		r = r.ahead()
	}
	return r
}

// learn makes something of the answer.
func (t *Transport) learn(ctx context.Context, h *host, c *seawall.Class, began time.Duration, resp *http.Response, err error) {
	if err != nil {
		// What the caller gave up, or another RoundTripper did not send, says
		// nothing about the host.
		if errors.Is(ctx.Err(), context.Canceled) || errors.Is(err, seawall.ErrRejected) {
			return
		}
		h.learn(time.Since(t.base), classOf(c.Priority).class(), answer{sent: began, floor: allLevels}, t.cfg.Window)
		return
	}
	if resp == nil {
		return // against the rules
	}
	a := answer{sent: began, floor: allLevels, heard: true}
	a.accepted = resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusServiceUnavailable
	if lines := resp.Header[FloorHeader]; lines != nil {
		if level, ok := parseFloor(lines[0]); ok && len(lines) == 1 {
			a.floor = level
		}
		delete(resp.Header, FloorHeader)
	}
	if !a.accepted {
		a.retry = retrySeconds(resp.Header)
	}
	now := time.Since(t.base)
	h.learn(now, classOf(c.Priority).class(), a, t.cfg.Window)
	if a.floor < allLevels && a.accepted && c.User != 0 {
		f := t.favours.Load()
		if f == nil {
			t.favours.CompareAndSwap(nil, new(favours))
			f = t.favours.Load()
		}
		f.admitted(h.own(c.User), seconds(now))
	}
}

func seconds(now time.Duration) uint32 { return uint32(now / time.Second) }

// retrySeconds reads a Retry-After of up to maxRetry seconds; anything else is 1.
func retrySeconds(h http.Header) uint32 {
	v := h["Retry-After"]
	if len(v) != 1 || len(v[0]) > 4 {
		return 1
	}
	n, err := strconv.ParseUint(v[0], 10, 16)
	if err != nil {
		return 1
	}
	return uint32(min(max(n, 1), maxRetry))
}

// propagate adds to a copy of the request who it is for and how long the caller
// waits, where the caller has not said so itself.
func propagate(r *http.Request, p seawall.Priority, known bool) *http.Request {
	deadline, limited := r.Context().Deadline()
	left := time.Until(deadline)
	limited = limited && left > 0 && left <= 24*time.Hour && r.Header[seawall.TimeoutHeader] == nil
	known = known && p.Valid() && r.Header[seawall.PriorityHeader] == nil
	if !limited && !known {
		return r
	}
	out := r.WithContext(r.Context())
	out.Header = r.Header.Clone()
	if out.Header == nil {
		out.Header = make(http.Header, 2)
	}
	if known {
		out.Header[seawall.PriorityHeader] = []string{p.String()}
	}
	if limited {
		// Down to the millisecond, but not to zero, which would say nothing.
		left = max(left.Truncate(time.Millisecond), time.Millisecond)
		out.Header[seawall.TimeoutHeader] = []string{strconv.FormatFloat(left.Seconds(), 'f', 3, 64)}
	}
	return out
}

func (t *Transport) observe(ctx context.Context, c *seawall.Class, rej *seawall.Rejection) {
	if t.cfg.Observer == nil {
		return
	}
	e := seawall.Event{
		Component: component, Name: t.cfg.Name, Outcome: seawall.Admitted,
		Priority: c.Priority, Route: c.Route, User: c.User,
	}
	if rej != nil {
		e.Outcome, e.Reason, e.RetryAfter = seawall.Rejected, rej.Reason, rej.RetryAfter
	}
	t.cfg.Observer.Observe(ctx, e)
}

// CloseIdleConnections passes on to Base, if that has any.
func (t *Transport) CloseIdleConnections() {
	if c, ok := t.cfg.Base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// retryFor spreads the return of those who are refused with a probability over
// as many seconds as leave room for them.
func retryFor(p float64) uint32 {
	return uint32(clamp(math.Ceil(2/(1-min(p, 0.99))), 1, maxRetry))
}

var (
	_ http.RoundTripper   = (*Transport)(nil)
	_ seawall.Snapshotter = (*Transport)(nil)
)
