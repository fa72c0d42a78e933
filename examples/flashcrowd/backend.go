package main

import (
	"fmt"
	"time"

	"github.com/seawall-go/seawall/spike"
)

// describe says in words what a backend is.
func describe(cfg spike.BackendConfig) string {
	return fmt.Sprintf("%d slots of %v: %s requests/s", cfg.Slots, round(cfg.Service.Mean()), thousands(cfg.Capacity()))
}

func round(d time.Duration) time.Duration {
	switch {
	case d >= 10*time.Second:
		return d.Round(time.Second)
	case d >= 10*time.Millisecond:
		return d.Round(time.Millisecond)
	}
	return d.Round(10 * time.Microsecond)
}
