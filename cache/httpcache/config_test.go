package httpcache

import (
	"context"
	"errors"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache"
)

// smallL1 takes less to make than one bounded by memory.
func smallL1() cache.L1[Key, *Response] {
	return seawall.Must(cache.LRU[Key, *Response](10))
}

// TestConfigErrors: each bad value has an error that names the field and the value.
func TestConfigErrors(t *testing.T) {
	depot := newDepot()
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{MaxBytes: -1}, "MaxBytes must be at least 2097152 (got -1)"},
		{Config{MaxBytes: 2<<20 - 1}, "MaxBytes must be at least 2097152 (got 2097151)"},
		{Config{MaxBytes: 64 << 20, L1: smallL1()}, "MaxBytes must be 0 with L1 (got 67108864)"},
		{Config{MaxTags: -1}, "MaxTags must be positive (got -1)"},
		{Config{MaxBody: -1}, "MaxBody must be from 1 to 1073741824 (got -1)"},
		{Config{MaxBody: 1<<30 + 1}, "MaxBody must be from 1 to 1073741824 (got 1073741825)"},
		{Config{MaxBytes: 24 << 20, MaxBody: 1<<20 + 1}, "MaxBody must be at most a 24th of MaxBytes, 1048576 (got 1048577 with 25165824)"},
		{Config{MaxBody: 1 << 30}, "MaxBody must be at most a 24th of MaxBytes, 2796202 (got 1073741824 with 67108864)"},
		{Config{MaxVariants: -1}, "MaxVariants must be from 1 to 1024 (got -1)"},
		{Config{MaxVariants: 1025}, "MaxVariants must be from 1 to 1024 (got 1025)"},
		{Config{MaxRefreshes: -2}, "MaxRefreshes must be from 1 to 1048576 (got -2)"},
		{Config{PurgeDepth: -2}, "PurgeDepth must be from 1 to 16 (got -2)"},
		{Config{PurgeDepth: 17}, "PurgeDepth must be from 1 to 16 (got 17)"},
		{Config{Statuses: []int{200, 206}}, "Statuses must be from 200 to 599 without 206 and 304 (got 206)"},
		{Config{Statuses: []int{304}}, "Statuses must be from 200 to 599 without 206 and 304 (got 304)"},
		{Config{Statuses: []int{199}}, "Statuses must be from 200 to 599 without 206 and 304 (got 199)"},
		{Config{Statuses: []int{600}}, "Statuses must be from 200 to 599 without 206 and 304 (got 600)"},
		{Config{Heuristic: -1}, "Heuristic must be from 0 to 1 (got -1)"},
		{Config{Heuristic: 1.5}, "Heuristic must be from 0 to 1 (got 1.5)"},
		{Config{Heuristic: math.NaN()}, "Heuristic must be from 0 to 1 (got NaN)"},
		{Config{Heuristic: math.Inf(1)}, "Heuristic must be from 0 to 1 (got +Inf)"},
		{Config{Targets: []string{"CDN Cache"}}, `Targets must be names of fields (got "CDN Cache")`},
		{Config{KeyHeaders: []string{"X-Host", ""}}, `KeyHeaders must be names of fields (got "")`},
		{Config{TagFields: []string{"Tag:"}}, `TagFields must be names of fields (got "Tag:")`},
		{Config{TagFields: []string{strings.Repeat("é", 1000)}}, `TagFields must be names of fields (got "`},
		{Config{StaleIfError: -2}, "StaleIfError must be positive and at most 8760h0m0s (got -2ns)"},
		{Config{StaleIfError: longest + 1}, "StaleIfError must be positive and at most 8760h0m0s (got 8760h0m0.000000001s)"},
		{Config{StaleWhileRevalidate: -time.Second}, "StaleWhileRevalidate must be positive and at most 8760h0m0s (got -1s)"},
		{Config{Keep: -time.Second}, "Keep must be positive and at most 8760h0m0s (got -1s)"},
		{Config{ErrorPause: seawall.Off}, "ErrorPause must be positive and at most 8760h0m0s (got -1ns)"},
		{Config{MinReload: -time.Second}, "MinReload must be positive and at most 8760h0m0s (got -1s)"},
		{Config{HitForMiss: seawall.Off}, "HitForMiss must be positive and at most 8760h0m0s (got -1ns)"},
		{Config{Wait: seawall.Off}, "Wait must be positive and at most 8760h0m0s (got -1ns)"},
		{Config{LoadTimeout: seawall.Off}, "LoadTimeout must be positive and at most 8760h0m0s (got -1ns)"},
		{Config{LoadTimeout: longest}, "LoadTimeout must be positive and at most 720h0m0s (got 8760h0m0s)"},
		{Config{CacheStatus: "my cache"}, `CacheStatus must be a token that begins with a letter (got "my cache")`},
		{Config{CacheStatus: "1st"}, `CacheStatus must be a token that begins with a letter (got "1st")`},
		{Config{CacheStatus: "_x"}, `CacheStatus must be a token that begins with a letter (got "_x")`},
		{Config{CacheStatus: "caché"}, `CacheStatus must be a token that begins with a letter (got "caché")`},
		{Config{IgnoreQuery: []string{"utm_*", ""}}, `IgnoreQuery must be names of parameters (got "")`},
		{Config{IgnoreQuery: []string{"a=b"}}, `IgnoreQuery must be names of parameters (got "a=b")`},

		{Config{Shared: shared{L2: depot}}, `Name or Shared.Prefix must be set with Shared.L2 (got "default")`},
		{Config{Name: "pages", Shared: shared{Bus: depot}}, "Shared.Bus needs Shared.L2 (got none)"},
		{Config{Name: "pages", Shared: shared{L2: depot, Codec: cache.JSON[*Response]()}}, `Shared.Codec must not be set (got "json")`},
		{Config{Shared: shared{Codec: cache.JSON[*Response]()}}, `Shared.Codec must not be set (got "json")`},
		{Config{Shared: shared{L2: depot, Prefix: strings.Repeat("p", 201)}}, `Shared.Prefix must have at most 200 bytes (got "ppp`},
		{Config{Name: "pages", Shared: shared{L2: depot, LocalTTL: -time.Second}}, "Shared.LocalTTL must be positive and at most 720h0m0s (got -1s)"},
		{Config{Name: "pages", Shared: shared{L2: depot, Budget: -1}}, "Shared.Budget must be positive and at most 720h0m0s (got -1ns)"},
		{Config{Name: "pages", Shared: shared{L2: depot, Retry: -1}}, "Shared.Retry must be positive and at most 720h0m0s (got -1ns)"},
		{Config{Name: "pages", Shared: shared{L2: depot, LeaseTTL: -1}}, "Shared.LeaseTTL must be positive and at most 720h0m0s (got -1ns)"},
		{Config{Name: "pages", Shared: shared{L2: depot, LeaseWait: -1}}, "Shared.LeaseWait must be positive and at most 720h0m0s (got -1ns)"},
		{Config{Name: "pages", Shared: shared{L2: depot, MaxValue: -1}}, "Shared.MaxValue must be positive (got -1)"},
		{Config{Name: "pages", Shared: shared{L2: depot, MaxPending: -1}}, "Shared.MaxPending must be positive (got -1)"},
		{Config{Name: "pages", Shared: shared{L2: depot, CompressAbove: -2}}, "Shared.CompressAbove must be positive, or seawall.Off (got -2)"},
		{Config{Name: "pages", Shared: shared{L2: depot, EncodeKey: func(Key) string { return "" }}}, "Shared.EncodeKey and Shared.DecodeKey must both be set, or neither"},
	} {
		h, err := New(c.cfg)
		if err == nil {
			h.Close(context.Background())
			t.Errorf("no error, want %q", c.want)
			continue
		}
		if text := err.Error(); !strings.HasPrefix(text, "seawall/httpcache: ") || !strings.Contains(text, c.want) || len(text) > 200 {
			t.Errorf("got %q, want %q", text, c.want)
		}
	}
}

