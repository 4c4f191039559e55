package driver

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/landfall-dev/landfall/internal/version"
	"github.com/landfall-dev/landfall/registry"
)

// Minor is the minor number of a version of Kubernetes, 36 of 1.36.3+k3s1; 0 of what is
// none.
func Minor(text string) int {
	parts := strings.SplitN(strings.TrimPrefix(text, "v"), ".", 3)
	if len(parts) < 2 {
		return 0
	}
	n, _ := strconv.Atoi(parts[1])
	return n
}

// Skew proves that an upgrade is one that Kubernetes allows: to a newer version, and of
// its control plane by one minor at most.
// https://kubernetes.io/releases/version-skew-policy/
func Skew(from, to string) error {
	switch a, b := Minor(from), Minor(to); {
	case version.Compare(to, from) < 0:
		return fmt.Errorf("%w: Kubernetes %s is older than %s: an upgrade goes to a newer version, and 'landfall cluster rollback' back", registry.ErrInvalid, to, from)
	case b > a+1:
		return fmt.Errorf("%w: Kubernetes goes from %s to %s by way of each minor version between them: upgrade to a definition with 1.%d first", registry.ErrInvalid, from, to, a+1)
	}
	return nil
}
