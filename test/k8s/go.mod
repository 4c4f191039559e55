module github.com/landfall-dev/landfall/test/k8s

go 1.26.0

require (
	github.com/landfall-dev/landfall/test v0.0.0-00010101000000-000000000000
	github.com/vishvananda/netlink v1.3.1
	golang.org/x/net v0.55.0
	golang.org/x/sys v0.49.0
)

require github.com/vishvananda/netns v0.0.5 // indirect

replace github.com/landfall-dev/landfall/test => ..
