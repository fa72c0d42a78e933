package peers

import (
	"errors"
	"sync"

	"github.com/zeromicro/go-zero/core/load"
	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/core/stat"
	"github.com/zeromicro/go-zero/rest/handler"
)

// Both BBR-like libraries look at the CPU before anything else, which a
// benchmark keeps busy. These thresholds, in thousandths, pin what they see.
const (
	neverHot  = 1 << 20
	alwaysHot = 0
)

// quietGozero: by default it logs each refusal.
var quietGozero = sync.OnceFunc(func() {
	logx.Disable()
	logx.DisableStat()
	load.DisableLog()
	stat.DisableLog()
	stat.SetReporter(nil)
})

// gozeroScene is the shedder of its REST server. It refuses when the CPU is
// hot, and more are inside than its best throughput and latency account for:
// without any samples that is 10.
func gozeroScene(c Case) (*Scene, error) {
	quietGozero()
	threshold := int64(neverHot)
	if !c.admits() {
		threshold = alwaysHot
	}
	s := load.NewAdaptiveShedder(load.WithCpuThreshold(threshold))
	sc := &Scene{}
	if !c.admits() {
		var err error
		if sc.free, err = fillGozero(s); err != nil {
			return nil, err
		}
	}
	switch c {
	case HandlerAdmit, HandlerReject:
		sc.handler = handler.SheddingHandler(s, stat.NewMetrics("peers"))(nothing)
	default:
		sc.loop = func(n int) (admitted int) {
			for range n {
				p, err := s.Allow()
				if err != nil {
					continue
				}
				admitted++
				p.Pass()
			}
			return admitted
		}
	}
	return sc, nil
}

// fillGozero lets 200 in and a part of them out again: the average number
// inside, which counts, moves only when somebody leaves.
func fillGozero(s load.Shedder) (free func(), err error) {
	var held []load.Promise
	for range 200 {
		p, err := s.Allow()
		if err != nil {
			return nil, err
		}
		held = append(held, p)
	}
	for range 100 {
		held[0].Fail()
		held = held[1:]
	}
	if _, err := s.Allow(); err == nil {
		return nil, errors.New("it does not fill")
	}
	return func() {
		for _, p := range held {
			p.Fail()
		}
	}, nil
}
