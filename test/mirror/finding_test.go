package mirror

import (
	"os"
	"testing"
)

// finding skips what the product does not do yet; LANDFALL_FINDINGS=1 shows it.
func finding(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("LANDFALL_FINDINGS") == "" {
		t.Skip("finding: " + what)
	}
}
