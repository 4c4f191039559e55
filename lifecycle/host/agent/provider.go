package agent

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

// providerState is what is known of a provider on this host. Versions are by the
// hexadecimal part of their digest, which is the name of their folder too.
type providerState struct {
	Current  string                    `json:"current,omitempty"`
	Previous string                    `json:"previous,omitempty"`
	Versions map[string]host.Installed `json:"versions,omitempty"`
	// Placing is the version whose files are being put in place: until that has ended,
	// some of them may be there, and the current one is not whole.
	Placing string `json:"placing,omitempty"`
}

var label = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

func (a *Agent) providerDir(name string) string { return filepath.Join(a.data, "providers", name) }

func (a *Agent) versionDir(name string, d digest.Digest) string {
	return filepath.Join(a.providerDir(name), d.Encoded())
}

// install puts a version of a provider in place. It is fetched unless it is here from
// before; its files replace those in place one by one, so that programs that run keep
// what they have open; then those that only other versions had are taken away.
func (t *task) install(ctx context.Context, p *host.Provider) (any, error) {
	if !label.MatchString(p.Name) {
		return nil, fmt.Errorf("provider %q: %w: its name is no DNS label", p.Name, registry.ErrInvalid)
	}
	if _, err := registry.ParseDigest(string(p.Blob.Digest)); err != nil {
		return nil, fmt.Errorf("provider %s: %w", p.Name, err)
	}
	t.providers.Lock()
	defer t.providers.Unlock()
	state, err := t.loadProvider(p.Name)
	if err != nil {
		return nil, err
	}
	if t.inPlace(p, state) {
		return state.Versions[state.Current], nil
	}
	items, err := t.version(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("provider %s: %w", p.Name, err)
	}
	if p.Stage {
		return host.Installed{Name: p.Name, Version: p.Version, Digest: p.Blob.Digest, Installed: time.Now().UTC()}, nil
	}
	if err := t.replace(ctx, p, state, items); err != nil {
		return nil, fmt.Errorf("provider %s: %w", p.Name, err)
	}
	return state.Versions[state.Current], nil
}

// inPlace reports whether a version is the current one and its files look as they were
// put.
func (t *task) inPlace(p *host.Provider, state *providerState) bool {
	if state.Current != p.Blob.Digest.Encoded() || state.Placing != "" {
		return false
	}
	dir := t.versionDir(p.Name, p.Blob.Digest)
	items, err := loadItems(dir)
	return err == nil && !slices.ContainsFunc(items, func(i item) bool { return !t.looksLike(dir, i) })
}

func (t *task) looksLike(dir string, i item) bool {
	have, err := t.tree.lstat("/" + i.Path)
	switch {
	case err != nil:
		return false
	case i.Folder:
		return true // or a link to one
	case i.Link != "":
		local, err := t.tree.local("/" + i.Path)
		if err != nil {
			return false
		}
		target, err := t.tree.root.Readlink(local)
		return err == nil && target == i.Link
	}
	kept, err := os.Lstat(filepath.Join(dir, "tree", i.Path))
	return err == nil && have.Mode() == i.Mode && have.Size() == i.Size && kept.Size() == i.Size && have.ModTime().Equal(kept.ModTime())
}

// version makes sure that a version's files are whole in the agent's folder.
func (t *task) version(ctx context.Context, p *host.Provider) ([]item, error) {
	dir := t.versionDir(p.Name, p.Blob.Digest)
	if items, err := loadItems(dir); err == nil {
		if err := t.verify(ctx, dir, items); err == nil {
			return items, nil
		} else if ctx.Err() != nil {
			return nil, err
		}
		t.log.Warn("what was kept of a provider is damaged, and fetched again", "provider", p.Name, "digest", p.Blob.Digest)
	}
	blob, err := t.fetch(ctx, &p.Blob)
	if err != nil {
		return nil, err
	}
	defer os.Remove(blob)
	t.say("unpacking %s", p.Name)
	fresh := filepath.Join(t.data, "unpacked", t.id)
	items, err := t.unpackFile(ctx, blob, filepath.Join(fresh, "tree"))
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(fresh))
	}
	content, err := json.Marshal(items)
	if err != nil {
		return nil, err
	}
	if err := durable.WriteFile(filepath.Join(fresh, "list.json"), content, 0o600); err != nil {
		return nil, registry.DiskError(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if err := durable.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return nil, registry.DiskError(err)
	}
	return items, durable.Rename(fresh, dir)
}

func loadItems(dir string) (items []item, err error) {
	content, err := os.ReadFile(filepath.Join(dir, "list.json"))
	if err != nil {
		return nil, err
	}
	return items, json.Unmarshal(content, &items)
}

