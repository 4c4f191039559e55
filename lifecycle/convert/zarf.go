package convert

import (
	"slices"
	"strings"
)

// What fields of a zarf.yaml are for, where a profile has no place for it.
var (
	zarfWhy = map[string]string{
		"build":         "what Zarf notes when it builds",
		"values":        "values that fill in templates of Zarf's, which are not run here; write them into those of charts",
		"documentation": "a profile carries no documentation",
	}
	zarfComponentWhy = map[string]string{
		"description":    "a layer has no description",
		"default":        "a profile brings up all of its layers; take out what should not be",
		"required":       "a profile brings up all of its layers; take out what should not be",
		"optional":       "a profile brings up all of its layers; take out what should not be",
		"group":          "a profile brings up all of its layers; take out what should not be",
		"import":         "a component of another package; convert that one, and include its profile as a layer",
		"repos":          "git repositories are not carried; say the charts and manifests in them by their paths",
		"repositories":   "git repositories are not carried; say the charts and manifests in them by their paths",
		"actions":        "commands are not run; what they pull or make has to be said as images, charts, manifests or files",
		"scripts":        "commands are not run; what they pull or make has to be said as images, charts, manifests or files",
		"dataInjections": "data is not copied into pods; put it into an image",
		"imageArchives":  "archives of images; push them to a registry, and say them as images",
		"extensions":     "say the charts of the extension",
		"healthChecks":   "what Zarf waits for; a profile does not say it",
		"cosignKeyPath":  "who has to have signed is in the site's trust policy",
		"stateAccess":    "templates of Zarf's are not run here",
		"service":        "templates of Zarf's are not run here",
	}
	zarfChartWhy = map[string]string{
		"values":           "values from values of the package; write them into the values of the chart",
		"noWait":           "an option of Helm; it changes nothing that is carried",
		"wait":             "an option of Helm; it changes nothing that is carried",
		"schemaValidation": "an option of Helm; it changes nothing that is carried",
		"serverSideApply":  "an option of Helm; it changes nothing that is carried",
		"templateValues":   "templates of Zarf's are not run here",
	}
	zarfManifestWhy = map[string]string{
		"name":                       "manifests in a profile have no name",
		"noWait":                     "it changes nothing that is carried",
		"wait":                       "it changes nothing that is carried",
		"serverSideApply":            "it changes nothing that is carried",
		"template":                   "templates of Zarf's are not run here; write what comes out of them",
		"enableKustomizePlugins":     "plugins of kustomize are not run",
		"kustomizeAllowAnyDirectory": "a kustomization stays in its folder; put what it needs there",
	}
)

// zarf reads a package, whose components become layers.
func (c *converter) zarf(docs []value) {
	c.templates = func(text string) bool { return strings.Contains(text, "###ZARF_") }
	if len(docs) != 1 {
		for _, d := range docs[min(1, len(docs)):] {
			c.fail(d, "a second document; a package is one")
		}
	}
	for _, d := range docs[:min(1, len(docs))] {
		if kind := peek(d, "kind"); kind != "ZarfPackageConfig" && kind != "ZarfInitConfig" {
			c.fail(d, "kind %.40q: want ZarfPackageConfig", kind)
			return
		}
		declared := c.zarfVariables(d)
		c.fields(d, map[string]reader{
			"kind": ignore, "apiVersion": ignore, "variables": ignore, "constants": ignore,
			"metadata": c.zarfMetadata,
			"components": func(v value) {
				for _, i := range c.items(v) {
					c.zarfComponent(i, declared)
				}
			},
		}, zarfWhy)
	}
	c.zarfOther()
}

// zarfOther takes out the components of architectures that the package is not of.
func (c *converter) zarfOther() {
	p := &c.profile
	p.layers = slices.DeleteFunc(p.layers, func(l *layer) bool {
		other := len(p.platforms) > 0 && len(l.platforms) > 0 && !slices.Equal(l.platforms, p.platforms)
		if other {
			c.drops(l.at, "left out: the component is for %s, and the package for %s", l.platforms[0], p.platforms[0])
		}
		return other
	})
}

