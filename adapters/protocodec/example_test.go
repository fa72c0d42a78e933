package protocodec_test

import (
	"fmt"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/seawall-go/seawall/adapters/protocodec"
)

// Any type that protoc generates will do.
func ExampleNew() {
	codec := protocodec.New[*durationpb.Duration]()
	data, err := codec.Append(nil, &durationpb.Duration{Seconds: 90})
	if err != nil {
		fmt.Println(err)
		return
	}
	back, err := codec.Decode(data)
	fmt.Println(len(data), "bytes:", back.AsDuration(), err)
	// Output: 2 bytes: 1m30s <nil>
}
