package resolve

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/profile"
	"github.com/landfall-dev/landfall/registry"
)

// Where on hosts a provider may have files; of these, not where agents have theirs.
var (
	providerRoots = []string{"usr/", "opt/", "etc/", "var/lib/"}
	agentRoot     = "var/lib/landfall"
)

// claimProvider notes whose the paths of a provider are, and refuses what it must not
// bring.
func (b *builder) claimProvider(l *profile.Layer, p profile.Provider, dir string) error {
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() {
		return atError(p.At, fmt.Errorf("%s: %w: want a folder whose paths are those on hosts, like usr/local/bin/kubelet", p.Path, registry.ErrInvalid))
	}
	of := &profile.Layer{Name: l.Name, Platforms: p.Platforms}
	if len(of.Platforms) == 0 {
		of.Platforms = l.Platforms
	}
	found := false
	err = fs.WalkDir(os.DirFS(dir), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		found = true
		if !slices.ContainsFunc(providerRoots, func(root string) bool { return strings.HasPrefix(name, root) }) || strings.HasPrefix(name, agentRoot) {
			return fmt.Errorf("%s: %w: %s would be /%s on hosts: want it below /usr, /opt, /etc or /var/lib, and not where the agent has its own", p.Path, registry.ErrInvalid, name, name)
		}
		// Its bytes are not read here: the same provider twice is the same, others are not.
		return b.claimFile(of, p.At, definition.Part{Path: p.Path + "/" + name, Target: "/" + name, Digest: digest.FromString(dir)})
	})
	if err == nil && !found {
		err = fmt.Errorf("%s: %w: there is no file in it", p.Path, registry.ErrInvalid)
	}
	if err != nil {
		return atError(p.At, err)
	}
	return nil
}
