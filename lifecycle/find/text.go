package find

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode"

	"github.com/landfall-dev/landfall/registry"
)

// maxText bounds a reference: a repository's full name, a tag and a sha512 digest.
const maxText = 600

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", registry.ErrInvalid, fmt.Sprintf(format, args...))
}

// LooksLikeImage reports whether a text is a reference in full: the host of a
// registry, a repository, and a tag or digest, and nothing beside it. URLs, paths,
// host and port, labels of Kubernetes and addresses of source code are none.
func LooksLikeImage(text string) bool {
	ref, ok := parse(text)
	if !ok || !pinned(text) {
		return false
	}
	host, path, ok := registry.CutHost(text)
	if !ok {
		return false
	}
	name, _, _ := strings.Cut(host, ":")
	if !strings.Contains(name, ".") && name != "localhost" && !strings.Contains(host, ":") {
		return false
	}
	if ref.Tag == "true" || ref.Tag == "false" { // a label or annotation with its value
		return false
	}
	return !noRegistry(name) && !isNetwork(host, path)
}

// noRegistry reports whether a host is known for names that are no images: labels,
// packages and sites of source code, services of the cluster.
func noRegistry(host string) bool {
	switch host {
	case "github.com", "gitlab.com", "bitbucket.org", "golang.org", "go.uber.org", "google.golang.org", "gopkg.in", "kubernetes.io", "k8s.io", "helm.sh", "sigs.k8s.io":
		return true
	}
	for _, end := range []string{".kubernetes.io", ".svc", ".cluster.local"} {
		if strings.HasSuffix(host, end) {
			return true
		}
	}
	return false
}

// isNetwork reports whether host/path is an address with its prefix's length.
func isNetwork(host, path string) bool {
	_, err := netip.ParseAddr(host)
	length, _, _ := strings.Cut(path, ":")
	_, errLength := strconv.Atoi(length)
	return err == nil && errLength == nil
}

// parse reads a text that may be a reference, as short as "nginx".
func parse(text string) (registry.Ref, bool) {
	if text == "" || len(text) > maxText || unexpanded(text) {
		return registry.Ref{}, false
	}
	ref, err := registry.ParseRef(text)
	return ref, err == nil
}

// unexpanded reports whether a text still has what a template or a shell replaces.
func unexpanded(text string) bool {
	return strings.Contains(text, "{{") || strings.Contains(text, "${") || strings.Contains(text, "$(")
}

// pinned reports whether a reference says which image of its repository it is.
func pinned(text string) bool {
	return strings.Contains(text, "@") || strings.LastIndexByte(text, ':') > strings.LastIndexByte(text, '/')
}

// hosted reports whether a reference names its registry.
func hosted(text string) bool {
	_, _, ok := registry.CutHost(text)
	return ok
}

// isShort reports whether a text is a reference that is more than a word: it has a
// path, tag or digest. "8080:80" and "12:30" are none.
func isShort(text string) bool {
	ref, ok := parse(text)
	if !ok || strings.HasPrefix(text, "/") {
		return false
	}
	if hosted(text) {
		host := ref.Host()
		if !pinned(text) {
			name, _, _ := strings.Cut(host, ":")
			return !noRegistry(name)
		}
		return LooksLikeImage(text)
	}
	name, _, _ := strings.Cut(text, ":")
	if _, err := strconv.ParseFloat(name, 64); err == nil {
		return false
	}
	return strings.Contains(text, "/") || pinned(text)
}

// isWord reports whether a text may be an image without path, tag and digest, such
// as "busybox".
func isWord(text string) bool {
	if _, ok := parse(text); !ok || strings.ContainsAny(text, "/:@") || len(text) < 2 {
		return false
	}
	switch text {
	case "true", "false", "null", "none", "auto", "yes", "no", "on", "off", "always", "never", "latest", "default", "image", "unknown":
		return false
	}
	_, err := strconv.ParseFloat(text, 64)
	return err != nil
}

