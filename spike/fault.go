package spike

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// FaultKind is a way for a backend to be ill.
type FaultKind uint8

// The faults. Several of one kind add up.
const (
	// FaultLatency adds Value seconds on the road to the backend, where no slot
	// is held.
	FaultLatency FaultKind = iota + 1
	// FaultErrors fails a share Value (0 to 1) of the requests the moment their
	// turn comes, without work.
	FaultErrors
	// FaultSlow makes work that begins take Value times as long (above 0).
	FaultSlow
	// FaultCapacity takes Value slots away. Work in them ends first.
	FaultCapacity
	// FaultHang lets no work end. Value is not used.
	FaultHang
	// FaultHeavy makes a share (Fault.Share) of the work that begins take Value
	// times as long (above 0): what people ask for has changed.
	FaultHeavy

	numFaultKinds = 7
	maxFaults     = 1000
)

var faultNames = [numFaultKinds]string{"", "latency", "errors", "slow", "capacity", "hang", "heavy"}

// String returns the name used in JSON.
func (k FaultKind) String() string {
	if k == 0 || int(k) >= len(faultNames) {
		return fmt.Sprintf("fault(%d)", uint8(k))
	}
	return faultNames[k]
}

// MarshalText returns the kind's name.
func (k FaultKind) MarshalText() ([]byte, error) {
	if k == 0 || int(k) >= len(faultNames) {
		return nil, fmt.Errorf("seawall/spike: unknown fault %d", uint8(k))
	}
	return []byte(faultNames[k]), nil
}

// UnmarshalText is the inverse of MarshalText.
func (k *FaultKind) UnmarshalText(text []byte) error {
	for i, name := range faultNames {
		if i > 0 && string(text) == name {
			*k = FaultKind(i)
			return nil
		}
	}
	return fmt.Errorf("seawall/spike: unknown fault %.32q (want latency, errors, slow, capacity, hang or heavy)", text)
}

// Fault is a fault with a time: from At, for For.
type Fault struct {
	At    time.Duration `json:"at_ns"`
	For   time.Duration `json:"for_ns"`
	Kind  FaultKind     `json:"kind"`
	Value float64       `json:"value,omitempty"`
	// Share of the work that FaultHeavy is about, above 0 and at most 1; other
	// kinds do not use it. Default 1: all of it.
	Share float64 `json:"share,omitempty"`
}

// Validate says what is wrong with the fault.
func (f Fault) Validate() error {
	if f.At < 0 || f.At > maxDuration {
		return badf("Fault.At", "between 0 and %v", f.At, maxDuration)
	}
	if f.For <= 0 || f.For > maxDuration {
		return badf("Fault.For", "positive and at most %v", f.For, maxDuration)
	}
	return f.validValue()
}

func (f Fault) validValue() error {
	if !finite(f.Share) || f.Share < 0 || f.Share > 1 {
		return badf("Fault.Share", "between 0 and 1", f.Share)
	}
	kind, v := f.Kind, f.Value
	ok, must := finite(v) && v >= 0, ""
	switch kind {
	case FaultLatency:
		ok, must = ok && v <= 3600, "between 0 and 3600 seconds"
	case FaultErrors:
		ok, must = ok && v <= 1, "a share between 0 and 1"
	case FaultSlow, FaultHeavy:
		ok, must = ok && v > 0 && v <= 1000, "a factor above 0 and at most 1000"
	case FaultCapacity:
		ok, must = ok && v <= 1_000_000, "between 0 and 1000000 slots"
	case FaultHang:
		return nil
	default:
		return badf("Fault.Kind", "one of the six kinds", uint8(kind))
	}
	if !ok {
		return badf("Fault.Value", "%s for %v", v, must, kind)
	}
	return nil
}

// share is the part of the work that the fault is about.
func (f Fault) share() float64 {
	if f.Share == 0 {
		return 1
	}
	return f.Share
}

// effect is what all faults of the moment come to.
type effect struct {
	latency time.Duration
	errors  float64
	slow    float64
	heavy   float64 // factor on the mean, by all that is heavy
	lost    int
	hang    bool
}

var noEffect = effect{slow: 1, heavy: 1}

