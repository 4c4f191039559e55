// Package render renders Helm charts and kustomizations, in a process of its own
// whose time, memory and output are bounded: a template that loops ends with it. The
// process is this program again (see Main); it dials nobody, opens no file, and reads
// nothing but what it is sent. What differs from one rendering to the next, such as
// passwords that a template makes up, is left as it comes.
//
// Nouns. A chart's archive is the .tgz that "helm package" makes, with all subcharts
// inside. Rendered files are what the templates gave, by path. A worker is the process
// that renders one chart and ends.
package render

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/object"
)

// ErrLimit means that rendering took more time, memory or output than it may. The
// text says which, and of what chart.
var ErrLimit = errors.New("limit of rendering reached")

// DefaultKubeVersion is the Kubernetes that charts are rendered for when nobody says
// which: the one that the Helm library is made for.
const DefaultKubeVersion = "1.37.0"

// What a Renderer's zero fields stand for.
const (
	defaultTime   = 60 * time.Second
	defaultMemory = 512 << 20
	defaultOutput = 64 << 20
)

// Renderer renders. The zero value works, with the default limits. It is safe for
// concurrent use; each rendering is a process.
type Renderer struct {
	// Command runs a worker; nil: this program's own file, which has to call Main.
	Command []string
	Time    time.Duration // per rendering; 0: 60 s
	Memory  int64         // bytes of a worker; 0: 512 MiB
	Output  int64         // bytes of what is rendered; 0: 64 MiB
}

// Chart is a chart to render.
type Chart struct {
	Archive     []byte
	Release     string
	Namespace   string
	Values      map[string]any // over the chart's own
	KubeVersion string         // "1.36.3"; "": DefaultKubeVersion
	APIVersions []string       // beside Kubernetes' own
}

// Rendered is what came of a chart or kustomization.
type Rendered struct {
	Files    []object.File       // manifests by template, CRDs included, notes left out; by path
	Hooks    map[string][]string // by "path#number of the document" (object.Object.Document): events, such as "test"
	Warnings []string            // of Helm; at most 100
}

// Chart renders a chart as "helm template --include-crds" does, for a first
// installation. There is no cluster: "lookup" finds nothing, and no name is resolved.
// registry.ErrInvalid for a chart, template or values that are wrong: it says which
// template, line and column, or which value breaks the chart's schema. ErrLimit when
// it takes too much.
func (r *Renderer) Chart(ctx context.Context, c Chart) (*Rendered, error) {
	return r.run(ctx, &request{
		Kind: kindChart, Release: cmp.Or(c.Release, "release"), Namespace: cmp.Or(c.Namespace, "default"),
		Values: c.Values, KubeVersion: cmp.Or(c.KubeVersion, DefaultKubeVersion), APIVersions: c.APIVersions,
	}, c.Archive)
}

// Kustomize builds the kustomization at the top of an archive that chart.Pack or
// chart.PackKustomization made. registry.ErrInvalid, with file and line, for what is
// not in the archive, as everything remote, and for charts, which profiles name
// themselves; ErrLimit when it takes too much.
func (r *Renderer) Kustomize(ctx context.Context, archive []byte) (*Rendered, error) {
	return r.run(ctx, &request{Kind: kindKustomize}, archive)
}

func (r *Renderer) limits() Renderer {
	return Renderer{r.Command, cmp.Or(r.Time, defaultTime), cmp.Or(r.Memory, defaultMemory), cmp.Or(r.Output, defaultOutput)}
}
