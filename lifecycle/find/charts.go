package find

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/lifecycle/object"
)

// chartAnnotations are those of Chart.yaml that list images, in YAML: those of
// Artifact Hub ("Helm annotations"), of Bitnami's charts, and of some others.
var chartAnnotations = []string{"artifacthub.io/images", "images", "helm.sh/images"}

// InChart finds the images that a chart itself lists: in the annotations of its
// Chart.yaml, and in lock files as "dt wrap" (Images.lock), imgpkg
// (.imgpkg/images.yml) and plain lists (images.txt) have them. files are by path in
// the chart's archive; others than these are not looked at, and those that cannot be
// read list nothing. Finds are in the order of paths and lines, and are declared.
func InChart(files map[string][]byte) []Find {
	var list []Find
	for _, name := range slices.Sorted(maps.Keys(files)) {
		content := string(files[name])
		var found []Find
		switch strings.ToLower(path.Base(name)) {
		case "chart.yaml":
			found = inAnnotations(content)
		case "images.lock", "images.yml", "images.yaml":
			found = inLock(content)
		case "images.txt":
			found = inList(content)
		}
		for _, f := range found {
			f.File, f.Sure = name, Declared
			list = append(list, f)
		}
	}
	return list
}

func inAnnotations(content string) (list []Find) {
	objects, _ := object.Read(object.File{Content: content})
	for _, o := range objects {
		annotations := fieldsOf(o.Content, "annotations")
		for _, name := range chartAnnotations {
			text, ok := annotations[name].(string)
			if !ok {
				continue
			}
			at := sub("annotations", name)
			for _, image := range listed(text) {
				list = append(list, Find{Image: image, Line: lineWith(content, image, o.LineOf(at)), Field: at, Rule: ruleAnnotation})
			}
		}
	}
	slices.SortStableFunc(list, func(a, b Find) int { return cmp.Compare(a.Line, b.Line) })
	return list
}

// listed are the images of a list in YAML: of texts, or of fields of which image is
// one.
func listed(text string) (images []string) {
	objects, err := object.Read(object.File{Content: "images:\n" + indent(text)})
	if err != nil {
		return nil
	}
	for _, o := range objects {
		entries, _ := o.Content["images"].([]any)
		for _, e := range entries {
			image, _ := e.(string)
			if m, ok := e.(map[string]any); ok {
				image = textOf(m, "image")
			}
			if image = bare(image); isShort(image) || isWord(image) {
				images = append(images, image)
			}
		}
	}
	return images
}

func indent(text string) string {
	return "  " + strings.ReplaceAll(text, "\n", "\n  ")
}

// lineWith is the first line, from the given one on, that has an image in it.
func lineWith(content, image string, from int) int {
	line := 0
	for text := range strings.Lines(content) {
		if line++; line >= from && strings.Contains(text, image) {
			return line
		}
	}
	return from
}

// inLock reads a lock file's field images: a list of fields, one of which is image,
// with its digest in it (imgpkg) or beside it for each platform (dt), where the
// image's own name is what is pulled.
func inLock(content string) (list []Find) {
	objects, _ := object.Read(object.File{Content: content})
	for _, o := range objects {
		entries, _ := o.Content["images"].([]any)
		for i, e := range entries {
			m, _ := e.(map[string]any)
			at := sub(element("images", i), "image")
			if image := bare(textOf(m, "image")); isShort(image) || isWord(image) {
				list = append(list, Find{Image: image, Line: o.LineOf(at), Field: at, Rule: ruleLock})
			}
		}
	}
	return list
}

func inList(content string) (list []Find) {
	number := 0
	for line := range strings.Lines(content) {
		number++
		image, _, _ := strings.Cut(line, "#")
		if image = bare(image); isShort(image) || isWord(image) {
			list = append(list, Find{Image: image, Line: number, Rule: ruleLock})
		}
	}
	return list
}