// bare takes a scheme off that only says where an image is pulled from.
func bare(text string) string {
	text = strings.TrimSpace(text)
	for _, scheme := range []string{"docker://", "oci://"} {
		if rest, ok := strings.CutPrefix(text, scheme); ok {
			return rest
		}
	}
	return text
}

// tokens are the parts of a text that could be a reference in full.
func tokens(text string) []string {
	if !strings.Contains(text, "/") {
		return nil
	}
	var list []string
	for word := range strings.FieldsFuncSeq(text, isBetween) {
		if len(word) > maxText || !strings.Contains(word, "/") {
			continue
		}
		word = strings.TrimRight(bare(word), ".:;")
		if LooksLikeImage(word) {
			list = append(list, word)
		}
	}
	return list
}

func isBetween(r rune) bool {
	return unicode.IsSpace(r) || strings.ContainsRune("\"'`,;=()[]{}<>|\\", r)
}

// words splits a name, "podFailureImage", "POD_FAILURE_IMAGE" or
// "--pod-failure-image", into its words in lower case.
func words(name string) []string {
	var list []string
	begin, runes := 0, []rune(name)
	end := func(i int) {
		if i > begin {
			list = append(list, strings.ToLower(string(runes[begin:i])))
		}
	}
	for i, r := range runes {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			end(i)
			begin = i + 1
		case unicode.IsUpper(r) && i > begin && (!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])):
			end(i)
			begin = i
		}
	}
	end(len(runes))
	return list
}

// saysImage reports whether a name is that of an image: its last word is "image" or
// "images", or that with "name", "ref" and the like behind it, or it begins with it
// and ends with whose image it is, as IMAGE_PROXY and RELATED_IMAGE_PROXY.
func saysImage(name string) bool {
	list := words(name)
	n := len(list)
	if n == 0 {
		return false
	}
	if isImageWord(list[n-1]) {
		return true
	}
	if n < 2 || isPartWord(list[n-1]) {
		return false
	}
	if list[0] == "image" || list[0] == "related" && list[1] == "image" {
		return true
	}
	switch list[n-1] {
	case "name", "ref", "reference", "uri", "url", "spec", "default", "override", "fullname":
		return isImageWord(list[n-2])
	}
	return false
}

func isImageWord(word string) bool {
	switch word {
	case "image", "images", "img", "dockerimage", "containerimage", "baseimage", "imagename", "imageref":
		return true
	}
	return false
}

// isPartWord reports whether a name that ends so is that of a part of an image, or
// of how images are dealt with.
func isPartWord(word string) bool {
	switch word {
	case "registry", "repository", "repo", "tag", "tags", "version", "digest", "sha", "sha256", "prefix", "suffix", "policy",
		"secret", "secrets", "enabled", "dir", "path", "file", "id", "size", "format", "type", "kind", "credentials", "namespace", "timeout":
		return true
	}
	return false
}

// Values of parsed YAML.

func fieldsOf(m map[string]any, name string) map[string]any {
	fields, _ := m[name].(map[string]any)
	return fields
}

func textOf(m map[string]any, names ...string) string {
	for _, name := range names {
		if s, ok := m[name].(string); ok && strings.TrimSpace(s) != "" {
			return strings.TrimSpace(s)
		}
	}
	return ""
}

// scalarOf is a text or number as it was most likely written.
func scalarOf(m map[string]any, names ...string) string {
	for _, name := range names {
		switch v := m[name].(type) {
		case int64:
			return strconv.FormatInt(v, 10)
		case float64:
			return strconv.FormatFloat(v, 'f', -1, 64)
		case string:
			if v = strings.TrimSpace(v); v != "" {
				return v
			}
		}
	}
	return ""
}

// sub is the path of a field below another.
func sub(path, name string) string {
	switch {
	case name == "" || strings.ContainsAny(name, ".[] "):
		return path + "[" + name + "]"
	case path == "":
		return name
	}
	return path + "." + name
}

func element(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