func (c *converter) zarfMetadata(v value) {
	p := &c.profile
	c.fields(v, map[string]reader{
		"name": c.into(&p.name), "description": c.into(&p.description),
		"version": func(v value) {
			text, ok := c.filled(v)
			if !ok {
				return
			}
			if !exactPattern.MatchString(text) {
				c.drops(v, "%.60q is no semantic version, which a profile has; say one", text)
				return
			}
			p.version = strings.TrimPrefix(text, "v")
			c.maps(v, "version %s", p.version)
		},
		"architecture": func(v value) {
			if text, ok := c.filled(v); ok && text != "multi" {
				p.platforms = c.platform(v, "linux/"+text)
				c.maps(v, "platforms")
			}
		},
	}, nil)
}

func (c *converter) zarfComponent(v value, declared *zarfDeclared) {
	l := c.newLayer("component")
	l.at = v
	c.fields(v, map[string]reader{
		"name": func(v value) {
			if name, ok := c.filled(v); ok {
				c.rename(l, name)
				c.maps(v, "layer %s", l.name)
			}
		},
		"only":   func(v value) { c.zarfOnly(l, v) },
		"images": func(v value) { c.images(l, v) },
		"charts": func(v value) {
			for _, i := range c.items(v) {
				c.zarfChart(l, i, declared)
			}
		},
		"manifests": func(v value) { c.zarfManifests(l, v) },
		"files": func(v value) {
			for _, i := range c.items(v) {
				c.zarfFile(l, i)
			}
		},
	}, zarfComponentWhy)
}

func (c *converter) zarfOnly(l *layer, v value) {
	c.fields(v, map[string]reader{
		"localOS": func(v value) {
			if text, ok := c.filled(v); ok && text != "linux" {
				c.drops(v, "hosts run linux; the layer is there all the same")
			}
		},
		"cluster": func(v value) {
			c.fields(v, map[string]reader{"architecture": func(v value) {
				if text, ok := c.filled(v); ok {
					l.platforms = c.platform(v, "linux/"+text)
					c.maps(v, "layer %s, platforms", l.name)
				}
			}}, map[string]string{"distros": "a profile has one distribution, in its layer of type kubernetes"})
		},
	}, map[string]string{"flavor": "flavors are not chosen here: the layer is there; take it out of the profile where it should not be"})
}

// zarfChart reads a chart of version v1alpha1, and of v1beta1, which has a field for
// each kind of place.
func (c *converter) zarfChart(l *layer, v value, declared *zarfDeclared) {
	var ch chart
	var name, url, repoName, git string
	within := func(known map[string]reader) reader {
		return func(v value) { c.fields(v, known, nil) }
	}
	place := map[string]reader{"url": c.into(&url), "name": c.into(&repoName), "repoName": c.into(&repoName), "version": c.into(&ch.version)}
	inGit := map[string]reader{"url": c.into(&git), "path": c.into(&repoName)}
	c.fields(v, map[string]reader{
		"name": c.into(&name), "version": c.into(&ch.version), "namespace": c.into(&ch.namespace), "releaseName": c.into(&ch.release),
		"url": c.into(&url), "repoName": c.into(&repoName), "gitPath": c.into(&git), "localPath": c.into(&ch.path),
		"helm": within(place), "helmRepository": within(place), "oci": within(place), "git": within(inGit),
		"local": within(map[string]reader{"path": c.into(&ch.path)}),
		"valuesFiles": func(v value) {
			for _, i := range c.items(v) {
				if file, ok := c.valueFile(i); ok {
					ch.valueFiles = append(ch.valueFiles, file)
				}
			}
		},
		"variables": func(v value) { c.zarfChartVariables(&ch, v, declared) },
	}, zarfChartWhy)
	if ch.release == "" {
		ch.release = name
	}
	switch {
	case ch.path != "":
	case git != "" || strings.HasSuffix(strings.Split(url, "@")[0], ".git"):
		c.drops(v, "left out: chart %.80q is in a git repository, which is not fetched; check it out, and say its path", name)
		return
	case strings.HasPrefix(url, "oci://"):
		ch.at(url, "")
	default:
		if repoName == "" {
			repoName = name
		}
		ch.at(url, repoName)
		if url == "" {
			ch.path = ""
		}
	}
	c.addChart(l, v, ch)
}

