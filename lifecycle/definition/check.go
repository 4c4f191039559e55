package definition

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/lifecycle/find"
	"github.com/landfall-dev/landfall/lifecycle/profile"
	"github.com/landfall-dev/landfall/lifecycle/variable"
	"github.com/landfall-dev/landfall/registry"
)

var (
	namePattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	// Names of layers of an included profile may have its name before them.
	layerPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?(/[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?)*$`)
)

const (
	maxVersion = 100
	// maxSize bounds a blob, in bytes: the sum over a document cannot overflow.
	maxSize = 1 << 42
	maxMode = 0o7777
	// maxTitle bounds what parts are called, in bytes: a wants file can list them.
	maxTitle = 1024
)

var (
	layerTypes = []profile.LayerType{profile.OS, profile.Kubernetes, profile.Network, profile.Storage, profile.Addon}
	policies   = []string{"inPlace", "drain", "reboot"}
)

// checker keeps the first thing that is wrong.
type checker struct {
	err    error
	layers map[string]bool // known so far
}

// check proves that a definition keeps the rules of docs/DEFINITION.md.
func check(d *Definition) error {
	c := &checker{layers: map[string]bool{}}
	c.head(d)
	c.variables(d)
	for i := range d.Layers {
		c.layer(fmt.Sprintf("layers[%d]", i), &d.Layers[i])
	}
	c.providers(d)
	for i := range d.Images {
		if c.err != nil {
			break
		}
		at := fmt.Sprintf("images[%d]", i)
		c.image(at, &d.Images[i])
		c.want(i == 0 || d.Images[i-1].Name < d.Images[i].Name, at+".name", "%q is out of order or there twice", d.Images[i].Name)
	}
	c.ascending("unused", d.Unused)
	for i, name := range d.Unused {
		c.imageName(fmt.Sprintf("unused[%d]", i), name)
	}
	for i := range d.Left {
		at := fmt.Sprintf("left[%d]", i)
		c.want(d.Left[i].Text != "" && d.Left[i].Why != "", at, "text and why are both wanted")
		c.reason(at, &d.Left[i].Reason)
	}
	return c.err
}

// want notes what is wrong unless ok.
func (c *checker) want(ok bool, path, format string, args ...any) {
	if !ok && c.err == nil {
		c.err = &fieldError{path, fmt.Sprintf(format, args...)}
	}
}

func (c *checker) head(d *Definition) {
	c.want(d.APIVersion == APIVersion, "apiVersion", "%.80q, want %s", d.APIVersion, APIVersion)
	c.want(d.Kind == Kind, "kind", "%.80q, want %s", d.Kind, Kind)
	c.want(namePattern.MatchString(d.Name), "name", "%.80q, want lower-case letters, digits and - between them, at most 63", d.Name)
	c.version("version", d.Version)
	_, err := registry.ParseName(d.Repository + ":" + tagOf(d.Version))
	c.want(err == nil && strings.Contains(d.Repository, "/") && !strings.Contains(d.Repository, "@"), "repository", "%.300q is not HOST/PATH of a repository", d.Repository)
	c.digest("profile", d.Profile)
	c.platforms("platforms", d.Platforms)
	if k := d.Kubernetes; k != nil {
		c.want(namePattern.MatchString(k.Distribution), "kubernetes.distribution", "%.80q is not a distribution", k.Distribution)
		c.version("kubernetes.version", k.Version)
	}
}

func (c *checker) version(at, version string) {
	c.want(len(version) <= maxVersion && variable.IsVersion(version), at, "%.120q is not a semantic version like 1.2.3", version)
}

func (c *checker) digest(at string, d digest.Digest) {
	_, err := registry.ParseDigest(d.String())
	c.want(err == nil, at, "%.80q is not a digest", d)
}

func (c *checker) size(at string, size int64) {
	c.want(0 <= size && size <= maxSize, at, "%d bytes", size)
}

func (c *checker) platforms(at string, list []string) {
	c.ascending(at, list)
	for i, text := range list {
		c.platform(fmt.Sprintf("%s[%d]", at, i), text)
	}
}

func (c *checker) platform(at, text string) {
	p, err := registry.ParsePlatform(text)
	c.want(err == nil && registry.PlatformString(p) == text, at, "%.80q is not a platform like linux/arm64", text)
}

func (c *checker) ascending(at string, list []string) {
	for i := range list {
		c.want(i == 0 || list[i-1] < list[i], fmt.Sprintf("%s[%d]", at, i), "%.120q is out of order or there twice", list[i])
	}
}

func (c *checker) variables(d *Definition) {
	groups, names := map[string]bool{}, map[string]bool{}
	for i, g := range d.Groups {
		at := fmt.Sprintf("groups[%d].name", i)
		c.want(g.Name != "" && !groups[g.Name], at, "%.80q is empty or there twice", g.Name)
		groups[g.Name] = true
	}
	for i, v := range d.Variables {
		at := fmt.Sprintf("variables[%d]", i)
		c.want(v.Name != "" && !names[v.Name], at+".name", "%.80q is empty or there twice", v.Name)
		names[v.Name] = true
		c.want(v.Group == "" || groups[v.Group], at+".group", "there is no group %.80q", v.Group)
		c.want(!v.Sensitive || v.Default == nil, at+".default", "a sensitive variable has none")
		if err := v.Validate(); err != nil {
			field, rule := at, (*variable.RuleError)(nil)
			if errors.As(err, &rule) {
				field = at + "." + rule.Rule
			}
			c.want(false, field, "%s", strings.ReplaceAll(err.Error(), "\n", "; "))
		}
	}
}

func (c *checker) layer(at string, l *Layer) {
	c.want(len(l.Name) <= 253 && layerPattern.MatchString(l.Name) && !c.layers[l.Name], at+".name", "%.80q is not a name of a layer, or there twice", l.Name)
	c.want(slices.Contains(layerTypes, l.Type), at+".type", "%.80q, want one of %q", l.Type, layerTypes)
	c.want(slices.Contains(policies, l.Upgrade.Policy), at+".upgrade.policy", "%.80q, want one of %q", l.Upgrade.Policy, policies)
	for i, name := range l.DependsOn {
		c.want(c.layers[name], fmt.Sprintf("%s.dependsOn[%d]", at, i), "no layer %.80q comes before", name)
	}
	c.layers[l.Name] = true
	c.platforms(at+".platforms", l.Platforms)
	for i := range l.Charts {
		c.chart(fmt.Sprintf("%s.charts[%d]", at, i), &l.Charts[i])
	}
	for i, p := range l.Manifests {
		at := fmt.Sprintf("%s.manifests[%d]", at, i)
		c.part(at, p, TypeManifest, TypeKustomize)
		c.want(p.Target == "" && p.Mode == 0, at, "target and mode are of files")
	}
	for i, p := range l.Files {
		at := fmt.Sprintf("%s.files[%d]", at, i)
		c.part(at, p, TypeFile, TypeFolder)
		c.want(p.Target == "" || path.IsAbs(p.Target) && path.Clean(p.Target) == p.Target, at+".target", "%.200q is not an absolute path, without detours", p.Target)
		c.want(p.Mode <= maxMode, at+".mode", "%#o is more than %#o", p.Mode, maxMode)
	}
	for i := range l.Providers {
		p, at := &l.Providers[i], fmt.Sprintf("%s.providers[%d]", at, i)
		c.want(namePattern.MatchString(p.Name), at+".name", "%.80q is not a name of a provider", p.Name)
		c.want(p.Version == "" || isTitle(p.Version), at+".version", "%.80q is longer than %d bytes, or not one line of text", p.Version, maxTitle)
		c.platforms(at+".platforms", p.Platforms)
		c.part(at, p.Part(), TypeProvider)
	}
	for i, name := range l.Images {
		c.imageName(fmt.Sprintf("%s.images[%d]", at, i), name)
	}
}

// providers proves that no host gets two of one name: the second would take the first out.
func (c *checker) providers(d *Definition) {
	layers := map[[2]string]string{} // by platform and name of the provider
	for i := range d.Layers {
		l := &d.Layers[i]
		for j, p := range l.Providers {
			for _, platform := range d.Platforms {
				if !isFor(l.Platforms, platform) || !isFor(p.Platforms, platform) {
					continue
				}
				key := [2]string{platform, p.Name}
				other, taken := layers[key]
				c.want(!taken, fmt.Sprintf("layers[%d].providers[%d].name", i, j), "provider %s for %s is in layer %s and in layer %s", p.Name, platform, other, l.Name)
				layers[key] = l.Name
			}
		}
	}
}

// isFor reports whether something with these platforms is for hosts of one; none are all.
func isFor(platforms []string, platform string) bool {
	return len(platforms) == 0 || slices.Contains(platforms, platform)
}

func (c *checker) part(at string, p Part, types ...string) {
	c.want(isTitle(p.Path), at+".path", "%.80q is empty, longer than %d bytes, or not one line of text", p.Path, maxTitle)
	c.want(slices.Contains(types, p.MediaType), at+".mediaType", "%.120q, want one of %q", p.MediaType, types)
	c.digest(at+".digest", p.Digest)
	c.size(at+".size", p.Size)
}

func (c *checker) chart(at string, h *Chart) {
	for _, f := range []struct{ name, text string }{{"name", h.Name}, {"version", h.Version}, {"release", h.Release}, {"namespace", h.Namespace}} {
		c.want(isTitle(f.text), at+"."+f.name, "%.80q is empty, longer than %d bytes, or not one line of text", f.text, maxTitle)
	}
	origins := 0
	for _, o := range []string{h.Origin.OCI, h.Origin.Repository, h.Origin.Path} {
		if o != "" {
			origins++
		}
	}
	c.want(origins == 1, at+".origin", "want one of oci, repository and path")
	if h.Origin.Digest != "" {
		c.digest(at+".origin.digest", digest.Digest(h.Origin.Digest))
	}
	c.digest(at+".digest", h.Digest)
	c.size(at+".size", h.Size)
	for i, s := range h.ValueSets {
		c.want(s.Name != "", fmt.Sprintf("%s.valueSets[%d].name", at, i), "it is empty")
	}
}

func (c *checker) imageName(at, name string) registry.Ref {
	ref, err := registry.ParseRef(name)
	c.want(err == nil && ref.String() == name, at, "%.300q is not the whole name of an image", name)
	return ref
}

func (c *checker) image(at string, m *Image) {
	ref := c.imageName(at+".name", m.Name)
	c.digest(at+".digest", m.Digest)
	c.want(ref.Digest == "" || ref.Digest == m.Digest, at+".digest", "%s, and its name says %s", m.Digest, ref.Digest)
	c.platforms(at+".platforms", m.Platforms)
	root := false
	for i := range m.Manifests {
		if c.err != nil {
			break
		}
		at := fmt.Sprintf("%s.manifests[%d]", at, i)
		c.manifest(at, &m.Manifests[i])
		c.want(i == 0 || m.Manifests[i-1].Digest < m.Manifests[i].Digest, at+".digest", "%s is out of order or there twice", m.Manifests[i].Digest)
		root = root || m.Manifests[i].Digest == m.Digest
	}
	c.want(root, at+".manifests", "%s, which is the image, is not among them", m.Digest)
	c.want(len(m.Why) > 0, at+".why", "there is no reason why the image is there")
	best := len(find.Sures)
	for i := range m.Why {
		c.reason(fmt.Sprintf("%s.why[%d]", at, i), &m.Why[i])
		best = min(best, m.Why[i].Sure.Rank())
	}
	c.want(best < 0 || best == len(find.Sures) || m.Sure == find.Sures[best], at+".sure", "%.80q is not the best of its reasons", m.Sure)
}

func (c *checker) manifest(at string, m *Manifest) {
	c.digest(at+".digest", m.Digest)
	c.want(registry.IsManifest(m.MediaType), at+".mediaType", "%.120q is not of a manifest", m.MediaType)
	c.want(0 < m.Size && m.Size <= registry.MaxManifestSize, at+".size", "%d bytes", m.Size)
	if m.Platform != "" {
		c.platform(at+".platform", m.Platform)
	}
	c.want(m.Tag == "" || registry.ValidTag(m.Tag), at+".tag", "%.140q is not a tag", m.Tag)
	if m.Subject != "" {
		c.digest(at+".subject", m.Subject)
	}
	c.want(len(m.Blobs) == 0 || !registry.IsIndex(m.MediaType), at+".blobs", "an index has none")
	for i, b := range m.Blobs {
		at := fmt.Sprintf("%s.blobs[%d]", at, i)
		c.digest(at+".digest", b.Digest)
		c.size(at+".size", b.Size)
	}
}

func (c *checker) reason(at string, r *Reason) {
	c.want(c.layers[r.Layer], at+".layer", "there is no layer %.80q", r.Layer)
	c.want(r.Rule != "", at+".rule", "it is empty")
	c.want(r.Line >= 0, at+".line", "%d", r.Line)
	c.want(r.Sure.Rank() >= 0, at+".sure", "%.80q, want one of %q", r.Sure, find.Sures)
}

// isTitle: a name that can be shown on one line, and listed.
func isTitle(text string) bool {
	return text != "" && len(text) <= maxTitle && !strings.ContainsFunc(text, unicode.IsControl)
}

// tagOf is a version as a tag, which cannot have the + of build metadata.
func tagOf(version string) string { return strings.ReplaceAll(cmp.Or(version, "0"), "+", "_") }