// TestConfigAllErrors: who has made two mistakes hears of both.
func TestConfigAllErrors(t *testing.T) {
	_, err := New(Config{Wait: -1, MaxVariants: -1})
	if err == nil || !strings.Contains(err.Error(), "Wait") || !strings.Contains(err.Error(), "MaxVariants") {
		t.Error(err)
	}
}

// TestConfigBounds: what is just within them is right.
func TestConfigBounds(t *testing.T) {
	for name, cfg := range map[string]Config{
		"zero":  {},
		"least": {MaxBytes: 2 << 20, MaxBody: 1, MaxVariants: 1, MaxRefreshes: 1, PurgeDepth: 1, StaleIfError: 1, Keep: 1, ErrorPause: 1, Wait: 1, LoadTimeout: 1},
		"most": {
			L1: smallL1(), MaxBody: 1 << 30, MaxVariants: 1024, MaxRefreshes: 1 << 20, PurgeDepth: 16, StaleIfError: longest,
			StaleWhileRevalidate: longest, Keep: longest, ErrorPause: longest, MinReload: longest, HitForMiss: longest, Wait: longest,
			LoadTimeout: 30 * 24 * time.Hour, Heuristic: 1, Statuses: []int{200, 599},
		},
		"off": {
			L1: smallL1(), PurgeDepth: seawall.Off, StaleIfError: seawall.Off, StaleWhileRevalidate: seawall.Off, Keep: seawall.Off,
			MinReload: seawall.Off, CacheStatus: "off", Targets: []string{}, KeyHeaders: []string{}, TagFields: []string{}, Statuses: []int{},
		},
		"shared":    {Shared: shared{L2: newDepot(), Prefix: "p"}},
		"shared 2":  {Name: "n", Shared: shared{L2: newDepot(), CompressAbove: seawall.Off, MaxValue: 1}},
		"all query": {IgnoreQuery: []string{"*"}},
		"*status":   {CacheStatus: "Edge-1.example"},
	} {
		h, err := New(cfg)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := h.Close(context.Background()); err != nil {
			t.Errorf("%s: Close: %v", name, err)
		}
	}
}

