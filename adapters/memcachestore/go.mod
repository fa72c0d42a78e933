module github.com/seawall-go/seawall/adapters/memcachestore

go 1.26.0

require (
	github.com/bradfitz/gomemcache v0.0.0-20260422231931-4d751bb6e37c
	github.com/seawall-go/seawall v0.1.0
)

replace github.com/seawall-go/seawall => ../..
