package agent

import (
	"reflect"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/lifecycle/host"
)

// Files that are gone or are otherwise are told, and nothing is changed by looking.
func TestCompare(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	put := host.Files{}
	want := host.Compare{}
	for _, name := range []string{"/etc/same", "/etc/changed", "/etc/gone"} {
		put.Put = append(put.Put, host.File{Path: name, Content: []byte(name)})
		want.Files = append(want.Files, host.FileSum{Path: name, Digest: digest.FromString(name)})
	}
	k.done(host.Op{ID: "put", Files: &put})
	k.write("/etc/changed", "by hand", 0o644)
	k.done(host.Op{ID: "rm", Files: &host.Files{Remove: []string{"/etc/gone"}}})
	r := k.done(host.Op{ID: "compare", Compare: &want})
	var got host.Compared
	k.must(r.Decode(&got))
	if !reflect.DeepEqual(got.Files, []host.FileState{{Path: "/etc/changed", State: "changed"}, {Path: "/etc/gone", State: "missing"}}) {
		t.Errorf("%+v", got)
	}
	if k.read("/etc/changed") != "by hand" || k.read("/etc/gone") != "absent" {
		t.Error("looking has changed files")
	}
}
