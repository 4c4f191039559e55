package retention

import (
	"errors"
	"regexp"
	"strings"

	"github.com/landfall-dev/landfall/registry"
)

// glob matches repository names: * stands for any part of one element, also
// none; ** stands alone between slashes for any number of elements, also none.
// So "team/**" is team with all below it.
type glob struct {
	text string
	re   *regexp.Regexp
}

// glob refuses what no repository name can match.
func (c *compiler) glob(text string) (glob, error) {
	elements := strings.Split(text, "/")
	expression := `\A`
	for i, e := range elements {
		if e == "**" {
			expression += `(?:[^/]+/)*`
			elements[i] = "*"
			continue
		}
		if strings.Contains(e, "**") {
			return glob{}, errors.New("** stands alone between slashes")
		}
		expression += strings.ReplaceAll(regexp.QuoteMeta(e), `\*`, `[^/]*`) + "/"
	}
	// A digit can stand wherever a name has room, in a port too.
	example := strings.ReplaceAll(strings.Join(elements, "/"), "*", "0")
	if !validRepository(example) {
		return glob{}, errors.New("no repository can have such a name")
	}
	re, err := c.compile(expression + `\z`)
	return glob{text, re}, err
}

// matches closes every element with a slash, as the expression does.
func (g glob) matches(repository string) bool { return g.re.MatchString(repository + "/") }

// parsePrefix refuses what no repository can be under; "" is fine.
func parsePrefix(text string) (string, error) {
	if text != "" && !validRepository(text+"/0") {
		return "", errors.New("no repository can be under such a prefix")
	}
	return text, nil
}

func validRepository(name string) bool {
	ref, err := registry.ParseName(name + ":0")
	return err == nil && ref.Repository == name
}
