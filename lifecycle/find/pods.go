package find

import (
	"regexp"
	"strings"

	"github.com/landfall-dev/landfall/lifecycle/object"
)

// workloads says where the kinds of Kubernetes have their pods' template or pod
// (Kubernetes API, "Workload Resources"; the groups of old versions included).
var workloads = map[string]map[string]string{
	"": {
		"Pod": "", "PodTemplate": "template", "ReplicationController": "spec.template",
	},
	"apps": {
		"Deployment": "spec.template", "ReplicaSet": "spec.template",
		"StatefulSet": "spec.template", "DaemonSet": "spec.template",
	},
	"extensions": {
		"Deployment": "spec.template", "ReplicaSet": "spec.template", "DaemonSet": "spec.template",
	},
	"batch": {
		"Job": "spec.template", "CronJob": "spec.jobTemplate.spec.template",
	},
}

// containerLists are the lists of containers in a pod's spec.
var containerLists = []string{"initContainers", "containers", "ephemeralContainers"}

// workload finds the images of a Kubernetes workload whose pod, with metadata and
// spec, is at a path.
func (f finder) workload(content map[string]any, at, path string) {
	for _, name := range strings.FieldsFunc(at, func(r rune) bool { return r == '.' }) {
		content, path = fieldsOf(content, name), sub(path, name)
	}
	f.annotations(content, path)
	f.pod(fieldsOf(content, "spec"), sub(path, "spec"), Certain)
}

// pod finds the images of a pod's spec.
func (f finder) pod(spec map[string]any, path string, sure Sure) {
	for _, name := range containerLists {
		list, _ := spec[name].([]any)
		for i, c := range list {
			if c, ok := c.(map[string]any); ok {
				f.container(c, element(sub(path, name), i), sure)
			}
		}
	}
	volumes, _ := spec["volumes"].([]any)
	for i, v := range volumes {
		v, _ := v.(map[string]any)
		at := sub(sub(element(sub(path, "volumes"), i), "image"), "reference")
		f.image(textOf(fieldsOf(v, "image"), "reference"), at, sure)
	}
}

// image notes what a container or volume has as image, unless it is there for
// somebody to put one in: Istio's "auto", or what a template at the site fills in.
func (f finder) image(text, path string, sure Sure) {
	if text != "" && text != "auto" && !unexpanded(text) {
		f.add(text, path, rulePod, sure)
	}
}

func (f finder) container(c map[string]any, path string, sure Sure) {
	f.image(textOf(c, "image"), sub(path, "image"), sure)
	vars := f.env(c, path)
	for _, name := range []string{"command", "args"} {
		if list, ok := c[name].([]any); ok {
			f.arguments(list, sub(path, name), vars)
		}
	}
}

// variable is an environment variable with a value, or a key of a ConfigMap.
type variable struct{ name, value, path string }

// env finds the images in a container's variables, and returns their values.
func (f finder) env(c map[string]any, path string) map[string]string {
	list, _ := c["env"].([]any)
	values := map[string]string{}
	var vars []variable
	for i, v := range list {
		v, _ := v.(map[string]any)
		if name, value := textOf(v, "name"), scalarOf(v, "value"); name != "" && value != "" {
			value = expand(value, values)
			values[name] = value
			vars = append(vars, variable{name, value, sub(element(sub(path, "env"), i), "value")})
		}
	}
	f.named(vars, ruleEnv)
	return values
}

var reference = regexp.MustCompile(`\$?\$\([A-Za-z_][A-Za-z0-9_.-]*\)`)

// expand puts variables in as Kubernetes does ("Define Dependent Environment
// Variables"): "$(NAME)" when NAME is known, "$$(NAME)" never.
func expand(text string, values map[string]string) string {
	return reference.ReplaceAllStringFunc(text, func(m string) string {
		if strings.HasPrefix(m, "$$") {
			return m
		}
		if value, ok := values[m[2:len(m)-1]]; ok && len(value) <= maxText {
			return value
		}
		return m
	})
}

