module github.com/seawall-go/seawall/adapters/msgpackcodec

go 1.26.0

require (
	github.com/seawall-go/seawall v0.1.0
	github.com/vmihailenco/msgpack/v5 v5.4.1
)

require github.com/vmihailenco/tagparser/v2 v2.0.0 // indirect

replace github.com/seawall-go/seawall => ../..
