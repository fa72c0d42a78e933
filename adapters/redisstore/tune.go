package redisstore

import (
	"time"

	"github.com/redis/go-redis/v9"
)

// Tune sets what is zero in the options of a client to what suits a Store, and
// returns them:
//
//   - ContextTimeoutEnabled true: go-redis looks at no deadline otherwise, and a
//     call to a Redis that hangs takes 20 s (ReadTimeout, four times).
//   - MaxRetries -1, none: a script that ran and whose answer was lost would
//     take its tokens twice. Whoever calls the Store tries again by himself.
//   - DialTimeout 1 s and DialerRetries 1, instead of 5 s five times: a refused
//     connection is known at once, and not when the deadline passes.
//   - ReadTimeout and WriteTimeout 1 s, instead of 5: for a context that has no
//     deadline.
//   - PoolSize 500, which takes 300 KiB: connections are made as they are needed,
//     and calls are few. But after as many failed dials as that, go-redis dials
//     but once a second, and finds a Redis that is back that much later. Its
//     default is 10 a processor.
//
// All but one may be set otherwise by hand; New insists on ContextTimeoutEnabled.
func Tune(o *redis.UniversalOptions) *redis.UniversalOptions {
	o.ContextTimeoutEnabled = true
	orInt(&o.MaxRetries, -1)
	orTime(&o.DialTimeout, time.Second)
	orInt(&o.DialerRetries, 1)
	orTime(&o.ReadTimeout, time.Second)
	orTime(&o.WriteTimeout, time.Second)
	orInt(&o.PoolSize, 500)
	return o
}

func orInt(field *int, value int) {
	if *field == 0 {
		*field = value
	}
}

func orTime(field *time.Duration, value time.Duration) {
	if *field == 0 {
		*field = value
	}
}
