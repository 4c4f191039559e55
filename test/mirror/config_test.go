package mirror

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// writeFile makes a file of a folder that goes with the test.
func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// indented is lines of YAML as an item of a list.
func indented(lines []string) string { return "  - " + strings.Join(lines, "\n    ") + "\n" }

// settings are a mirror.yaml's entry for a host.
func settings(host string, lines ...string) []string {
	return append([]string{"host: " + host}, lines...)
}

// plain is the entry of an upstream that is spoken to over http.
func (u *upstream) plain(lines ...string) []string {
	return settings(u.Host(), append([]string{"plainHTTP: true"}, lines...)...)
}

// choice is the entry of a mirror that takes some repositories of an upstream.
func (u *upstream) choice(name string, repositories []string, lines ...string) []string {
	var full []string
	for _, r := range repositories {
		full = append(full, u.source(r))
	}
	return append([]string{"name: " + name, fmt.Sprintf("source: [%s]", strings.Join(full, ", "))}, lines...)
}

// mirrorFile writes a mirror.yaml.
func mirrorFile(t *testing.T, registries [][]string, mirrors ...[]string) string {
	t.Helper()
	text := "version: 1\nregistries:\n"
	for _, r := range registries {
		text += indented(r)
	}
	text += "mirrors:\n"
	for _, m := range mirrors {
		text += indented(m)
	}
	return writeFile(t, "mirror.yaml", text)
}

// file is a mirror.yaml that takes all content of one upstream.
func (u *upstream) file(t *testing.T, lines ...string) string {
	t.Helper()
	return mirrorFile(t, [][]string{u.plain("timeout: 10s")}, u.choice("all", u.content.repositories(), lines...))
}

// sync runs a mirror.yaml to a destination.
func (d *destination) sync(t *testing.T, file string, args ...string) result {
	t.Helper()
	return d.syncWith(t, nil, file, args...)
}

func (d *destination) syncWith(t *testing.T, env []string, file string, args ...string) result {
	t.Helper()
	return landfallWith(t, env, append(append([]string{"sync", "run", "--json", "-f", file}, d.args...), args...)...)
}

// mustSync is a run that has to make everything level.
func (d *destination) mustSync(t *testing.T, file string, args ...string) report {
	t.Helper()
	r := d.sync(t, file, args...)
	if r.code != exitDone {
		t.Fatalf("sync: %s", r)
	}
	return r.report(t)
}

// landed tells where repositories are by default.
func (u *upstream) landed(repository string) string { return path(u.Host(), repository) }
