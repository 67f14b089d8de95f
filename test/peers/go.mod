module github.com/weir-data/weir/test/peers

go 1.26.8

replace github.com/weir-data/weir => ../..

require (
	github.com/twmb/franz-go/pkg/kmsg v1.15.0
	github.com/weir-data/weir v0.0.0
)
