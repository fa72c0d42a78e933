package spike_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/spike"
)

// What an idle backend takes is known without measuring it.
func ExampleService() {
	for _, s := range []spike.Service{
		spike.LogNormal(80*time.Millisecond, 0.6),
		spike.Bimodal(5*time.Millisecond, 0.9, 200*time.Millisecond),
	} {
		fmt.Println(s.Mean(), s.Quantile(0.5).Round(time.Millisecond), s.Quantile(0.99).Round(time.Millisecond))
	}
	fmt.Println(spike.Constant(time.Second).Draw(rand.New(rand.NewPCG(1, 2))))
	// Output:
	// 80ms 67ms 270ms
	// 24.5ms 5ms 200ms
	// 1s
}

// A schedule of faults: half of the slots are lost for a moment.
func ExampleBackend_RunFaults() {
	b, err := spike.NewBackend(spike.BackendConfig{Slots: 2, Service: spike.Constant(time.Millisecond)})
	if err != nil {
		panic(err)
	}
	err = b.RunFaults(context.Background(), []spike.Fault{
		{At: 0, For: 5 * time.Millisecond, Kind: spike.FaultCapacity, Value: 1},
		{At: 5 * time.Millisecond, For: 5 * time.Millisecond, Kind: spike.FaultSlow, Value: 4},
	})
	fmt.Println("healed:", err == nil)
	// Output: healed: true
}

// Work goes on when its client has gone, as in a database: Drain waits for it.
func ExampleBackend_Drain() {
	b, err := spike.NewBackend(spike.BackendConfig{Slots: 1, Service: spike.Constant(20 * time.Millisecond)})
	if err != nil {
		panic(err)
	}
	before := b.Stats()
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	fmt.Println(b.Target(nil)(ctx, &spike.Request{}))
	if err := b.Drain(context.Background()); err != nil {
		panic(err)
	}
	did := b.Stats().Sub(before)
	fmt.Println(did.Served, "served,", did.WastedRequests, "for nobody")
	// Output:
	// timed_out
	// 1 served, 1 for nobody
}

// Heal ends every fault, whoever began it.
func ExampleBackend_Heal() {
	b, err := spike.NewBackend(spike.BackendConfig{Slots: 1, Service: spike.Constant(time.Millisecond)})
	if err != nil {
		panic(err)
	}
	if _, err := b.Inject(spike.FaultErrors, 1); err != nil {
		panic(err)
	}
	fmt.Println(errors.Is(b.Serve(context.Background()), spike.ErrInjected))
	b.Heal()
	fmt.Println(b.Serve(context.Background()), b.Config().Slots)
	// Output:
	// true
	// <nil> 1
}

// The oracle has to be told when the backend changes.
func ExampleOracle_SetSlots() {
	o, err := spike.NewOracle(spike.OracleConfig{Slots: 1})
	if err != nil {
		panic(err)
	}
	o.SetSlots(2)
	for range 2 {
		if _, err := o.Acquire(context.Background(), seawall.Normal, 1); err != nil {
			panic(err)
		}
	}
	fmt.Println(o.Load())
	// Output: 2 0
}

// Records can be kept and analysed again.
func ExampleRecord_WriteTo() {
	load := spike.Load{Profile: spike.Steady(500), Duration: 20 * time.Millisecond, Journeys: spike.Journeys{Share: seawall.Off}}
	rec, err := load.Run(context.Background(), func(context.Context, *spike.Request) spike.Outcome { return spike.Success }, nil)
	if err != nil {
		panic(err)
	}
	var file bytes.Buffer
	if _, err := rec.WriteTo(&file); err != nil {
		panic(err)
	}
	again, err := spike.ReadRecord(&file)
	if err != nil {
		panic(err)
	}
	fmt.Println(len(again.Samples) == len(rec.Samples), again.Load.Users)
	// Output: true 20000
}

func ExampleProfile_WriteTo() {
	if _, err := spike.Step(100, 1000, time.Minute, time.Minute).WriteTo(os.Stdout); err != nil {
		panic(err)
	}
	// Output:
	// 0,100
	// 60,100
	// 60,1000
	// 120,1000
	// 120,100
}
