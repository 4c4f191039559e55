package convert

import (
	"cmp"
	"path"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// chart is a Helm chart as a profile says it.
type chart struct {
	oci         string // host/path, without oci://
	repository  string // URL
	path        string // here
	name        string // in the repository
	version     string
	release     string
	namespace   string
	valueFiles  []string
	values      *yaml.Node
	apiVersions []string
}

var exactPattern = regexp.MustCompile(`\Av?[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?\z`)

// addChart adds a chart that is at a place a profile can name; else it notes why not.
func (c *converter) addChart(l *layer, v value, ch chart) {
	what := cmp.Or(ch.oci, ch.name, ch.path)
	switch {
	case what == "":
		c.drops(v, "left out: it does not say where the chart is")
	case ch.repository != "" && !strings.HasPrefix(ch.repository, "https://") && !strings.HasPrefix(ch.repository, "http://"):
		c.drops(v, "left out: chart %s is in %.80q, which only plugins of Helm can read; download it, and say its path", what, ch.repository)
	case ch.path == "" && ch.version == "":
		c.drops(v, "left out: chart %s has no version, and the newest of one day is not that of the next; say which", what)
	case ch.path == "" && !exactPattern.MatchString(ch.version):
		c.drops(v, "left out: version %.80q of chart %s is not an exact one; say the one that is meant", ch.version, what)
	default:
		if ch.path != "" && ch.version != "" {
			c.maps(v, "version %s is not said of chart %s: of a chart that is here, its own counts", ch.version, what)
			ch.version = ""
		}
		l.charts = append(l.charts, c.chartNode(ch))
		c.maps(v, "layer %s, chart %s", l.name, what)
	}
}

func (c *converter) chartNode(ch chart) *yaml.Node {
	m := mapping{}
	if ch.oci != "" {
		m.text("oci", "oci://"+ch.oci)
	}
	m.text("repository", ch.repository)
	if ch.path != "" {
		m.text("path", c.path(ch.path))
	}
	m.text("name", ch.name)
	m.text("version", ch.version)
	m.text("release", ch.release)
	m.text("namespace", ch.namespace)
	m.texts("valueFiles", ch.valueFiles)
	if ch.values != nil && len(ch.values.Content) > 0 {
		m.put("values", ch.values)
	}
	m.texts("apiVersions", ch.apiVersions)
	return m.node()
}

// at sorts where a chart is by how it is written: oci://…, a repository's URL, or,
// without either, a path.
func (ch *chart) at(url, name string) {
	url = strings.TrimRight(url, "/")
	rest, isOCI := strings.CutPrefix(url, "oci://")
	switch {
	case isOCI:
		ch.oci = strings.Trim(rest+"/"+name, "/")
	case url != "":
		ch.repository, ch.name = url, name
	default:
		ch.path = name
	}
}

// valueFile is a file of values that can be named as it is.
func (c *converter) valueFile(v value) (string, bool) {
	text, ok := c.filled(v)
	switch {
	case !ok:
		return "", false
	case !local(text):
		c.drops(v, "%.200q is not a file here; download it, and name the file", text)
	case path.Ext(text) == ".gotmpl":
		c.drops(v, "%.200q is a template, which is not run here; name a file of what comes out of it", text)
	case strings.ContainsAny(text, "*?["):
		c.drops(v, "%.200q stands for several files; name each", text)
	default:
		return c.path(text), true
	}
	return "", false
}
