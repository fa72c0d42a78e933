package msgpackcodec_test

import (
	"fmt"

	"github.com/seawall-go/seawall/adapters/msgpackcodec"
)

func ExampleNew() {
	type product struct {
		Name  string `msgpack:"name"`
		Price int    `msgpack:"price,omitempty"`
	}
	codec := msgpackcodec.New[product]()
	data, err := codec.Append(nil, product{Name: "shirt", Price: 39})
	if err != nil {
		fmt.Println(err)
		return
	}
	back, err := codec.Decode(data)
	fmt.Println(len(data), "bytes:", back.Name, back.Price, err)
	// Output: 19 bytes: shirt 39 <nil>
}
