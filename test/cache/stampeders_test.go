package cachetest

import (
	"context"
	"time"

	"github.com/Yiling-J/theine-go"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/jellydator/ttlcache/v3"
	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/singleflight"

	"github.com/seawall-go/seawall"
)

//house:sleep libraries forget by the clock

// stampeder is a library with what its users put in front of a slow source.
type stampeder struct {
	name string
	make func(l *loader) crowd
}

// brief is a TTL that a test can wait for.
const brief = 30 * time.Millisecond

var stampeders = []stampeder{
	{"seawall", seawallCrowd},
	{"golang-lru", lruCrowd(func(_ string, load func() (string, error)) (string, error) { return load() })},
	{"golang-lru, x/sync", func(l *loader) crowd {
		var g singleflight.Group
		return lruCrowd(func(key string, load func() (string, error)) (string, error) {
			v, err, _ := g.Do(key, func() (any, error) { return load() })
			s, _ := v.(string)
			return s, err
		})(l)
	}},
	{"otter", func(l *loader) crowd {
		return otterCrowd(l, &otter.Options[string, string]{MaximumSize: 100, ExpiryCalculator: otter.ExpiryWriting[string, string](brief)})
	}},
	{"otter, refresh", func(l *loader) crowd {
		return otterCrowd(l, &otter.Options[string, string]{MaximumSize: 100, RefreshCalculator: otter.RefreshWriting[string, string](brief)})
	}},
	{"theine", theineCrowd},
	{"ttlcache, suppressed", ttlcacheCrowd},
}

// dated is how users of golang-lru have a TTL.
type dated struct {
	value string
	until time.Time
}

func lruCrowd(flight func(key string, load func() (string, error)) (string, error)) func(*loader) crowd {
	return func(l *loader) crowd {
		c := seawall.Must(lru.New[string, dated](100))
		return crowd{
			get: func(ctx context.Context, key string) (string, error) {
				if d, ok := c.Get(key); ok && time.Now().Before(d.until) {
					return d.value, nil
				}
				return flight(key, func() (string, error) {
					v, err := l.load(ctx)
					if err == nil {
						c.Add(key, dated{v, time.Now().Add(time.Hour)})
					}
					return v, err
				})
			},
			expired: func(key string) { c.Add(key, dated{"value", time.Now()}) },
			end:     c.Purge,
		}
	}
}

func otterCrowd(l *loader, options *otter.Options[string, string]) crowd {
	c := seawall.Must(otter.New(options))
	load := otter.LoaderFunc[string, string](func(ctx context.Context, _ string) (string, error) { return l.load(ctx) })
	return crowd{
		get: func(ctx context.Context, key string) (string, error) { return c.Get(ctx, key, load) },
		expired: func(key string) {
			c.Set(key, "value")
			time.Sleep(brief + 5*time.Millisecond)
		},
		end: func() { c.StopAllGoroutines() },
	}
}

func theineCrowd(l *loader) crowd {
	c := seawall.Must(theine.NewBuilder[string, string](100).Loading(func(ctx context.Context, _ string) (theine.Loaded[string], error) {
		v, err := l.load(ctx)
		return theine.Loaded[string]{Value: v, Cost: 1, TTL: time.Hour}, err
	}).Build())
	return crowd{
		get: c.Get,
		expired: func(key string) {
			c.SetWithTTL(key, "value", 1, brief)
			time.Sleep(brief + 5*time.Millisecond)
		},
		end: c.Close,
	}
}

func ttlcacheCrowd(l *loader) crowd {
	c := ttlcache.New(ttlcache.WithTTL[string, string](time.Hour))
	load := ttlcache.WithLoader[string, string](ttlcache.NewSuppressedLoader(ttlcache.LoaderFunc[string, string](
		func(c *ttlcache.Cache[string, string], key string) *ttlcache.Item[string, string] {
			v, _ := l.load(context.Background()) // it has no context
			return c.Set(key, v, ttlcache.DefaultTTL)
		}), nil))
	return crowd{
		get: func(_ context.Context, key string) (string, error) { return c.Get(key, load).Value(), nil },
		expired: func(key string) {
			c.Set(key, "value", brief)
			time.Sleep(brief + 5*time.Millisecond)
		},
		end: c.DeleteAll,
	}
}
