package convert

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// helmfile is what is read of one, over all its documents.
type helmfile struct {
	repositories map[string]chart // where their charts are
	releases     []*release
	namespace    string   // of all releases, when it is set
	apiVersions  []string // of all that have none
}

// release is one release, and the layer that it becomes.
type release struct {
	at        value
	name      string
	chartName string
	chart     chart
	needs     []value
	sets      []value
	off       bool // not installed
	layer     *layer
}

// What fields of a Helmfile are for, where a profile has no place for it.
var helmfileWhy = map[string]string{
	"environments":       "values of environments fill in templates, which are not run here; convert what \"helmfile build\" prints for the environment that is meant",
	"values":             "these values fill in templates, which are not run here; convert what \"helmfile build\" prints",
	"helmfiles":          "other files; convert each, and include their profiles as layers",
	"bases":              "other files that this one is merged with; convert what \"helmfile build\" prints",
	"helmDefaults":       "options of Helm; they change nothing that is carried",
	"commonLabels":       "labels choose releases; a profile brings up all of its layers",
	"hooks":              "programs that run around a release; they are not run",
	"templates":          "what releases share; it counts where an anchor puts it, not where inherit or a template does",
	"kubeVersion":        "say the version in a layer of type kubernetes",
	"kubeContext":        "a profile is for no cluster in particular",
	"context":            "a profile is for no cluster in particular",
	"missingFileHandler": "a file that is missing is an error",
	"charts":             "the old name of releases; call it so",
	"lockFilePath":       "the lock is the definition that is built of the profile",
}

var releaseWhy = map[string]string{
	"secrets":               "secret values are the site's to give: declare variables that are sensitive, and put them into values",
	"hooks":                 "programs that run around a release; they are not run",
	"labels":                "labels choose releases; a profile brings up all of its layers",
	"valuesTemplate":        "a template, which is not run here",
	"setTemplate":           "a template, which is not run here",
	"installedTemplate":     "a template, which is not run here",
	"inherit":               "what the template says does not count here; write it out, or use an anchor",
	"kubeVersion":           "say the version in a layer of type kubernetes",
	"dependencies":          "charts that are added to this one; add them as charts of the layer",
	"jsonPatches":           "patches are not applied; what they change has to be in the chart, its values or manifests",
	"strategicMergePatches": "patches are not applied; what they change has to be in the chart, its values or manifests",
	"transformers":          "they are not applied; what they change has to be in the chart, its values or manifests",
	"postRenderer":          "it is not run; what it changes has to be in the chart, its values or manifests",
	"valuesPathPrefix":      "values from a store; write them out",
	"env":                   "values from the environment; declare variables, and put them into values",
}

// helmOptions change how Helm goes about it, and nothing that is carried.
var helmOptions = []string{"wait", "waitForJobs", "timeout", "atomic", "force", "recreatePods", "cleanupOnFail", "createNamespace",
	"historyMax", "verify", "keyring", "disableValidation", "disableOpenAPIValidation", "disableValidationOnInstall", "skipDeps",
	"reuseValues", "missingFileHandler", "kubeContext", "enableDNS", "devel", "insecureSkipTLSVerify", "plainHttp", "cascade", "adopt"}

func (c *converter) helmfile(docs []value) {
	built := slices.ContainsFunc(docs, func(d value) bool { return has(d, "renderedvalues") })
	if !built { // in what "helmfile build" prints, templates are those of charts
		c.templates = func(text string) bool { return strings.Contains(text, "{{") }
	}
	h := &helmfile{repositories: map[string]chart{}}
	for _, d := range docs {
		c.fields(d, map[string]reader{
			"repositories":   func(v value) { c.repositories(h, v) },
			"releases":       func(v value) { c.releases(h, v) },
			"namespace":      c.into(&h.namespace),
			"apiVersions":    func(v value) { h.apiVersions = c.texts(v) },
			"filepath":       ignore,
			"renderedvalues": ignore,
		}, helmfileWhy)
	}
	for _, r := range h.releases {
		if !r.off {
			r.layer = c.newLayer(r.name)
			c.place(h, r)
		}
	}
	for _, r := range h.releases {
		c.needs(h, r)
	}
}

func (c *converter) repositories(h *helmfile, v value) {
	for _, i := range c.items(v) {
		var name, url string
		var oci bool
		secret := "how to sign in at a registry is no part of a profile"
		c.fields(i, map[string]reader{
			"name": c.into(&name), "url": c.into(&url),
			"oci": func(v value) { oci, _ = c.boolean(v) },
		}, map[string]string{"username": secret, "password": secret, "passCredentials": secret, "certFile": secret, "keyFile": secret})
		if oci {
			url = "oci://" + strings.TrimPrefix(url, "oci://")
		}
		if name != "" {
			var at chart
			at.at(url, "")
			h.repositories[name] = at
			c.maps(i, "charts of %s are from %s", name, url)
		}
	}
}

