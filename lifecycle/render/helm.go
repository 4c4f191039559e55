package render

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"maps"
	"path"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/engine"

	"github.com/landfall-dev/landfall/lifecycle/object"
)

// helm renders a chart, in the order of "helm template".
func helm(q *request, archive []byte, name func(string) error) ([]object.File, error) {
	c, err := loader.LoadArchive(bytes.NewReader(archive))
	if err != nil {
		return nil, fmt.Errorf("not a chart: %w", err)
	}
	if err := name("chart " + c.Name() + " " + c.Metadata.Version); err != nil {
		return nil, err
	}
	if err := installable(c); err != nil {
		return nil, err
	}
	if c.Metadata.Deprecated {
		log.Printf("chart %s %s is deprecated", c.Name(), c.Metadata.Version)
	}
	if q.Values == nil {
		q.Values = map[string]any{}
	}
	if err := chartutil.ProcessDependencies(c, q.Values); err != nil {
		return nil, err
	}
	capabilities, err := capabilitiesFor(c, q)
	if err != nil {
		return nil, err
	}
	release := common.ReleaseOptions{Name: q.Release, Namespace: q.Namespace, Revision: 1, IsInstall: true}
	// Helm's own validation would fetch what a schema refers to.
	values, err := util.ToRenderValuesWithSchemaValidation(c, q.Values, release, capabilities, true)
	if err != nil {
		return nil, fmt.Errorf("values: %w", err)
	}
	if err := checkSchemas(c, values["Values"]); err != nil {
		return nil, err
	}
	rendered, err := engine.Engine{}.RenderWithContext(context.Background(), c, values) // the process ends with its parent
	if err != nil {
		return nil, errors.New(plain(err))
	}
	return manifests(c, rendered), nil
}

// installable says why a chart cannot be installed whatever its values are.
func installable(c *chart.Chart) error {
	if t := c.Metadata.Type; t != "" && t != "application" {
		return fmt.Errorf("it is a %s chart, which has nothing to install; name the charts that use it", t)
	}
	var missing []string
	for _, d := range c.Metadata.Dependencies {
		if !slices.ContainsFunc(c.Dependencies(), func(sub *chart.Chart) bool { return sub.Name() == d.Name }) {
			missing = append(missing, d.Name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("Chart.yaml has dependencies that are not in charts/: %s; run helm dependency build", strings.Join(missing, ", ")) //nolint:staticcheck,revive // a file's name
	}
	return nil
}

func capabilitiesFor(c *chart.Chart, q *request) (*common.Capabilities, error) {
	version, err := common.ParseKubeVersion(q.KubeVersion)
	if err != nil {
		return nil, fmt.Errorf("%q is not a version of Kubernetes: %w", q.KubeVersion, err)
	}
	if need := c.Metadata.KubeVersion; need != "" && !chartutil.IsCompatibleRange(need, version.String()) {
		return nil, fmt.Errorf("it needs Kubernetes %s, and is rendered for %s; choose another version of the one or the other", need, version.Version)
	}
	capabilities := common.DefaultCapabilities.Copy()
	capabilities.KubeVersion = *version
	capabilities.APIVersions = slices.Concat(capabilities.APIVersions, q.APIVersions)
	return capabilities, nil
}

// manifests are the rendered files that have something in them but notes, and the
// custom resource definitions that Helm installs before.
func manifests(c *chart.Chart, rendered map[string]string) []object.File {
	byPath := map[string]string{}
	for _, crd := range c.CRDObjects() {
		byPath[crd.Filename] = string(crd.File.Data)
	}
	for name, content := range rendered {
		if !strings.HasSuffix(name, "NOTES.txt") && !strings.HasPrefix(path.Base(name), "_") {
			byPath[name] = content
		}
	}
	var files []object.File
	for _, name := range slices.Sorted(maps.Keys(byPath)) {
		if content := byPath[name]; strings.TrimSpace(content) != "" {
			files = append(files, object.File{Path: name, Content: content})
		}
	}
	return files
}

const hookAnnotation = "helm.sh/hook"

// hooks are the events of the objects that are hooks. What cannot be read is for who
// reads the files.
func hooks(files []object.File) map[string][]string {
	found := map[string][]string{}
	for _, f := range files {
		if !strings.Contains(f.Content, hookAnnotation) {
			continue
		}
		objects, _ := object.Read(f)
		for _, o := range objects {
			metadata, _ := o.Content["metadata"].(map[string]any)
			annotations, _ := metadata["annotations"].(map[string]any)
			text, _ := annotations[hookAnnotation].(string)
			key := fmt.Sprintf("%s#%d", f.Path, o.Document)
			for event := range strings.SplitSeq(text, ",") {
				if event = strings.ToLower(strings.TrimSpace(event)); event != "" && !slices.Contains(found[key], event) {
					found[key] = append(found[key], event)
				}
			}
		}
	}
	return found
}

// plain is the text of Helm's error on one line. It names the template, line and
// column; what a call within it was given as a text is cut short.
func plain(err error) string {
	text := err.Error()
	for _, noise := range []string{"execution error at ", "parse error at ", "template: "} {
		if rest, ok := strings.CutPrefix(text, noise); ok {
			text = rest
			if place, message, ok := strings.Cut(text, "): "); ok && strings.HasPrefix(place, "(") {
				text = place[1:] + ": " + message
			}
		}
	}
	var parts []string
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(strings.TrimSpace(line), ":"); line != "" && !slices.Contains(parts, line) {
			parts = append(parts, line)
		}
	}
	return shorten(strings.Join(parts, ": "), 4000)
}

// shorten cuts the middle out of a text: what went wrong is at its end, where at its
// beginning.
func shorten(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most/2], "") + " ... " + strings.ToValidUTF8(text[len(text)-most/2:], "")
}