// zarfChartVariables puts variables into values.
func (c *converter) zarfChartVariables(ch *chart, v value, declared *zarfDeclared) {
	for _, i := range c.items(v) {
		var name, description, path string
		c.fields(i, map[string]reader{"name": c.into(&name), "description": c.into(&description), "path": c.into(&path)}, nil)
		if !declared.has(c, i, name, description) {
			continue
		}
		if ch.values == nil {
			ch.values = (&mapping{}).node()
		}
		if setPath(ch.values, path, textNode("${var."+name+"}")) {
			c.maps(i, "values, %s is ${var.%s}", path, name)
		} else {
			c.drops(i, "%.80q: a path into a list, or with escapes; write it into values", path)
		}
	}
}

func (c *converter) zarfManifests(l *layer, v value) {
	var namespaces []string
	for _, i := range c.items(v) {
		var namespace string
		add := func(kind string) reader {
			return func(v value) {
				for _, f := range c.items(v) {
					c.manifest(l, f, kind)
				}
			}
		}
		c.fields(i, map[string]reader{"namespace": c.into(&namespace), "files": add("path"), "kustomizations": add("kustomize")}, zarfManifestWhy)
		if namespaces = append(namespaces, namespace); namespace != namespaces[0] {
			c.drops(i, "namespace %.60q: a layer has one for all manifests that say none, and this one has %.60q; write it into the manifests", namespace, namespaces[0])
		}
	}
	if len(namespaces) > 0 {
		l.namespace = namespaces[0]
	}
}

// manifest adds a file or folder that is here.
func (c *converter) manifest(l *layer, v value, kind string) {
	text, ok := c.filled(v)
	switch {
	case !ok:
	case !local(text):
		c.drops(v, "left out: %.200q is not here; download it, and say its path", text)
	default:
		m := mapping{}
		m.text(kind, c.path(text))
		l.manifests = append(l.manifests, m.node())
		c.maps(v, "layer %s, manifests", l.name)
	}
}

func (c *converter) zarfFile(l *layer, v value) {
	var source, target string
	var executable bool
	var refused []value
	hard := func(v value) { refused = append(refused, v) }
	c.fields(v, map[string]reader{
		"source": c.into(&source), "target": c.into(&target), "destination": c.into(&target),
		"executable":  func(v value) { executable, _ = c.boolean(v) },
		"extractPath": hard,
	}, map[string]string{
		"shasum":         "the definition that is built has the digest of what is there then; compare it",
		"checksum":       "the definition that is built has the digest of what is there then; compare it",
		"symlinks":       "links are not made; say the file once for each target",
		"enableValues":   "templates of Zarf's are not run here; write what comes out of them",
		"template":       "templates of Zarf's are not run here; write what comes out of them",
		"templateValues": "templates of Zarf's are not run here; write what comes out of them",
	})
	if len(refused) > 0 {
		c.drops(refused[0], "left out: a file out of an archive; unpack it, and say its path")
		return
	}
	c.addFile(l, v, source, target, executable)
}

// addFile adds a file or folder that is here. A target that is no absolute path is left
// out.
func (c *converter) addFile(l *layer, v value, source, target string, executable bool) {
	switch {
	case source == "":
		c.drops(v, "left out: it does not say which file")
		return
	case !local(source):
		c.drops(v, "left out: %.200q is not here; download it, and say its path", source)
		return
	}
	m := mapping{}
	m.text("path", c.path(source))
	trimmed := strings.TrimRight(target, "/")
	if strings.HasPrefix(trimmed, "/") && !slices.Contains(strings.Split(trimmed, "/"), "..") {
		m.text("target", trimmed)
	} else if target != "" {
		c.drops(v, "target %.200q is no absolute path on a host; say one", target)
	}
	if executable {
		m.text("mode", "0755")
	}
	l.files = append(l.files, m.node())
	c.maps(v, "layer %s, files", l.name)
}