// TestConfigDefaults: a zero field means what its comment ends with.
func TestConfigDefaults(t *testing.T) {
	cfg, err := Config{}.resolve()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string][2]any{
		"Name": {cfg.Name, "default"}, "MaxBytes": {cfg.MaxBytes, int64(64 << 20)}, "MaxBody": {cfg.MaxBody, int64(1 << 20)},
		"MaxVariants": {cfg.MaxVariants, 32}, "Heuristic": {cfg.Heuristic, 0.0}, "StaleIfError": {cfg.StaleIfError, 10 * time.Minute},
		"StaleWhileRevalidate": {cfg.StaleWhileRevalidate, time.Duration(0)}, "Keep": {cfg.Keep, time.Hour}, "ErrorPause": {cfg.ErrorPause, time.Second},
		"MinReload": {cfg.MinReload, time.Second}, "HitForMiss": {cfg.HitForMiss, time.Minute}, "Wait": {cfg.Wait, 10 * time.Second},
		"LoadTimeout": {cfg.LoadTimeout, 30 * time.Second}, "MaxRefreshes": {cfg.MaxRefreshes, 32}, "PurgeDepth": {cfg.PurgeDepth, 4},
		"CacheStatus": {cfg.CacheStatus, "seawall"}, "KeepTags": {cfg.KeepTags, false}, "ETag": {cfg.ETag, false}, "Responder": {cfg.Responder != nil, true},
	} {
		if c[0] != c[1] {
			t.Errorf("%s is %v, want %v", name, c[0], c[1])
		}
	}
	for name, c := range map[string][2][]string{
		"Targets":   {cfg.Targets, {"Seawall-Cache-Control", "Cdn-Cache-Control"}},
		"TagFields": {cfg.TagFields, {"Surrogate-Key", "Cache-Tag"}},
		"KeyHeaders": {cfg.KeyHeaders, {
			"X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Scheme", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Path",
			"X-Forwarded-Uri", "X-Forwarded-Server", "X-Host", "X-Original-Host", "X-Original-Url", "X-Original-Uri", "X-Rewrite-Url",
			"X-Http-Method", "X-Http-Method-Override", "X-Method-Override",
		}},
	} {
		if !slices.Equal(c[0], c[1]) {
			t.Errorf("%s are %q, want %q", name, c[0], c[1])
		}
		for _, field := range c[0] {
			if field != http.CanonicalHeaderKey(field) {
				t.Errorf("%s: %q would not be found", name, field)
			}
		}
	}
	if cfg, err = (Config{L1: smallL1()}).resolve(); err != nil || cfg.MaxBytes != 0 {
		t.Errorf("with an L1 of one's own MaxBytes is %d, %v", cfg.MaxBytes, err)
	}
	off, err := Config{
		StaleIfError: seawall.Off, StaleWhileRevalidate: seawall.Off, Keep: seawall.Off, MinReload: seawall.Off, PurgeDepth: seawall.Off,
		Targets: []string{}, KeyHeaders: []string{}, TagFields: []string{},
	}.resolve()
	if err = errors.Join(err); err != nil || off.StaleIfError|off.StaleWhileRevalidate|off.Keep|off.MinReload != 0 || off.PurgeDepth != 0 ||
		len(off.Targets)+len(off.KeyHeaders)+len(off.TagFields) != 0 {
		t.Errorf("%+v, %v", off, err)
	}
}

