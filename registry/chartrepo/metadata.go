package chartrepo

import (
	"maps"
	"strings"
	"unicode"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// metadata is what a chart's Chart.yaml says, in the fields and the order that
// Helm's config blob has (Helm, "Charts", "The Chart.yaml File"). The order is
// part of the config's digest.
type metadata struct {
	Name         string            `yaml:"name" json:"name,omitempty"`
	Home         string            `yaml:"home" json:"home,omitempty"`
	Sources      []string          `yaml:"sources" json:"sources,omitempty"`
	Version      string            `yaml:"version" json:"version,omitempty"`
	Description  string            `yaml:"description" json:"description,omitempty"`
	Keywords     []string          `yaml:"keywords" json:"keywords,omitempty"`
	Maintainers  []maintainer      `yaml:"maintainers" json:"maintainers,omitempty"`
	Icon         string            `yaml:"icon" json:"icon,omitempty"`
	APIVersion   string            `yaml:"apiVersion" json:"apiVersion,omitempty"`
	Condition    string            `yaml:"condition" json:"condition,omitempty"`
	Tags         string            `yaml:"tags" json:"tags,omitempty"`
	AppVersion   string            `yaml:"appVersion" json:"appVersion,omitempty"`
	Deprecated   bool              `yaml:"deprecated" json:"deprecated,omitempty"`
	Annotations  map[string]string `yaml:"annotations" json:"annotations,omitempty"`
	KubeVersion  string            `yaml:"kubeVersion" json:"kubeVersion,omitempty"`
	Dependencies []dependency      `yaml:"dependencies" json:"dependencies,omitempty"`
	Type         string            `yaml:"type" json:"type,omitempty"`
}

type maintainer struct {
	Name  string `yaml:"name" json:"name,omitempty"`
	Email string `yaml:"email" json:"email,omitempty"`
	URL   string `yaml:"url" json:"url,omitempty"`
}

type dependency struct {
	Name         string   `yaml:"name" json:"name"`
	Version      string   `yaml:"version" json:"version,omitempty"`
	Repository   string   `yaml:"repository" json:"repository"`
	Condition    string   `yaml:"condition" json:"condition,omitempty"`
	Tags         []string `yaml:"tags" json:"tags,omitempty"`
	Enabled      bool     `yaml:"enabled" json:"enabled,omitempty"`
	ImportValues []any    `yaml:"import-values" json:"import-values,omitempty"` // a string, or child and parent
	Alias        string   `yaml:"alias" json:"alias,omitempty"`
}

// complete does to metadata what Helm does when it loads a chart: the version of
// the format is v1 when none is stated, and texts fit on a line.
func (m *metadata) complete() {
	if m.APIVersion == "" {
		m.APIVersion = "v1"
	}
	texts := []*string{&m.Name, &m.Description, &m.Home, &m.Icon, &m.Condition, &m.Tags, &m.AppVersion, &m.KubeVersion}
	for i := range m.Maintainers {
		texts = append(texts, &m.Maintainers[i].Name, &m.Maintainers[i].Email, &m.Maintainers[i].URL)
	}
	for i := range m.Dependencies {
		d := &m.Dependencies[i]
		texts = append(texts, &d.Name, &d.Version, &d.Repository, &d.Condition)
		texts = append(texts, pointers(d.Tags)...)
	}
	texts = append(texts, pointers(m.Sources)...)
	texts = append(texts, pointers(m.Keywords)...)
	for _, text := range texts {
		*text = onOneLine(*text)
	}
}

func pointers(texts []string) []*string {
	list := make([]*string, len(texts))
	for i := range texts {
		list[i] = &texts[i]
	}
	return list
}

// onOneLine makes spaces of all white space and drops what cannot be printed.
func onOneLine(text string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case unicode.IsSpace(c):
			return ' '
		case unicode.IsPrint(c):
			return c
		}
		return -1
	}, text)
}

// manifestAnnotations are those that "helm push" makes: the chart's own, and over
// its name and version in any case, the standard ones (OCI image-spec,
// "Pre-Defined Annotation Keys"). Those that would be blank are left out.
func (m *metadata) manifestAnnotations(created string) map[string]string {
	made := map[string]string{
		ocispec.AnnotationTitle:       m.Name,
		ocispec.AnnotationVersion:     m.Version,
		ocispec.AnnotationDescription: m.Description,
		ocispec.AnnotationURL:         m.Home,
		ocispec.AnnotationAuthors:     m.authors(),
		ocispec.AnnotationCreated:     created,
	}
	if len(m.Sources) > 0 {
		made[ocispec.AnnotationSource] = m.Sources[0]
	}
	maps.DeleteFunc(made, func(_, value string) bool { return strings.TrimSpace(value) == "" })
	for key, value := range m.Annotations {
		if key != ocispec.AnnotationTitle && key != ocispec.AnnotationVersion {
			made[key] = value
		}
	}
	return made
}

// authors is the maintainers as Helm writes them: "name (address), name".
func (m *metadata) authors() string {
	list := make([]string, len(m.Maintainers))
	for i, who := range m.Maintainers {
		list[i] = who.Name
		if who.Email != "" {
			list[i] += " (" + who.Email + ")"
		}
	}
	return strings.Join(list, ", ")
}