// verify holds kept files against their digests.
func (t *task) verify(ctx context.Context, dir string, items []item) error {
	tree := filepath.Join(dir, "tree")
	for _, i := range items {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := i.prove(tree); err != nil {
			return err
		}
		// A hard link shares its mode with the place: somebody may have changed it there.
		if !i.Folder && i.Link == "" {
			if err := os.Chmod(filepath.Join(tree, i.Path), i.Mode); err != nil {
				return err
			}
		}
	}
	return nil
}

// replace puts the files of a version in the place of those of others.
func (t *task) replace(ctx context.Context, p *host.Provider, state *providerState, items []item) error {
	state.Placing = p.Blob.Digest.Encoded()
	if err := t.saveProvider(p.Name, state); err != nil {
		return err
	}
	t.say("putting %s in place", p.Name)
	old, err := t.exchange(p, items)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(items, isUnit) || slices.ContainsFunc(old, isUnit) {
		if _, err := t.program(ctx, "systemctl", "daemon-reload"); err != nil {
			return err
		}
	}
	state.settle(p, time.Now())
	if err := t.saveProvider(p.Name, state); err != nil {
		return err
	}
	return t.dropVersions(p.Name, state)
}

// settle makes a version the current one, and forgets all but that and the one before.
func (s *providerState) settle(p *host.Provider, now time.Time) {
	next := p.Blob.Digest.Encoded()
	if s.Current != "" && s.Current != next {
		s.Previous = s.Current
	}
	if s.Previous == next {
		s.Previous = ""
	}
	s.Current, s.Placing = next, ""
	versions := map[string]host.Installed{
		next: {Name: p.Name, Version: p.Version, Digest: p.Blob.Digest, Current: true, Installed: now.UTC()},
	}
	if before, ok := s.Versions[s.Previous]; ok {
		before.Current = false
		versions[s.Previous] = before
	}
	s.Versions = versions
}

// exchange places the items, takes away what only other versions had, and returns that.
func (t *task) exchange(p *host.Provider, items []item) (old []item, err error) {
	t.files.Lock()
	defer t.files.Unlock()
	by := "provider " + p.Name
	if err := t.place(filepath.Join(t.versionDir(p.Name, p.Blob.Digest), "tree"), "/", items, by); err != nil {
		return nil, err
	}
	have := map[string]bool{}
	for _, i := range items {
		have["/"+i.Path] = true
	}
	o, err := t.loadOwned()
	if err != nil {
		return nil, err
	}
	var gone []string
	for path, f := range o.Files {
		if f.By == by && !have[path] {
			gone = append(gone, path)
			old = append(old, item{Path: strings.TrimPrefix(path, "/")})
		}
	}
	slices.Sort(gone)
	return old, t.release(gone)
}

func isUnit(i item) bool {
	dir := filepath.Dir("/" + i.Path)
	return !i.Folder && (within(dir, "/etc/systemd/system") || within(dir, "/usr/lib/systemd/system") ||
		within(dir, "/lib/systemd/system") || within(dir, "/usr/local/lib/systemd/system"))
}

// dropVersions removes all versions but the current and the one before, and what
// interrupted writes have left.
func (a *Agent) dropVersions(name string, state *providerState) error {
	entries, err := os.ReadDir(a.providerDir(name))
	if err != nil {
		return err
	}
	for _, e := range entries {
		interrupted := strings.HasPrefix(e.Name(), ".") // a write of the state
		if !interrupted && (!e.IsDir() || e.Name() == state.Current || e.Name() == state.Previous) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(a.providerDir(name), e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func (a *Agent) loadProvider(name string) (*providerState, error) {
	state := &providerState{}
	path := filepath.Join(a.providerDir(name), "state.json")
	content, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return state, nil
	}
	if err == nil {
		err = json.Unmarshal(content, state)
	}
	if err != nil {
		return nil, fmt.Errorf("provider %s: what is known of it: %w", name, err)
	}
	return state, nil
}

func (a *Agent) saveProvider(name string, state *providerState) error {
	content, err := json.Marshal(state)
	if err != nil {
		return err
	}
	if err := durable.MkdirAll(a.providerDir(name), 0o700); err != nil {
		return registry.DiskError(err)
	}
	return registry.DiskError(durable.WriteFile(filepath.Join(a.providerDir(name), "state.json"), content, 0o600))
}

// Providers are the versions of providers on this host, for its inventory.
func (a *Agent) Providers() (list []host.Installed) {
	entries, err := os.ReadDir(filepath.Join(a.data, "providers"))
	if err != nil {
		return nil
	}
	for _, e := range entries {
		state, err := a.loadProvider(e.Name())
		if err != nil {
			a.log.Warn("a provider's state cannot be read", "provider", e.Name(), "error", err)
			continue
		}
		for _, version := range []string{state.Current, state.Previous} {
			if i, ok := state.Versions[version]; ok {
				list = append(list, i)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b host.Installed) int { return cmp.Compare(a.Name, b.Name) })
	return list
}