// TestConfigIsCopied: names are found in any form, and what becomes of the caller's
// slices later is no matter.
func TestConfigIsCopied(t *testing.T) {
	given := []string{"x-theirs", "CACHE-TAG"}
	cfg, err := Config{TagFields: given, KeyHeaders: given, Targets: given}.resolve()
	given[0] = "changed"
	if err != nil || !slices.Equal(cfg.TagFields, []string{"X-Theirs", "Cache-Tag"}) {
		t.Errorf("%q, %v", cfg.TagFields, err)
	}
	ignored := []string{"fbclid"}
	h := newCache(t, Config{L1: smallL1(), IgnoreQuery: ignored})
	ignored[0] = "id"
	if !h.ignored("fbclid=1") || h.ignored("id=1") {
		t.Errorf("IgnoreQuery is %q", h.ignore)
	}
}

// TestConfigStatuses: which statuses are kept.
func TestConfigStatuses(t *testing.T) {
	kept := func(cfg Config) (list []int) {
		cfg.L1 = smallL1()
		h := newCache(t, cfg)
		for status, is := range h.statuses {
			if is {
				list = append(list, status)
			}
		}
		return list
	}
	all := kept(Config{})
	for _, c := range []struct {
		status int
		kept   bool
	}{{200, true}, {203, true}, {206, false}, {301, true}, {304, false}, {404, true}, {410, true}, {400, false}, {401, false}, {403, false}, {405, true},
		{413, false}, {414, true}, {422, false}, {424, false}, {429, false}, {451, true}, {499, true}, {500, false}, {503, false}} {
		if slices.Contains(all, c.status) != c.kept {
			t.Errorf("by default %d is kept: %v", c.status, !c.kept)
		}
	}
	if some := kept(Config{Statuses: []int{404, 503}}); !slices.Equal(some, []int{404, 503}) {
		t.Errorf("of two: %v", some)
	}
	if none := kept(Config{Statuses: []int{}}); none != nil {
		t.Errorf("of none: %v", none)
	}
}
