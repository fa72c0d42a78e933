package otterstore

import (
	"testing"

	"github.com/seawall-go/seawall/cache"
	"github.com/seawall-go/seawall/seawalltest/cachetest"
)

func TestConformance(t *testing.T) {
	for name, config := range map[string]func(entries int) Config{
		"entries": func(entries int) Config { return Config{MaxEntries: entries} },
		"bytes":   func(entries int) Config { return Config{MaxBytes: int64(entries) * (cachetest.L1Cost + 120)} },
	} {
		t.Run(name, func(t *testing.T) {
			cachetest.L1(t, func(t *testing.T, entries int) cache.L1[string, int] {
				l1, err := New[string, int](config(entries))
				if err != nil {
					t.Fatal(err)
				}
				return l1
			})
		})
	}
}
