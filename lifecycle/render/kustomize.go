package render

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/landfall-dev/landfall/lifecycle/chart"
	"github.com/landfall-dev/landfall/lifecycle/object"
)

// kustomize builds what is at the top of an archive, in memory.
func kustomize(archive []byte, name func(string) error) ([]object.File, error) {
	if err := name(kindKustomize); err != nil {
		return nil, err
	}
	files, err := chart.Unpack(archive)
	if err != nil {
		return nil, err
	}
	if err := local(files); err != nil {
		return nil, err
	}
	disk := filesys.MakeFsInMemory()
	for name, content := range files {
		if err := disk.WriteFile("/"+name, content); err != nil {
			return nil, err
		}
	}
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(disk, "/")
	if err != nil {
		return nil, errors.New(plain(err))
	}
	content, err := built.AsYaml()
	if err != nil {
		return nil, err
	}
	main, _ := chart.Kustomization(files, "")
	return []object.File{{Path: main, Content: string(content)}}, nil
}

// Fields of a kustomization that name files or folders.
var (
	lists = []string{"resources", "bases", "components", "crds", "configurations", "generators", "transformers", "validators", "patchesStrategicMerge"}
	inner = map[string]string{"patches": "path", "patchesJson6902": "path", "replacements": "path"}
)

// local walks the kustomizations from the top on and refuses what is not in the
// archive: Kustomize would clone it from a repository, or fetch it.
func local(files map[string][]byte) error {
	w := &walk{files: files, folders: map[string]bool{"": true, ".": true}, seen: map[string]bool{}}
	for name := range files {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			w.folders[dir] = true
		}
	}
	if _, ok := chart.Kustomization(files, ""); !ok {
		return errors.New("there is no kustomization.yaml at the top of the folder")
	}
	w.folder("")
	return errors.Join(w.problems...)
}

type walk struct {
	files    map[string][]byte
	folders  map[string]bool
	seen     map[string]bool
	stack    []string // folders that led here
	problems []error
}

func (w *walk) problem(at string, line int, format string, args ...any) {
	w.problems = append(w.problems, fmt.Errorf("%s:%d: %s", at, line, fmt.Sprintf(format, args...)))
}

func (w *walk) folder(dir string) {
	name, ok := chart.Kustomization(w.files, dir)
	if !ok || w.seen[name] {
		return
	}
	w.seen[name] = true
	w.stack = append(w.stack, path.Clean(dir))
	defer func() { w.stack = w.stack[:len(w.stack)-1] }()
	objects, err := object.Read(object.File{Path: name, Content: string(w.files[name])})
	if err != nil {
		w.problems = append(w.problems, err)
	}
	for _, o := range objects {
		w.kustomization(dir, o)
	}
}

func (w *walk) kustomization(dir string, o object.Object) {
	for _, field := range []string{"helmCharts", "helmChartInflationGenerator"} {
		if _, ok := o.Content[field]; ok {
			w.problem(o.File, o.LineOf(field), "%s is not supported; name the charts in the profile", field)
		}
	}
	for _, field := range lists {
		list, _ := o.Content[field].([]any)
		for i, entry := range list {
			w.entry(dir, o, fmt.Sprintf("%s[%d]", field, i), entry)
		}
	}
	for field, name := range inner {
		list, _ := o.Content[field].([]any)
		for i, entry := range list {
			if entry, ok := entry.(map[string]any); ok {
				w.entry(dir, o, fmt.Sprintf("%s[%d].%s", field, i, name), entry[name])
			}
		}
	}
	if schema, ok := o.Content["openapi"].(map[string]any); ok {
		w.entry(dir, o, "openapi.path", schema["path"])
	}
}

// entry checks what a field names, unless it is an object that stands there itself.
func (w *walk) entry(dir string, o object.Object, field string, value any) {
	text, ok := value.(string)
	if !ok || text == "" || strings.Contains(text, "\n") {
		return
	}
	name := path.Join(dir, text)
	switch {
	case path.IsAbs(text):
		w.problem(o.File, o.LineOf(field), "%s: %.200q is absolute; write a path from %s on", field, text, o.File)
	case w.files[name] != nil:
	case slices.Contains(w.stack, name):
		w.problem(o.File, o.LineOf(field), "%s: a cycle: %.200q leads here", field, text)
	case w.folders[name]:
		w.folder(name)
	case remote(text):
		w.problem(o.File, o.LineOf(field), "%s: %.200q is somewhere else, and rendering dials nobody; copy it into the folder and name it there", field, text)
	default:
		w.problem(o.File, o.LineOf(field), "%s: %.200q is not in the folder", field, text)
	}
}

// remote reports whether a name that is not in the archive looks like an address:
// "https://…", "git@host:…", "host.example/team/repository?ref=v1".
func remote(text string) bool {
	first, _, more := strings.Cut(text, "/")
	return strings.ContainsAny(text, "?:@") || more && strings.Contains(strings.TrimLeft(first, "."), ".")
}