// with adds one fault.
func (e effect) with(f Fault) effect {
	switch f.Kind {
	case FaultLatency:
		e.latency += time.Duration(f.Value * float64(time.Second))
	case FaultErrors:
		e.errors = 1 - (1-e.errors)*(1-f.Value)
	case FaultSlow:
		e.slow *= f.Value
	case FaultCapacity:
		e.lost += int(f.Value)
	case FaultHang:
		e.hang = true
	case FaultHeavy:
		e.heavy *= 1 + f.share()*(f.Value-1)
	}
	return e
}

// share is what the effect leaves of a capacity of so many slots.
func (e effect) share(slots int) float64 {
	if e.hang {
		return 0
	}
	return max(0, float64(slots-e.lost)) / float64(slots) / e.slow / e.heavy
}

// Inject makes the backend ill until lift is called, once or more often. At
// most 1,000 faults can be in force at once.
func (b *Backend) Inject(kind FaultKind, value float64) (lift func(), err error) {
	return b.InjectFault(Fault{Kind: kind, Value: value})
}

// InjectFault is Inject for a fault that has a Share. Its times are not used.
func (b *Backend) InjectFault(f Fault) (lift func(), err error) {
	if err := f.validValue(); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.faults) >= maxFaults {
		return nil, badf("faults in force", "at most %d", len(b.faults)+1, maxFaults)
	}
	b.faultID++
	id := b.faultID
	b.faults[id] = f
	b.diagnose()
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.faults, id)
		b.diagnose()
	}, nil
}

// Heal lifts every fault.
func (b *Backend) Heal() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.faults)
	b.diagnose()
}

// diagnose draws up the effect of all faults. The caller holds the lock.
func (b *Backend) diagnose() {
	b.effect, b.heavy = noEffect, nil
	for _, id := range slices.Sorted(maps.Keys(b.faults)) { // or what is drawn would depend on the map
		f := b.faults[id]
		b.effect = b.effect.with(f)
		if f.Kind == FaultHeavy {
			b.heavy = append(b.heavy, f)
		}
	}
	switch {
	case b.effect.hang && b.hung == nil:
		b.hung = make(chan struct{})
	case !b.effect.hang && b.hung != nil:
		close(b.hung)
		b.hung = nil
	}
	b.fill() // slots may have come back
}

// unhang waits until nothing hangs.
func (b *Backend) unhang() {
	for {
		b.mu.Lock()
		hung := b.hung
		b.mu.Unlock()
		if hung == nil {
			return
		}
		<-hung
	}
}

// weight draws by how much the work that begins is heavier. The caller holds
// the lock.
func (b *Backend) weight() float64 {
	factor := 1.0
	for _, f := range b.heavy {
		if b.weights.Float64() < f.share() {
			factor *= f.Value
		}
	}
	return factor
}

// RunFaults plays a schedule of at most 1,000 faults, counted from now, and
// returns when the last is over. When ctx ends it lifts those in force and
// returns ctx's error.
func (b *Backend) RunFaults(ctx context.Context, faults []Fault) error {
	return b.runFaults(ctx, faults, func() {})
}

// runFaults calls changed after every fault that comes or goes.
func (b *Backend) runFaults(ctx context.Context, faults []Fault, changed func()) error {
	if len(faults) > maxFaults {
		return badf("len(faults)", "at most %d", len(faults), maxFaults)
	}
	for _, f := range faults {
		if err := f.Validate(); err != nil {
			return err
		}
	}
	start := time.Now()
	errs := make([]error, len(faults))
	var wg sync.WaitGroup
	for i, f := range faults {
		wg.Go(func() { errs[i] = b.runFault(ctx, start, f, changed) })
	}
	wg.Wait()
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		return errs[i]
	}
	return nil
}

func (b *Backend) runFault(ctx context.Context, start time.Time, f Fault, changed func()) error {
	if err := sleep(ctx, time.Until(start.Add(f.At))); err != nil {
		return err
	}
	lift, err := b.InjectFault(f)
	if err != nil {
		return err
	}
	changed()
	defer changed()
	defer lift()
	return sleep(ctx, time.Until(start.Add(f.At+f.For)))
}

// sleep waits for d or for the end of ctx, whose error it returns then.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
