module github.com/seawall-go/seawall/adapters/protocodec

go 1.26.0

require (
	github.com/seawall-go/seawall v0.1.0
	google.golang.org/protobuf v1.36.12
)

replace github.com/seawall-go/seawall => ../..
