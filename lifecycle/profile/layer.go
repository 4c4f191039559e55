package profile

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/landfall-dev/landfall/internal/strictyaml"
	"github.com/landfall-dev/landfall/registry"
)

// layerTypes are the types in their order.
var layerTypes = []LayerType{OS, Kubernetes, Network, Storage, Addon}

// node is a layer that has no place in the order yet.
type node struct {
	Layer
	dependsOn []dependency // as written
	needs     []edge       // the same, resolved
	document  *document    // that it is written in
}

// dependency is a name in dependsOn.
type dependency struct {
	name   string
	field  strictyaml.Field
	in     *document // that the field is in
	forAll bool      // it is of a layer that stands for several: those that can have it do
}

// edge is a layer that another one depends on, and why.
type edge struct {
	to  *node
	dep dependency
}

// named are the layers of an included profile, and the layer that stands for them.
type named struct {
	name  string
	nodes []*node
}

func (d *document) layers(f strictyaml.Field) {
	var last *node
	list := d.listOf(f)
	if len(list) > MaxLayers {
		d.fail(f, "%d layers, and at most %d can be", len(list), MaxLayers)
		return
	}
	for _, l := range list {
		n := d.layer(l)
		if n == nil || n.rank() < 0 {
			continue
		}
		if last != nil && n.rank() < last.rank() {
			d.fail(l, "layer %s of type %s comes after layer %s of type %s (%s); the order is os, kubernetes, network, storage, addon",
				n.Name, n.Type, last.Name, last.Type, last.At)
		}
		last = n
	}
}

// listOf is the elements of a list of at least one.
func (d *document) listOf(f strictyaml.Field) []strictyaml.Field {
	list, err := f.List()
	if err == nil && len(list) == 0 {
		err = f.Errorf("an empty list: there would be nothing")
	}
	d.wrong(err)
	return list
}

// layer reads a layer; nil when it stands for an included profile.
func (d *document) layer(f strictyaml.Field) *node {
	n := &node{Layer: Layer{At: d.place(f)}, document: d}
	var include *inclusion
	fields := d.object(f, d.layerParts(n, &include)...)
	d.needs(f, fields, "name", "app")
	if _, ok := fields["type"]; !ok {
		n.Type = Addon
	}
	name := fields["name"]
	if at, twice := d.own[n.Name]; twice {
		d.fail(name, "layer %s is there twice, first at %s; give it another name", n.Name, at)
		n.Name = ""
	}
	if n.Name != "" {
		d.own[n.Name] = n.At
	}
	if at, ok := fields["profile"]; ok {
		for name, other := range fields {
			if name != "name" && name != "profile" && name != "dependsOn" {
				d.fail(other, "a layer that stands for another profile has name, profile and dependsOn only; change it there")
			}
		}
		d.include(at, n, include)
		return nil
	}
	d.checkLayer(f, fields, n)
	if n.Name != "" {
		d.nodes = append(d.nodes, n)
		d.scope[n.Name] = []*node{n}
	}
	return n
}

func (d *document) layerParts(n *node, include **inclusion) []part {
	l := &n.Layer
	return []part{
		text(d, "name", &l.Name, parseLabel),
		text(d, "type", &l.Type, oneOf(layerTypes...)),
		d.prose("version", &l.Version, maxTitle),
		{"profile", func(f strictyaml.Field) { *include = d.inclusion(f) }},
		d.each("dependsOn", func(f strictyaml.Field) {
			name, err := strictyaml.Text(f, parseLine(maxTitle))
			if err == nil && name == n.Name {
				err = f.Errorf("layer %s cannot depend on itself; take it out", name)
			}
			if !d.wrong(err) {
				n.dependsOn = append(n.dependsOn, dependency{name: name, field: f, in: d})
			}
		}),
		texts(d, "platforms", &l.Platforms, parsePlatform),
		text(d, "namespace", &l.Namespace, parseLabel),
		{"kubernetes", func(f strictyaml.Field) { l.Distro = d.distro(f) }},
		{"chart", func(f strictyaml.Field) { l.Charts = append(l.Charts, d.chart(f)) }},
		d.each("charts", func(f strictyaml.Field) { l.Charts = append(l.Charts, d.chart(f)) }),
		d.each("manifests", func(f strictyaml.Field) { l.Manifests = append(l.Manifests, d.manifest(f)) }),
		d.each("images", func(f strictyaml.Field) { d.image(f, l) }),
		d.each("files", func(f strictyaml.Field) { l.Files = append(l.Files, d.fileOf(f)) }),
		d.each("providers", func(f strictyaml.Field) { l.Providers = append(l.Providers, d.provider(f)) }),
		d.each("imageRules", func(f strictyaml.Field) { l.ImageRules = append(l.ImageRules, d.imageRule(f)) }),
		d.each("ignore", func(f strictyaml.Field) { l.Ignore = append(l.Ignore, d.ignore(f)) }),
		{"upgrade", func(f strictyaml.Field) {
			d.object(f,
				text(d, "policy", &l.Upgrade.Policy, oneOf("inPlace", "drain", "reboot")),
				d.prose("notes", &l.Upgrade.Notes, maxProse))
		}},
	}
}

