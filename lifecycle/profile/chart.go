package profile

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/landfall-dev/landfall/internal/strictyaml"
	"github.com/landfall-dev/landfall/lifecycle/variable"
	"github.com/landfall-dev/landfall/registry"
)

// maxRelease is how long the name of a release may be, as Helm bounds it.
const maxRelease = 53

var (
	// https://helm.sh/docs/chart_best_practices/conventions/, and what is out there.
	chartPattern = regexp.MustCompile(`\A[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?\z`)
	apiPattern   = regexp.MustCompile(`\A([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?v[0-9][a-z0-9]*(/[A-Z][A-Za-z0-9]*)?\z`)
)

func (d *document) chart(f strictyaml.Field) Chart {
	c := Chart{At: d.place(f)}
	fields := d.object(f,
		text(d, "oci", &c.OCI, parseOCI),
		text(d, "repository", &c.Repository, parseChartRepository),
		text(d, "path", &c.Path, d.parsePath),
		text(d, "name", &c.Name, matching(chartPattern, "want the name of a chart, like ingress-nginx")),
		text(d, "version", &c.Version, parseChartVersion),
		text(d, "release", &c.Release, parseRelease),
		text(d, "namespace", &c.Namespace, parseLabel),
		d.valuesPart(&c.Values),
		d.valueFiles(&c.ValueFiles),
		d.each("valueSets", func(f strictyaml.Field) { d.valueSet(f, &c) }),
		d.flag("tests", &c.Tests),
		texts(d, "apiVersions", &c.APIVersions, matching(apiPattern, "want what a cluster serves, like monitoring.coreos.com/v1 or apps/v1/Deployment")))
	d.checkChart(f, fields)
	return c
}

// checkChart wants one place that the chart comes from, and what is needed to find it there.
func (d *document) checkChart(f strictyaml.Field, fields map[string]strictyaml.Field) {
	places := 0
	for _, name := range []string{"oci", "repository", "path"} {
		if _, ok := fields[name]; ok {
			places++
		}
	}
	if places != 1 {
		d.fail(f, "want one of oci: oci://HOST/PATH, repository: https://HOST, and path: of a folder or archive")
		return
	}
	if _, ok := fields["repository"]; ok {
		d.needs(f, fields, "name", "the chart's name in the repository")
	}
	if _, ok := fields["path"]; !ok {
		d.needs(f, fields, "version", "the chart's exact version, like 1.2.3")
	}
}

func parseOCI(text string) (string, error) {
	name, ok := strings.CutPrefix(text, "oci://")
	ref, err := registry.ParseName(name + ":x")
	switch {
	case !ok:
		return "", errors.New("want oci://HOST/PATH")
	case err != nil && strings.LastIndexByte(name, ':') > strings.LastIndexByte(name, '/'):
		return "", fmt.Errorf("the version is a field of its own: version: %s", name[strings.LastIndexByte(name, ':')+1:])
	case err != nil || ref.Repository != name:
		return "", errors.New("want oci://HOST/PATH, in lower case and without tag or digest")
	}
	if _, _, ok := registry.CutHost(name); !ok {
		return "", errors.New("want oci://HOST/PATH: it has no host")
	}
	return name, nil
}

func parseChartRepository(text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case strings.HasPrefix(text, "oci://"):
		return "", fmt.Errorf("a registry: write oci: %s", text)
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "":
		return "", errors.New("want the address of a chart repository, like https://charts.example.com/stable")
	case u.User != nil:
		return "", errors.New("no credentials here: the profile goes to many; they are taken from Docker's configuration")
	}
	return text, nil
}

// parseChartVersion reads the one version that is meant; many charts have a v before it.
func parseChartVersion(text string) (string, error) {
	if !variable.IsVersion(strings.TrimPrefix(text, "v")) {
		return "", errors.New("want the exact version, like 1.2.3: a range would be another chart tomorrow")
	}
	return text, nil
}

func parseRelease(text string) (string, error) {
	for label := range strings.SplitSeq(text, ".") {
		if len(text) > maxRelease || !labelPattern.MatchString(label) {
			return "", fmt.Errorf("want lower-case letters, digits, and - and . between them, at most %d", maxRelease)
		}
	}
	return text, nil
}

func (d *document) valueSet(f strictyaml.Field, c *Chart) {
	s := ValueSet{At: d.place(f)}
	fields := d.object(f,
		text(d, "name", &s.Name, parseLabel),
		d.valuesPart(&s.Values),
		d.valueFiles(&s.ValueFiles))
	d.needs(f, fields, "name", "ha")
	for _, other := range c.ValueSets {
		if other.Name == s.Name && s.Name != "" {
			d.fail(f, "value set %s is there twice, first at %s", s.Name, other.At)
		}
	}
	if _, ok := fields["values"]; !ok {
		if _, ok := fields["valueFiles"]; !ok {
			d.fail(f, "there are no values in it; add values or valueFiles")
		}
	}
	c.ValueSets = append(c.ValueSets, s)
}
