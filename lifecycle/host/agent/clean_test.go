package agent

import (
	"testing"

	"github.com/landfall-dev/landfall/lifecycle/host"
)

// A host that is cleaned is what it was before: files of others are back, folders that
// were made are gone. Cleaning it again is done.
func TestClean(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.write("/etc/app.conf", "of the host", 0o640)
	k.done(host.Op{ID: "f1", Files: &host.Files{Put: []host.File{
		{Path: "/etc/app.conf", Content: []byte("ours")},
		{Path: "/etc/made/deep/file", Content: []byte("ours")},
	}}})
	k.done(k.provider("p1", "1.0.0", k.blob(first(t))))
	for _, id := range []string{"c1", "c2"} {
		k.done(host.Op{ID: id, Clean: &host.Clean{}})
		if k.read("/etc/app.conf") != "of the host" || k.read("/usr/bin/kubelet") != "absent" || k.agent.tree.exists("/etc/made") {
			t.Errorf("%s: %q, %q, made: %v", id, k.read("/etc/app.conf"), k.read("/usr/bin/kubelet"), k.agent.tree.exists("/etc/made"))
		}
	}
	if list := k.agent.Providers(); len(list) != 0 {
		t.Errorf("providers %+v", list)
	}
}
