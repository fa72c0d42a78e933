package peers

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"sync"
	"time"

	gregjones "github.com/gregjones/httpcache"
	victorspringer "github.com/victorspringer/http-cache"
	"github.com/victorspringer/http-cache/adapter/memory"

	"github.com/seawall-go/seawall/cache/httpcache"
)

func seawallPages(c Case) (*Scene, error) {
	h, err := httpcache.New(httpcache.Config{})
	if err != nil {
		return nil, err
	}
	sc := paged(c, h.Middleware(page), func() { _ = h.Close(context.Background()) })
	switch c {
	case HTTPHit:
		sc.count = func() uint64 { return h.Stats().Hits }
	case HTTPCoalesce:
		sc.count = sc.coalesced.served
	default:
		sc.count = func() uint64 { return h.Stats().Stored }
	}
	return sc, nil
}

// mostPages is after how many pages a cache is emptied that has no bound, or one
// that is dear: to find which one has to go, victorspringer decodes them all.
const mostPages = 8192

// victorspringerPages: of what handlers say about caching it knows nothing.
func victorspringerPages(c Case) (*Scene, error) {
	kept := &boundedAdapter{}
	if err := kept.clear(); err != nil {
		return nil, err
	}
	client, err := victorspringer.NewClient(victorspringer.ClientWithAdapter(kept), victorspringer.ClientWithTTL(time.Hour))
	if err != nil {
		return nil, err
	}
	return paged(c, client.Middleware(page), nil), nil
}

type boundedAdapter struct {
	mu sync.RWMutex
	victorspringer.Adapter
	stored int
}

func (a *boundedAdapter) clear() (err error) {
	a.Adapter, err = memory.NewAdapter(memory.AdapterWithAlgorithm(memory.LRU), memory.AdapterWithCapacity(2*mostPages))
	return err
}

func (a *boundedAdapter) inner() victorspringer.Adapter {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.Adapter
}

func (a *boundedAdapter) Get(key uint64) ([]byte, bool) { return a.inner().Get(key) }
func (a *boundedAdapter) Release(key uint64)            { a.inner().Release(key) }

// Set is called by hits, too.
func (a *boundedAdapter) Set(key uint64, response []byte, expiration time.Time) {
	inner := a.inner()
	if _, there := inner.Get(key); !there {
		a.mu.Lock()
		if a.stored++; a.stored > mostPages {
			_ = a.clear() // the same options have worked before
			a.stored = 1
		}
		inner = a.Adapter
		a.mu.Unlock()
	}
	inner.Set(key, response, expiration)
}

func gregjonesPages(c Case) (*Scene, error) {
	return paged(c, proxied(&gregjones.Transport{Transport: newRemote(), Cache: &boundedCache{MemoryCache: gregjones.NewMemoryCache()}}), nil), nil
}

type boundedCache struct {
	mu sync.RWMutex
	*gregjones.MemoryCache
	stored int
}

func (b *boundedCache) Get(key string) ([]byte, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.MemoryCache.Get(key)
}

func (b *boundedCache) Set(key string, response []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stored++; b.stored > mostPages {
		b.MemoryCache, b.stored = gregjones.NewMemoryCache(), 1
	}
	b.MemoryCache.Set(key, response)
}

func (b *boundedCache) Delete(key string) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	b.MemoryCache.Delete(key)
}

// proxied hands out what a transport brings, with the least that a proxy does.
func proxied(t http.RoundTripper) http.Handler {
	buffers := sync.Pool{New: func() any { return new([4096]byte) }}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Scheme, r.URL.Host = "http", r.Host
		resp, err := t.RoundTrip(r)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		maps.Copy(w.Header(), resp.Header)
		w.WriteHeader(resp.StatusCode)
		buf := buffers.Get().(*[4096]byte)
		defer buffers.Put(buf)
		_, _ = io.CopyBuffer(w, resp.Body, buf[:]) // the writer counts
	})
}

func newBody() io.ReadCloser { return io.NopCloser(onlyReader{bytes.NewReader(aPage)}) }

// onlyReader hides that it could write itself, as the body from a connection can't.
type onlyReader struct{ io.Reader }
