package distro

import (
	_ "embed" // the table
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/landfall-dev/landfall/internal/version"
	"github.com/landfall-dev/landfall/registry"
)

const k3s = "k3s"

//go:embed k3s.txt
var k3sTable string

var (
	openK3s           = sync.OnceValues(func() (*distribution, error) { return readK3s(k3sTable) })
	k3sReleasePattern = regexp.MustCompile(`\A1\.[1-9][0-9]*\.(0|[1-9][0-9]{0,2})\+k3s[1-9]\z`)
)

// readK3s reads a table: a line of releases, and below it, indented by two spaces,
// their images.
func readK3s(table string) (*distribution, error) {
	d := &distribution{name: k3s, cure: func(version string) string {
		return "k3s-images.txt of the release v" + strings.TrimPrefix(version, "v") + " lists them"
	}}
	lists := map[string]*[]Image{}
	var list *[]Image
	err := lines(table, "k3s.txt", func(number int, line string) error {
		image, indented := strings.CutPrefix(line, "  ")
		switch {
		case indented && list == nil:
			return errors.New("an image before the first release")
		case indented:
			i, err := readK3sImage(image, number)
			*list = append(*list, i)
			return err
		}
		list = &[]Image{}
		for _, v := range strings.Split(line, " ") {
			if !k3sReleasePattern.MatchString(v) {
				return fmt.Errorf("%q is no release of k3s (1.36.3+k3s1)", v)
			}
			if lists[v] != nil {
				return fmt.Errorf("%s is there twice", v)
			}
			d.versions, lists[v] = append(d.versions, v), list
		}
		return nil
	})
	slices.SortFunc(d.versions, version.Compare)
	for _, v := range d.versions {
		if err == nil && len(*lists[v]) == 0 {
			err = fmt.Errorf("%w: k3s.txt: %s has no images", registry.ErrInvalid, v)
		}
	}
	d.images = func(version string) []Image { return slices.Clone(*lists[version]) }
	return d, err
}

func readK3sImage(text string, number int) (Image, error) {
	ref, err := registry.ParseName(text)
	if err != nil {
		return Image{}, err
	}
	component := strings.TrimPrefix(path.Base(ref.Repository), "mirrored-")
	return Image{Ref: ref, Component: component, From: fmt.Sprintf("k3s.txt:%d, of scripts/airgap/image-list.txt", number)}, nil
}