// checkLayer is what fields of a layer say of each other.
func (d *document) checkLayer(f strictyaml.Field, fields map[string]strictyaml.Field, n *node) {
	has := func(name string) bool { _, ok := fields[name]; return ok }
	content := []string{"kubernetes", "chart", "charts", "manifests", "images", "files", "providers"}
	if !slices.ContainsFunc(content, has) {
		d.fail(f, "there is nothing in it; add one of %s, or profile, or leave the layer out", strings.Join(content, ", "))
	}
	if has("chart") && has("charts") {
		d.fail(fields["chart"], "write it into charts, or charts into it: one of the two")
	}
	if k, ok := fields["kubernetes"]; ok && n.Type != Kubernetes {
		d.fail(k, "it belongs to a layer of type kubernetes, and this one is of type %s", n.Type)
	}
	if p, ok := fields["platforms"]; ok {
		d.limits = append(d.limits, limit{p, n.Platforms, ""})
	}
}

func (d *document) distro(f strictyaml.Field) *Distro {
	k := &Distro{At: d.place(f)}
	fields := d.object(f,
		text(d, "distribution", &k.Name, parseLabel),
		text(d, "version", &k.Version, parseVersion))
	d.needs(f, fields, "distribution", "kubeadm")
	d.needs(f, fields, "version", "1.36.3")
	return k
}

// manifest reads a path, or a path or kustomize with its name.
func (d *document) manifest(f strictyaml.Field) Manifest {
	m := Manifest{At: d.place(f)}
	if !f.IsFields() {
		if path, err := strictyaml.Text(f, d.parsePath); !d.wrong(err) {
			m.Path = path
		}
		return m
	}
	fields := d.object(f, text(d, "path", &m.Path, d.parsePath), text(d, "kustomize", &m.Kustomize, d.parsePath))
	if len(fields) != 1 {
		d.fail(f, "want path: of a file or folder, or kustomize: of a folder with a kustomization")
	}
	return m
}

func (d *document) image(f strictyaml.Field, l *Layer) {
	ref, err := strictyaml.Text(f, func(text string) (registry.Ref, error) {
		if strings.Contains(text, "${") {
			return registry.Ref{}, errors.New("no placeholders here: a profile names its images; charts may take theirs from values")
		}
		return registry.ParseRef(text)
	})
	if d.wrong(err) || slices.ContainsFunc(l.Images, func(i Image) bool { return i.Ref == ref }) {
		return
	}
	l.Images = append(l.Images, Image{ref, d.place(f)})
}

func (d *document) fileOf(f strictyaml.Field) File {
	file := File{At: d.place(f)}
	fields := d.object(f,
		text(d, "path", &file.Path, d.parsePath),
		text(d, "target", &file.Target, parseTarget),
		text(d, "mode", &file.Mode, parseMode))
	d.needs(f, fields, "path", "./files/sysctl.conf")
	return file
}

func (d *document) provider(f strictyaml.Field) Provider {
	p := Provider{At: d.place(f)}
	fields := d.object(f,
		text(d, "name", &p.Name, parseLabel),
		text(d, "version", &p.Version, parseLine(maxTitle)),
		text(d, "path", &p.Path, d.parsePath),
		texts(d, "platforms", &p.Platforms, parsePlatform))
	d.needs(f, fields, "name", "kubernetes")
	d.needs(f, fields, "path", "./provider/amd64")
	return p
}

func parseTarget(text string) (string, error) {
	if !strings.HasPrefix(text, "/") || slices.Contains(strings.Split(text, "/"), "..") || strings.HasSuffix(text, "/") || strings.Contains(text, "${") {
		return "", errors.New("want an absolute path on the host without .. and without a slash at the end, like /etc/sysctl.d/90-app.conf")
	}
	return text, nil
}

func parseMode(text string) (uint32, error) {
	n, err := strconv.ParseUint(text, 8, 32)
	if err != nil || n > 0o7777 || n == 0 || len(text) > 5 {
		return 0, errors.New(`want permission bits in octal, like "0644"`)
	}
	return uint32(n), nil
}

var (
	rulePattern = regexp.MustCompile(`\A[^\s${}]+\z`)
	kindPattern = regexp.MustCompile(`\A([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Z][A-Za-z0-9]*\z`)
)

func (d *document) imageRule(f strictyaml.Field) ImageRule {
	r := ImageRule{At: d.place(f)}
	fields := d.object(f,
		text(d, "kind", &r.Kind, matching(kindPattern, "want the kind of an object, like Prometheus or monitoring.coreos.com/Prometheus")),
		text(d, "path", &r.Path, matching(rulePattern, "want where the image is in the object, like spec.image or spec.containers[*].image")))
	d.needs(f, fields, "kind", "Prometheus")
	d.needs(f, fields, "path", "spec.image")
	return r
}

func matching(pattern *regexp.Regexp, wanted string) func(string) (string, error) {
	return func(text string) (string, error) {
		if len(text) > maxTitle || !pattern.MatchString(text) {
			return "", errors.New(wanted)
		}
		return text, nil
	}
}

func (d *document) ignore(f strictyaml.Field) Ignore {
	i := Ignore{At: d.place(f)}
	fields := d.object(f, text(d, "image", &i.Image, d.parseGlob), d.prose("reason", &i.Reason, maxProse))
	d.needs(f, fields, "image", `"example.com/**"`)
	if d.needs(f, fields, "reason", "why nothing runs it"); i.Reason == "" && fields["reason"].Path() != "" {
		d.fail(fields["reason"], "it is empty; say why nothing runs what is ignored")
	}
	return i
}

// parseGlob reads a glob over normalized names of repositories.
func (d *document) parseGlob(text string) (string, error) {
	_, err := d.compiler.Glob(text, func(example string) error {
		full, err := registry.NormalizeRepository(example)
		if err != nil {
			return fmt.Errorf("no image without tag is called so: %w", err)
		}
		if full != example {
			return fmt.Errorf("want the full name with its host, like %s", strings.ReplaceAll(full, "/0", "/*"))
		}
		return nil
	})
	return text, err
}
