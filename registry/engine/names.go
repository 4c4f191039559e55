package engine

import (
	"errors"
	"net/http"
	"strings"

	"github.com/landfall-dev/landfall/registry"
)

const dockerHub = "docker.io"

// candidate yields the repositories that a read may mean, in order; "" after
// the last.
//
// containerd's mirrors say with ?ns= which host they stand for, also those whose
// path has the host already: then the path is the name. dockerd's mirrors, which stand for docker.io only, do not:
// what is not found under the path itself is looked for under docker.io, and
// there under library/, object by object.
func (t *target) candidate(i int) string {
	if i == 0 {
		return t.repository
	}
	if t.ns != "" {
		if i == 1 && strings.Contains("/"+t.name, "/"+registry.RepositoryPath(t.ns+"/")) {
			return t.name
		}
		return ""
	}
	host, path, ok := strings.Cut(t.name, "/")
	switch {
	case ok && isHub(host):
		if full := hubName(host, path); i == 1 && full != t.name {
			return full
		}
	case ok && (host == "localhost" || strings.Contains(host, ".")):
		// A name with another host: docker.io has none such.
	case i == 1:
		return dockerHub + "/" + t.name
	case i == 2 && !ok:
		return dockerHub + "/library/" + t.name
	}
	return ""
}

func isHub(host string) bool {
	return host == dockerHub || host == "index.docker.io" || host == "registry-1.docker.io"
}

// hubName joins host and path, with the aliases and the completion of names
// of docker.io.
func hubName(host, path string) string {
	if !isHub(host) {
		return host + "/" + path
	}
	if !strings.Contains(path, "/") {
		path = "library/" + path
	}
	return dockerHub + "/" + path
}

// find calls read with the candidates of t until one holds what is asked for.
// A candidate that the client may not pull from does not exist for it. When
// none helps, the answer is the first one's.
func (e *Engine) find(r *http.Request, t *target, read func(repository string) error) error {
	var first error
	for i := 0; ; i++ {
		repository := t.candidate(i)
		if repository == "" {
			return first
		}
		err := e.allow(r, onRepository(repository, "pull"))
		if err == nil {
			if err = read(repository); !errors.Is(err, registry.ErrNotFound) {
				return err
			}
		}
		if i == 0 {
			first = err
		}
	}
}