// named finds images in values that have names, by either: variables of a container
// or keys of a ConfigMap.
func (f finder) named(vars []variable, rule string) {
	byWords := map[string]string{}
	for _, v := range vars {
		byWords[strings.Join(words(v.name), " ")] = v.value
	}
	for _, v := range vars {
		value := bare(v.value)
		list := words(v.name)
		related := len(list) > 1 && list[0] == "related" && list[1] == "image"
		joined := inParts(v, byWords)
		switch {
		case joined != "":
			f.add(joined, v.path, rule, Doubtful)
		case related && (isShort(value) || isWord(value)): // Operator SDK, "relatedImages"
			f.add(value, v.path, rule, Likely)
		case saysImage(v.name) && (isShort(value) || isImageWord(list[len(list)-1]) && isWord(value)):
			f.add(value, v.path, rule, Doubtful)
		default:
			for _, t := range tokens(v.value) {
				f.add(t, v.path, rule, Doubtful)
			}
		}
	}
}

// inParts puts an image together whose tag is in a variable beside it: PROXY_IMAGE
// and PROXY_IMAGE_TAG, proxy.repository and proxy.tag. It is empty when there is none.
// byWords are all values, by the words of their names.
func inParts(v variable, byWords map[string]string) string {
	value := bare(v.value)
	if pinned(value) || !isShort(value) && !isWord(value) {
		return ""
	}
	stem := words(v.name)
	n := len(stem)
	switch {
	case n == 0:
		return ""
	case stem[n-1] == "repository", stem[n-1] == "repo", stem[n-1] == "name":
		stem = stem[:n-1]
	case !isImageWord(stem[n-1]):
		return ""
	}
	if n = len(stem); n > 0 && isImageWord(stem[n-1]) {
		stem = stem[:n-1]
	}
	for _, end := range []string{"image digest", "digest", "image tag", "tag", "image version", "version"} {
		name := strings.TrimSpace(strings.Join(stem, " ") + " " + end)
		if version, ok := byWords[name]; ok {
			return join("", value, version)
		}
	}
	return ""
}

// arguments finds the images in a command line.
func (f finder) arguments(list []any, path string, vars map[string]string) {
	before := "" // the argument before, when that is an option without a value
	for i, a := range list {
		text, _ := a.(string)
		text = expand(text, vars)
		at := element(path, i)
		name, value, both := strings.Cut(text, "=")
		switch {
		case !strings.HasPrefix(text, "-") || strings.ContainsAny(name, " \n"):
			name, value = before, text
			before = ""
		case !both:
			before = text
			continue
		default:
			before = ""
		}
		value = strings.Trim(bare(value), `"'`)
		if saysImage(name) && (isShort(value) || isWord(value)) {
			f.add(value, at, ruleArgument, Doubtful)
			continue
		}
		for _, t := range tokens(text) {
			f.add(t, at, ruleArgument, Doubtful)
		}
	}
}

// annotations finds images that annotations name: of sidecars that are put into a
// pod, and those that kbld notes (Carvel kbld, "kbld.k14s.io/images").
func (f finder) annotations(content map[string]any, path string) {
	path = sub(path, "metadata")
	annotations := fieldsOf(fieldsOf(content, "metadata"), "annotations")
	for name := range annotations {
		text := bare(textOf(annotations, name))
		at := sub(sub(path, "annotations"), name)
		_, last, _ := strings.Cut(name, "/")
		switch {
		case name == "kbld.k14s.io/images":
			for _, url := range urls(text) {
				f.add(url, at, ruleAnnotation, Likely)
			}
		case saysImage(last) && isShort(text):
			f.add(text, at, ruleAnnotation, Likely)
		}
	}
}

// urls are those of kbld's list of images.
func urls(text string) (list []string) {
	objects, _ := object.Read(object.File{Content: text})
	for _, o := range objects {
		if url := textOf(o.Content, "url"); isShort(url) {
			list = append(list, url)
		}
	}
	return list
}