func (c *converter) releases(h *helmfile, v value) {
	for _, i := range c.items(v) {
		r := &release{at: i}
		h.releases = append(h.releases, r)
		known := map[string]reader{
			"name": c.into(&r.name), "chart": c.into(&r.chartName), "directory": c.into(&r.chartName),
			"version": c.into(&r.chart.version), "namespace": c.into(&r.chart.namespace),
			"needs":       func(v value) { r.needs = c.items(v) },
			"values":      func(v value) { c.releaseValues(r, v) },
			"set":         func(v value) { r.sets = c.items(v) },
			"apiVersions": func(v value) { r.chart.apiVersions = c.texts(v) },
			"condition": func(v value) {
				c.drops(v, "it is not asked here: the layer is always there; take it out of the profile where it should not be")
			},
			"installed": func(v value) {
				if is, said := c.boolean(v); said && !is {
					r.off = true
					c.drops(v, "the release is not installed, and left out")
				}
			},
		}
		for _, name := range helmOptions {
			known[name] = func(v value) { c.drops(v, "an option of Helm; it changes nothing that is carried") }
		}
		c.fields(i, known, releaseWhy)
		c.releaseSet(r)
	}
}

// releaseValues reads files and values, in the order in which they count.
func (c *converter) releaseValues(r *release, v value) {
	for _, i := range c.items(v) {
		seen, ok := c.see(i)
		if !ok || seen.null() {
			continue
		}
		if seen.node.ShortTag() == "!!map" {
			c.overlay(r, c.copied(i))
			c.maps(i, "values")
			continue
		}
		file, ok := c.valueFile(i)
		if !ok {
			continue
		}
		if r.chart.values != nil {
			c.drops(i, "in the Helmfile the file counts over the values before it; in a profile values count over files: compare them")
		}
		r.chart.valueFiles = append(r.chart.valueFiles, file)
		c.maps(i, "valueFiles")
	}
}

func (c *converter) overlay(r *release, n *yaml.Node) {
	if r.chart.values == nil {
		r.chart.values = (&mapping{}).node()
	}
	if n != nil {
		merge(r.chart.values, n)
	}
}

// releaseSet reads what "helm --set" would be given, over all other values.
func (c *converter) releaseSet(r *release) {
	for _, i := range r.sets {
		var name string
		var set *yaml.Node
		keep := func(v value) { set = c.copied(v) }
		c.fields(i, map[string]reader{"name": c.into(&name), "value": keep, "values": keep}, map[string]string{
			"file": "the content of a file; write it into values",
		})
		if name == "" || set == nil {
			continue
		}
		if r.chart.values == nil {
			r.chart.values = (&mapping{}).node()
		}
		if setPath(r.chart.values, name, set) {
			c.maps(i, "values, %s", name)
		} else {
			c.drops(i, "%.80q: a path into a list, or with escapes; write it into values", name)
		}
	}
}

// place finds where a release's chart is.
func (c *converter) place(h *helmfile, r *release) {
	ch := &r.chart
	ch.release = r.name
	ch.namespace = cmp.Or(h.namespace, ch.namespace)
	if ch.apiVersions == nil {
		ch.apiVersions = h.apiVersions
	}
	alias, name, _ := strings.Cut(r.chartName, "/")
	at, known := h.repositories[alias]
	switch {
	case strings.HasPrefix(r.chartName, "oci://"):
		ch.at(r.chartName, "")
	case !local(r.chartName):
		c.drops(r.at, "left out: chart %.200q is not in a repository; download it, and say its path", r.chartName)
		return
	case known && name != "":
		ch.at(cmp.Or(at.repository, "oci://"+at.oci), name)
	case strings.HasPrefix(r.chartName, ".") || path.IsAbs(r.chartName) || !strings.Contains(r.chartName, "/"):
		ch.path = r.chartName
	default:
		c.drops(r.at, "left out: chart %.200q: no repository is called %q here; add it, or begin the path with ./", r.chartName, alias)
		return
	}
	c.addChart(r.layer, r.at, *ch)
}

// needs makes layers wait for others. A need is [[CONTEXT/]NAMESPACE/]NAME.
func (c *converter) needs(h *helmfile, r *release) {
	for _, v := range r.needs {
		text, ok := c.filled(v)
		if !ok || r.layer == nil || r.layer.empty() {
			continue
		}
		needed := h.needed(r, strings.Split(text, "/"))
		switch {
		case needed == nil:
			c.drops(v, "no release here is called %.80q", text)
		case needed.layer == nil || needed.layer.empty():
			c.drops(v, "release %.80q is left out", text)
		case !slices.Contains(r.layer.dependsOn, needed.layer.name):
			r.layer.dependsOn = append(r.layer.dependsOn, needed.layer.name)
			c.maps(v, "layer %s, dependsOn", r.layer.name)
		}
	}
}

// needed finds a release; without a namespace, one in that of r if there is one.
func (h *helmfile) needed(r *release, parts []string) (found *release) {
	name, namespace := parts[len(parts)-1], r.chart.namespace
	if len(parts) > 1 && h.namespace == "" {
		namespace = parts[len(parts)-2]
	}
	for _, o := range h.releases {
		switch {
		case o.name != name:
		case o.chart.namespace == namespace || h.namespace != "":
			return o
		case len(parts) == 1 && found == nil:
			found = o
		}
	}
	return found
}
