module github.com/seawall-go/seawall

go 1.26.0

require golang.org/x/time v0.16.0

require github.com/sony/gobreaker/v2 v2.4.0
