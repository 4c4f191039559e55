package e2e

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Exit codes that the design states.
const (
	exitFailed  = 1
	exitUsage   = 2
	exitRefused = 3
	exitNoSpace = 5
)

func landfall(args ...string) []string { return append([]string{tool("landfall")}, args...) }

// createBundle writes a bundle of the references and returns its path.
func createBundle(t *testing.T, refs ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "content.landfall")
	run(t, landfall(append([]string{"bundle", "create", "--plain-http", "-o", path}, refs...)...)...)
	return path
}

func importBundle(t *testing.T, bundle, data string) {
	t.Helper()
	run(t, landfall("bundle", "import", bundle, "--data", data)...)
}

var servingLine = regexp.MustCompile(`serving http://(\S+)`)

// serve runs the site over a data folder and returns its host:port.
func serve(t *testing.T, data string, flags ...string) string {
	t.Helper()
	ready := func(log string) bool { return servingLine.MatchString(log) }
	d := start(t, ready, append(landfall("serve", "--open", "--data", data, "--listen", "127.0.0.1:0"), flags...)...)
	return strings.TrimRight(servingLine.FindStringSubmatch(d.read())[1], "/.,")
}

// site is serve over a folder that holds the bundle.
func site(t *testing.T, bundle string) string {
	t.Helper()
	data := t.TempDir()
	importBundle(t, bundle, data)
	return serve(t, data)
}

// nodeConfig writes a kind's files for the site and returns their folder.
func nodeConfig(t *testing.T, kind, address string) string {
	t.Helper()
	dir := t.TempDir()
	run(t, landfall("node-config", kind, "--registry", "http://"+address, "-o", dir)...)
	return dir
}

// names are what content ls says a data folder holds, as "name digest" in
// ascending order. A folder that no store was ever opened in holds none.
func names(t *testing.T, data string) []string {
	t.Helper()
	if _, err := os.Stat(filepath.Join(data, "landfall.db")); err != nil {
		return nil
	}
	var listed []struct{ Name, Digest string }
	out := run(t, landfall("content", "ls", "--data", data, "--json")...)
	if err := json.Unmarshal([]byte(out), &listed); err != nil {
		t.Fatalf("content ls --json: %v: %s", err, out)
	}
	var names []string
	for _, l := range listed {
		names = append(names, l.Name+" "+l.Digest)
	}
	slices.Sort(names)
	return names
}

// files lists every file below a folder by its path.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		found = append(found, rel)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// validateAll pulls every repository's tag 1 from the site and checks it.
func validateAll(t *testing.T, address string) {
	t.Helper()
	repositories := strings.Fields(run(t, tool("crane"), "catalog", "--insecure", address))
	if len(repositories) == 0 {
		t.Errorf("the site's catalog is empty")
	}
	for _, r := range repositories {
		run(t, tool("crane"), "validate", "--insecure", "--remote", address+"/"+r+":1")
	}
}
