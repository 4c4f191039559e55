package agent

import (
	"testing"

	"github.com/landfall-dev/landfall/lifecycle/host"
)

// Another password of the source makes no other operation; another file does.
func TestIdentity(t *testing.T) {
	t.Parallel()
	files := func(contents ...string) *host.Op {
		op := &host.Op{ID: "x", Files: &host.Files{}}
		for _, c := range contents {
			op.Files.Put = append(op.Files.Put, host.File{Path: "/etc/containerd/certs.d/docker.io/hosts.toml", Content: []byte(c)})
		}
		return op
	}
	toml, yaml := "server = \"https://h/v2/edge\"\nAuthorization = \"Basic ", "    auth:\n      auth: \""
	first := identity(files(toml+"YTpi\"\n", yaml+"YTpi\"\n"))
	if identity(files(toml+"YTpjZA==\"\n", yaml+"YTpjZA==\"\n")) != first {
		t.Error("another password makes another operation")
	}
	if identity(files(toml+"YTpi\"\nx = 1\n", yaml+"YTpi\"\n")) == first {
		t.Error("another file makes the same operation")
	}
}
