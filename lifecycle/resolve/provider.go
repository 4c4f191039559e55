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
	if err := b.claimName(l, p); err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() {
		return atError(p.At, fmt.Errorf("%s: %w: want a folder whose paths are those on hosts, like usr/local/bin/kubelet", p.Path, registry.ErrInvalid))
	}
	of := &profile.Layer{Name: l.Name, Platforms: hostsOf(l, p)}
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

// named is a provider and where the profile has it.
type named struct {
	layer     string
	platforms []registry.Platform // none: all
	at        profile.Place
}

func (n named) String() string { return fmt.Sprintf("layer %s, %s", n.layer, n.at) }

// claimName notes whose the name of a provider is: a host has one version of each, so
// that a second one would take the first out.
func (b *builder) claimName(l *profile.Layer, p profile.Provider) error {
	mine := named{l.Name, hostsOf(l, p), p.At}
	for _, other := range b.providers[p.Name] {
		if meet(other.platforms, mine.platforms) {
			return fmt.Errorf("%w: provider %s is in both %s and %s, for the same hosts: give one of them another name, or other platforms",
				registry.ErrConflict, p.Name, other, mine)
		}
	}
	b.providers[p.Name] = append(b.providers[p.Name], mine)
	return nil
}

// hostsOf are the platforms whose hosts a provider is for: its layer's, as far as it does not
// say less.
func hostsOf(l *profile.Layer, p profile.Provider) []registry.Platform {
	if len(p.Platforms) > 0 {
		return p.Platforms
	}
	return l.Platforms
}
