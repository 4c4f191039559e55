package find

import (
	"maps"
	"slices"
	"strings"
)

// fields looks through a value that nothing is known of: what is shaped as a pod's
// spec or a container, what is called an image, and what together is one. key is
// the name that the value has.
func (f finder) fields(key string, v any, path string) {
	switch v := v.(type) {
	case string:
		f.text(key, v, path)
	case []any:
		for i, e := range v {
			f.fields(key, e, element(path, i))
		}
	case map[string]any:
		f.mapping(key, v, path)
	}
}

func (f finder) mapping(key string, m map[string]any, path string) {
	if isOff(m) || slices.Contains(f.off, path) {
		f.unsure = true
	}
	if hub, tag := textOf(m, "hub"), scalarOf(m, "tag"); hub != "" && tag != "" {
		f.hub, f.tag = hub, tag
	}
	if version := textOf(m, "linkerdVersion"); version != "" {
		f.tag = version
	}
	if hasContainers(m) {
		f.pod(m, path, Likely)
	}
	if isContainer(m) {
		f.container(m, path, Likely)
	}
	if isObject(m) {
		f.annotations(m, path)
	}
	image, used := inFields(m, saysImage(key), f.tag)
	if image != "" {
		f.add(image, path, ruleField, sureOf(image, used, saysImage(key)))
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if !slices.Contains(used, name) && !isProse(name) && (name != "metadata" || !isObject(m)) {
			f.fields(name, m[name], sub(path, name))
		}
	}
}

// isOff reports whether fields are switched off.
func isOff(m map[string]any) bool {
	on, ok := m["enabled"].(bool)
	return ok && !on
}

// sureOf says how sure it is that fields are an image: they say so, or name a
// registry. A version beside an image's name may be that of something else.
func sureOf(image string, used []string, named bool) Sure {
	if slices.Contains(used, "version") && !slices.Contains(used, "repository") && !slices.Contains(used, "name") || !named && !hosted(image) {
		return Doubtful
	}
	return Likely
}

// isProse reports whether a field is for people to read.
func isProse(name string) bool {
	switch name {
	case "description", "message", "displayName", "notes", "readme", "status", "examples":
		return true
	}
	return false
}

// hasContainers reports whether fields are a pod's spec: a list of containers, at
// least one of which has an image.
func hasContainers(m map[string]any) bool {
	for _, name := range containerLists {
		list, _ := m[name].([]any)
		for _, c := range list {
			if c, ok := c.(map[string]any); ok && textOf(c, "image") != "" {
				return true
			}
		}
	}
	return false
}

// isContainer reports whether fields are a container: an image, and how it is run.
func isContainer(m map[string]any) bool {
	if textOf(m, "image") == "" {
		return false
	}
	for _, name := range []string{"command", "args", "env"} {
		if _, ok := m[name].([]any); ok {
			return true
		}
	}
	_, script := m["script"].(string)
	return script
}

// isObject reports whether fields are a Kubernetes object or the template of one.
func isObject(m map[string]any) bool {
	_, meta := m["metadata"].(map[string]any)
	return meta
}

// text looks at one text.
func (f finder) text(key, text, path string) {
	value := bare(text)
	switch {
	case !saysImage(key):
		f.free(text, path)
	case isShort(value) && (pinned(value) || hosted(value)):
		f.add(value, path, ruleField, Likely)
	case f.hub != "" && (isWord(value) || isShort(value)):
		if image := join("", f.hub+"/"+value, f.tag); image != "" {
			f.add(image, path, ruleField, Likely)
		}
	case isShort(value), isWord(value):
		f.add(value, path, ruleField, Doubtful)
	default:
		f.free(text, path)
	}
}

// free looks at a text that may hold anything: a document, or references in full.
func (f finder) free(text, path string) {
	if strings.Contains(text, "\n") && f.document(text, path) {
		return
	}
	f.lines(text, path, ruleObject)
}

// inFields puts an image together from the fields that charts and operators split it
// into, and returns the names of those. named says that the fields are called an
// image. An empty version stands for the one given, if any. It is empty when there
// is no image, or nothing that says which of its versions.
func inFields(m map[string]any, named bool, version string) (image string, used []string) {
	base, used := nameIn(m, named)
	if base == "" {
		return "", nil
	}
	host := textOf(m, "registry", "hub", "imageRegistry")
	tag, digest := scalarOf(m, "tag", "newTag", "imageTag"), textOf(m, "digest", "sha", "sha256")
	if tag == "" {
		if tag = scalarOf(m, "version"); tag != "" {
			used = append(used, "version")
		} else if empty, ok := m["version"].(string); ok && empty == "" && named {
			tag = version
		}
	}
	if digest != "" && !strings.Contains(digest, ":") {
		digest = "sha256:" + digest
	}
	if tag != "" {
		image = join(host, base, tag)
	}
	if digest != "" {
		if with := join(host, or(image, base), digest); with != "" {
			image = with
		}
	}
	if image == "" {
		return "", nil
	}
	return image, append(used, "registry", "hub", "tag")
}

// nameIn is the name of the repository in split fields, and the fields it is in.
func nameIn(m map[string]any, named bool) (name string, used []string) {
	repository, image := textOf(m, "repository", "repo"), textOf(m, "image", "imageName")
	switch {
	case repository != "" && image != "" && !strings.ContainsAny(image, "/:@"): // NVIDIA's operators
		return repository + "/" + image, []string{"repository", "image"}
	case repository != "":
		return repository, []string{"repository"}
	case textOf(m, "baseImage") != "": // Prometheus, before its field image
		return textOf(m, "baseImage"), []string{"baseImage"}
	case image != "" && !pinned(image):
		return image, []string{"image"}
	case textOf(m, "newName") != "": // Kustomize, as its objects in Flux have it
		return textOf(m, "newName"), []string{"newName", "name"}
	case named && image == "" && textOf(m, "name") != "": // Linkerd
		return textOf(m, "name"), []string{"name"}
	}
	return "", nil
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// join puts a reference together. It is empty when that is none. A host counts for
// names that have none; a version may be a tag or digest.
func join(host, name, version string) string {
	name, version = strings.TrimSuffix(name, "/"), strings.TrimPrefix(version, "@")
	if host != "" && !hosted(name) {
		name = strings.TrimSuffix(host, "/") + "/" + name
	}
	between := ":"
	if strings.HasPrefix(version, "sha256:") || strings.HasPrefix(version, "sha512:") {
		between = "@"
	}
	if strings.Contains(name, "@") || between == ":" && pinned(name) {
		return ""
	}
	if name += between + version; !isShort(name) {
		return ""
	}
	return name
}
