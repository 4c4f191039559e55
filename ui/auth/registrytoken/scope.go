package registrytoken

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/registry"
)

// Scope is a resource and what is asked to be done with it.
type Scope struct {
	Type    string   `json:"type"`
	Class   string   `json:"class,omitempty"`
	Name    string   `json:"name"`
	Actions []string `json:"actions"`
}

const (
	maxScopes     = 100
	maxScopeBytes = 16 << 10
	maxActions    = 20
)

var (
	typePattern   = regexp.MustCompile(`^([a-z0-9]+)(?:\(([a-z0-9]+)\))?$`)
	actionPattern = regexp.MustCompile(`^(?:[a-z]+|\*)$`)
	namePattern   = regexp.MustCompile(`^[A-Za-z0-9._:/-]+$`)
)

// parseScopes reads scopes (distribution's "Token Scope Documentation"): each value
// holds some, separated by spaces. Those of one resource become one.
func parseScopes(values []string) ([]Scope, error) {
	size := 0
	var list []Scope
	for _, value := range values {
		if size += len(value); size > maxScopeBytes {
			return nil, fmt.Errorf("%w: the scopes are longer than %d bytes", registry.ErrInvalid, maxScopeBytes)
		}
		for text := range strings.SplitSeq(value, " ") {
			if text == "" {
				continue
			}
			s, err := parseScope(text)
			if err != nil {
				return nil, err
			}
			list = addScope(list, s)
		}
	}
	if len(list) > maxScopes {
		return nil, fmt.Errorf("%w: more than %d scopes", registry.ErrInvalid, maxScopes)
	}
	return list, nil
}

// parseScope reads one: TYPE:NAME:ACTION,ACTION. A name may have a colon, before
// the port of a host.
func parseScope(text string) (s Scope, err error) {
	bad := func(what string) error { return fmt.Errorf("%w: scope %q: %s", registry.ErrInvalid, clip(text), what) }
	first, last := strings.IndexByte(text, ':'), strings.LastIndexByte(text, ':')
	if first < 0 || first == last {
		return Scope{}, bad("it is not TYPE:NAME:ACTIONS")
	}
	kind := typePattern.FindStringSubmatch(text[:first])
	if kind == nil {
		return Scope{}, bad("its type")
	}
	s = Scope{Type: kind[1], Class: kind[2], Name: text[first+1 : last]}
	if len(s.Name) > 512 || !namePattern.MatchString(s.Name) {
		return Scope{}, bad("its name")
	}
	for action := range strings.SplitSeq(text[last+1:], ",") {
		if action == "" && text[last+1:] == "" {
			continue // nothing is asked for
		}
		if !actionPattern.MatchString(action) {
			return Scope{}, bad("its actions")
		}
		if !slices.Contains(s.Actions, action) {
			s.Actions = append(s.Actions, action)
		}
	}
	if len(s.Actions) > maxActions {
		return Scope{}, bad("too many actions")
	}
	return s, nil
}

func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}

// addScope adds a scope to a list, or its actions to that of the same resource.
func addScope(list []Scope, s Scope) []Scope {
	i := slices.IndexFunc(list, func(o Scope) bool { return o.Type == s.Type && o.Name == s.Name })
	if i < 0 {
		return append(list, s)
	}
	for _, action := range s.Actions {
		if !slices.Contains(list[i].Actions, action) {
			list[i].Actions = append(list[i].Actions, action)
		}
	}
	return list
}

// String is the scope as clients write it.
func (s Scope) String() string { return s.Type + ":" + s.Name + ":" + strings.Join(s.Actions, ",") }
