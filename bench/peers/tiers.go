package peers

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	gocache "github.com/go-redis/cache/v9"
	"github.com/redis/go-redis/v9"

	"github.com/seawall-go/seawall/cache"
)

// Product is what a shop shows on a page: about 500 bytes of JSON.
type Product struct {
	ID          uint64            `json:"id"`
	SKU         string            `json:"sku"`
	Title       string            `json:"title"`
	Description string            `json:"description"`
	Cents       int64             `json:"cents"`
	Currency    string            `json:"currency"`
	Stock       int               `json:"stock"`
	Tags        []string          `json:"tags"`
	Attributes  map[string]string `json:"attributes"`
	Images      []string          `json:"images"`
	Updated     time.Time         `json:"updated"`
}

func product(i int) Product {
	return Product{
		ID: uint64(1_000_000 + i), SKU: fmt.Sprintf("SW-%05d-XL", i), Title: "Rain jacket for the coast",
		Description: "Keeps a wave out for an hour, and the wind for longer. Folds into its own pocket. " + strings.Repeat("Seams are taped. ", 4),
		Cents:       12_900, Currency: "EUR", Stock: 37,
		Tags:       []string{"jackets", "rain", "campaign-autumn"},
		Attributes: map[string]string{"size": "XL", "colour": "storm", "material": "recycled nylon"},
		Images:     []string{fmt.Sprintf("/i/%05d/front.webp", i), fmt.Sprintf("/i/%05d/back.webp", i)},
		Updated:    time.Date(2025, 9, 1, 12, 0, 0, 0, time.UTC),
	}
}

const products = 1000

// productScene reads products. get says whether it was the one.
func productScene(get func(key string, id uint64) bool) *Scene {
	keys, order := make([]string, products), popular(products)
	for i := range keys {
		keys[i] = productKey(i)
	}
	return &Scene{loop: func(n int) (hits int) {
		at := rand.IntN(len(order))
		for i := range n {
			k := order[(at+i)%asked]
			if get(keys[k], 1_000_000+k) {
				hits++
			}
		}
		return hits
	}}
}

func productKey(i int) string { return fmt.Sprintf("product:%05d", i) }

// mapL2 is an L2 that is not asked while L1 has everything.
type mapL2 struct{ kept sync.Map }

func (m *mapL2) Get(_ context.Context, keys []string, values [][]byte) (time.Time, error) {
	for i, k := range keys {
		if v, ok := m.kept.Load(k); ok {
			values[i], _ = v.([]byte)
		}
	}
	return time.Time{}, nil
}

func (m *mapL2) Set(_ context.Context, items []cache.Item) error {
	for _, i := range items {
		m.kept.Store(i.Key, i.Value)
	}
	return nil
}

func (m *mapL2) Delete(_ context.Context, keys []string) error {
	for _, k := range keys {
		m.kept.Delete(k)
	}
	return nil
}

// seawallTwoTiers has the products by value, as a caller gets them from
// go-redis/cache.
func seawallTwoTiers(e engine) (*Scene, error) {
	ctx := context.Background()
	cfg := cache.Config[string, Product]{Name: "products", TTL: time.Hour}
	cfg.Shared.L2, cfg.Shared.LocalTTL = &mapL2{}, time.Hour
	if err := below(&cfg, e, 2*products, func(n int) int64 { return int64(n) * 4096 }); err != nil {
		return nil, err
	}
	c, err := cache.New(cfg)
	if err != nil {
		return nil, err
	}
	for i := range products {
		if err := c.Set(ctx, productKey(i), product(i)); err != nil {
			return nil, errors.Join(err, c.Close(ctx))
		}
	}
	sc := productScene(func(key string, id uint64) bool {
		p, err := c.Get(ctx, key)
		return err == nil && p.ID == id
	})
	sc.count = func() uint64 { return c.Stats().Hits }
	sc.stop = func() { _ = c.Close(ctx) }
	return sc, nil
}

// goredisScene is as in the README of go-redis/cache, with a larger TinyLFU.
func goredisScene(Case) (*Scene, error) {
	client, stop, err := startRedis()
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	c := gocache.New(&gocache.Options{Redis: client, LocalCache: gocache.NewTinyLFU(10*products, time.Hour), StatsEnabled: true})
	for i := range products {
		if err := c.Set(&gocache.Item{Ctx: ctx, Key: productKey(i), Value: product(i), TTL: time.Hour}); err != nil {
			stop()
			return nil, fmt.Errorf("set: %w", err)
		}
	}
	var all atomic.Uint64
	sc := productScene(func(key string, id uint64) bool {
		var p Product
		return c.Get(ctx, key, &p) == nil && p.ID == id
	})
	loop := sc.loop
	sc.loop = func(n int) int {
		all.Add(uint64(n))
		return loop(n)
	}
	sc.count = func() uint64 { // those that Redis was not asked about
		s := c.Stats()
		return all.Load() - s.Hits - s.Misses
	}
	sc.stop = stop
	return sc, nil
}

// ErrNoRedis says how to come by one.
var ErrNoRedis = errors.New("there is no redis-server here: apt-get install -y --no-install-recommends redis-server")

// startRedis runs a Redis that keeps nothing on disk and listens to a socket in a
// folder of its own.
func startRedis() (*redis.Client, func(), error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, nil, ErrNoRedis
	}
	dir, err := os.MkdirTemp("", "seawall-peers-")
	if err != nil {
		return nil, nil, err
	}
	socket := filepath.Join(dir, "redis.sock")
	cmd := exec.CommandContext(context.Background(), program, //nolint:gosec // found in PATH by its name
		"--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", "--dir", dir)
	if err := cmd.Start(); err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: socket})
	stop := func() {
		_ = client.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = os.RemoveAll(dir)
	}
	for range 500 {
		if err = client.Ping(context.Background()).Err(); err == nil {
			return client, stop, nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	return nil, nil, fmt.Errorf("redis-server does not answer: %w", err)
}
