package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

const (
	module    = "k8s.io/kubernetes"
	firstSeen = 30 // the oldest minor of the table

	kubeadmHead = `# Releases of Kubernetes, and the tags of what kubeadm brings up beside them.
# Made by test/distro; that says how, and why some releases are not here.
# FIRST LAST ETCD COREDNS PAUSE
`
)

// release is what is read of one.
type release struct {
	minor, patch int
	tags         tags
	changelog    string // CHANGELOG-1.MINOR.md
}

// tags are those of etcd, CoreDNS and pause.
type tags [3]string

var (
	stable    = regexp.MustCompile(`\Av1\.([0-9]+)\.([0-9]+)\z`)
	constants = [3]*regexp.Regexp{
		regexp.MustCompile(`(?m)^\s*DefaultEtcdVersion\s*=\s*"([^"]+)"`),
		regexp.MustCompile(`(?m)^\s*CoreDNSVersion\s*=\s*"([^"]+)"`),
		regexp.MustCompile(`(?m)^\s*PauseVersion\s*=\s*"([^"]+)"`),
	}
	subjects = [3]string{"etcd", "coredns", "pause"}
)

// kubeadm prints the table of the releases that the proxy has.
func kubeadm(ctx context.Context, w io.Writer) error {
	releases, err := readReleases(ctx)
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, kubeadmHead)
	zeros := map[int]tags{} // of the .0 of a minor
	for len(releases) > 0 && err == nil {
		n := 1
		for n < len(releases) && releases[n].minor == releases[0].minor && releases[n].tags == releases[0].tags {
			n++
		}
		first, last := releases[0], releases[n-1]
		if first.sinceZero(zeros[first.minor-1]) {
			first.patch = 0
			zeros[first.minor] = first.tags
		}
		_, err = fmt.Fprintf(w, "1.%d.%d 1.%d.%d %s\n", first.minor, first.patch, last.minor, last.patch, strings.Join(first.tags[:], " "))
		releases = releases[n:]
	}
	return err
}

// sinceZero: the changelog of .0 says of each tag that it came in, or the .0 of the
// minor before had it.
func (r release) sinceZero(before tags) bool {
	_, section, _ := strings.Cut(r.changelog, fmt.Sprintf("\n# v1.%d.0\n", r.minor))
	for i, tag := range r.tags {
		if r.patch == 0 || tag == before[i] {
			continue
		}
		version, _, _ := strings.Cut(strings.TrimPrefix(tag, "v"), "-")
		said := regexp.MustCompile(`(?im)^- updated? (the )?(default )?` + subjects[i] + ` (images? |version )*to .?v?` + regexp.QuoteMeta(version) + "[^0-9.]")
		if !said.MatchString(section) {
			return false
		}
	}
	return true
}

// readReleases reads all that the proxy has, from old to new.
func readReleases(ctx context.Context) (list []release, err error) {
	dir, err := os.MkdirTemp("", "landfall-distro-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	out, err := goTool(ctx, dir, "list", "-m", "-versions", module)
	if err != nil {
		return nil, err
	}
	for _, v := range strings.Fields(string(out))[1:] {
		m := stable.FindStringSubmatch(v)
		if m == nil {
			continue
		}
		r := release{}
		r.minor, _ = strconv.Atoi(m[1])
		r.patch, _ = strconv.Atoi(m[2])
		if r.minor < firstSeen {
			continue
		}
		if err := r.read(ctx, dir, v); err != nil {
			return nil, fmt.Errorf("%s: %w", v, err)
		}
		list = append(list, r)
	}
	return list, nil
}

// read downloads a release, and removes it again.
func (r *release) read(ctx context.Context, dir, version string) (err error) {
	cache := filepath.Join(dir, version)
	defer func() { err = errors.Join(err, os.RemoveAll(cache)) }()
	out, err := goTool(ctx, cache, "mod", "download", "-json", module+"@"+version)
	if err != nil {
		return err
	}
	var at struct{ Dir string }
	if err := json.Unmarshal(out, &at); err != nil {
		return err
	}
	source, err := os.ReadFile(filepath.Join(at.Dir, "cmd/kubeadm/app/constants/constants.go"))
	if err != nil {
		return err
	}
	for i, pattern := range constants {
		m := pattern.FindSubmatch(source)
		if m == nil {
			return fmt.Errorf("constants.go has nothing like %s", pattern)
		}
		r.tags[i] = string(m[1])
	}
	changelog, err := os.ReadFile(filepath.Join(at.Dir, fmt.Sprintf("CHANGELOG/CHANGELOG-1.%d.md", r.minor)))
	r.changelog = string(changelog)
	return err
}

// goTool runs the go command with a module cache of its own.
func goTool(ctx context.Context, cache string, args ...string) ([]byte, error) {
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return nil, err
	}
	c := exec.CommandContext(ctx, "go", args...)
	c.Dir = cache
	c.Env = append(os.Environ(), "GOMODCACHE="+cache, "GOFLAGS=-modcacherw", "GOWORK=off")
	c.Stderr = os.Stderr
	out, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c, err)
	}
	return out, nil
}
