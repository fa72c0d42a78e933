package shed

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/seawall-go/seawall"
)

// The controls an operator has.
const (
	controlLimit  = "limit"
	controlDryRun = "dry_run"
)

type overrides struct {
	set [2]override
}

type override struct {
	on      bool
	value   float64 // limit, or 0 and 1 for dry_run
	until   time.Time
	by, why string
}

// expire ends what is over by now, and reports whether anything was.
func (o *overrides) expire(now time.Time) (ended bool) {
	for i := range o.set {
		if o.set[i].on && !o.set[i].until.IsZero() && !now.Before(o.set[i].until) {
			o.set[i] = override{}
			ended = true
		}
	}
	return ended
}

func (o *overrides) limit() float64 {
	if o.set[0].on {
		return o.set[0].value
	}
	return 0
}

func (o *overrides) dryRun() (value, ok bool) { return o.set[1].value != 0, o.set[1].on }

// Controls lists what Override may set: "limit" pins the number of requests
// inside, "dry_run" is on or off.
func (s *Shedder) Controls() []seawall.Control {
	s.expire()
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.gate.Load()
	limit := seawall.Control{
		Name: controlLimit, Help: "pin the number of requests inside at once",
		Value: strconv.FormatInt(g.limit, 10),
	}
	dry := seawall.Control{
		Name: controlDryRun, Help: "decide and count, but refuse nobody",
		Value: onOff(g.dry), Options: []string{"on", "off"},
	}
	for i, c := range []*seawall.Control{&limit, &dry} {
		o := &s.overrides.set[i]
		c.Overridden, c.Until, c.By, c.Why = o.on, o.until, o.by, o.why
	}
	return []seawall.Control{limit, dry}
}

// Override sets one of Controls. It implements seawall.Controllable.
func (s *Shedder) Override(ctx context.Context, o seawall.Override) error {
	if o.For < 0 {
		return fmt.Errorf("seawall/shed: override of %.32q: For must not be negative (got %v)", o.Control, o.For)
	}
	next := override{on: o.Value != "", by: o.By, why: o.Why}
	if o.For > 0 {
		next.until = time.Now().Add(o.For)
	}
	s.mu.Lock()
	cfg := s.gate.Load().cfg
	i, err := next.parse(o, cfg)
	if err != nil {
		s.mu.Unlock()
		return err
	}
	if !next.on {
		next = override{}
	}
	s.overrides.set[i] = next
	s.republish(ctx, cfg)
	return nil
}

// expire ends the overrides that are over, for those who look before the next
// request comes.
func (s *Shedder) expire() {
	s.mu.Lock()
	if !s.overrides.expire(time.Now()) {
		s.mu.Unlock()
		return
	}
	s.republish(context.Background(), s.gate.Load().cfg)
}

// republish puts into force what was changed other than by a tick. The caller
// holds mu; it is unlocked.
func (s *Shedder) republish(ctx context.Context, cfg *Config) {
	now, limit := s.state.phase, s.gate.Load().limit
	s.publish(cfg, s.now())
	moved := s.gate.Load().limit
	s.mu.Unlock()

	s.grant()
	if cfg.Observer != nil {
		s.tell(ctx, cfg, now, now, limit, moved)
	}
}

func (v *override) parse(o seawall.Override, cfg *Config) (int, error) {
	switch o.Control {
	case controlLimit:
		if v.on {
			n, err := strconv.Atoi(o.Value)
			if err != nil || n < cfg.MinLimit || n > cfg.MaxLimit {
				return 0, fmt.Errorf("seawall/shed: override of limit must be a number from MinLimit, %d, to MaxLimit, %d (got %.32q)",
					cfg.MinLimit, cfg.MaxLimit, o.Value)
			}
			v.value = float64(n)
		}
		return 0, nil
	case controlDryRun:
		switch o.Value {
		case "on":
			v.value = 1
		case "off", "":
		default:
			return 0, fmt.Errorf("seawall/shed: override of dry_run must be on or off (got %.32q)", o.Value)
		}
		return 1, nil
	default:
		return 0, fmt.Errorf("seawall/shed: no control %.32q (there are limit and dry_run)", o.Control)
	}
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}
