package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// tool is a side of the part sync: a program that copies all that the source
// has to a destination.
type tool struct {
	name  string
	run   func(context.Context, destination) (sample, error)
	check func(context.Context, destination) error // has it copied all?
}

// destination is empty, or what an earlier run of the same tool left. A tool
// uses one of the two.
type destination struct {
	host string // of a registry
	data string // a folder
}

// tools builds the programs.
func (b *bench) tools(ctx context.Context) (*mirroring, error) {
	bin := filepath.Join(b.dir, "bin")
	m := &mirroring{bench: b, bin: bin}
	var err error
	if m.skopeo, err = exec.LookPath("skopeo"); err != nil {
		return nil, fmt.Errorf("%w: apt-get install skopeo", err)
	}
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return nil, err
	}
	say("  building the tools")
	_, err = run(ctx, "go", "build", "-o", bin+"/", "./rival", "github.com/regclient/regclient/cmd/regsync", "github.com/google/go-containerregistry/cmd/crane")
	return m, err
}

// landfallTool copies into a registry.
func (s *source) landfallTool() tool {
	return tool{"landfall", func(ctx context.Context, d destination) (sample, error) {
		return run(ctx, s.landfall, "sync", "run", "-f", s.file("mirror.yaml"), "--server", "http://"+d.host)
	}, s.holdsSite}
}

// storeTool is Landfall copying into its own store.
func (s *source) storeTool() tool {
	return tool{"landfall --data", func(ctx context.Context, d destination) (sample, error) {
		return run(ctx, s.landfall, "sync", "run", "-f", s.file("mirror.yaml"), "--data", d.data)
	}, s.stores}
}

// regsyncTool copies four repositories at once: regsync's parallelism is one of
// entries, so that one entry for the whole registry would be sequential.
func (s *source) regsyncTool() tool {
	return tool{"regsync", func(ctx context.Context, d destination) (sample, error) {
		var list strings.Builder
		fmt.Fprintf(&list, "version: 1\ncreds:\n")
		for _, host := range []string{s.line.host, d.host} {
			fmt.Fprintf(&list, "  - {registry: %q, tls: disabled, reqConcurrent: 8}\n", host)
		}
		fmt.Fprintf(&list, "defaults: {parallel: 4, skipDockerConfig: true}\nsync:\n")
		for _, r := range s.content.repositories() {
			fmt.Fprintf(&list, "  - {type: repository, source: %q, target: %q}\n", s.line.host+"/"+r, d.host+"/"+r)
		}
		file := s.file("regsync.yaml")
		if err := os.WriteFile(file, []byte(list.String()), 0o644); err != nil {
			return sample{}, err
		}
		return run(ctx, filepath.Join(s.bin, "regsync"), "--verbosity", "error", "once", "-c", file)
	}, s.holdsSame}
}

// skopeoTool has one setting: image by image, up to six layers at once.
func (s *source) skopeoTool() tool {
	return tool{"skopeo sync", func(ctx context.Context, d destination) (sample, error) {
		list := fmt.Sprintf("%q:\n  tls-verify: false\n  images:\n", s.line.host)
		for _, r := range s.content.repositories() {
			list += fmt.Sprintf("    %s: []\n", r)
		}
		file := s.file("skopeo.yaml")
		if err := os.WriteFile(file, []byte(list), 0o644); err != nil {
			return sample{}, err
		}
		return run(ctx, s.skopeo, "--insecure-policy", "sync", "--src", "yaml", "--dest", "docker", "--dest-tls-verify=false", file, d.host+"/bench")
	}, s.holdsSame}
}

// craneTool is one crane for each image.
func (s *source) craneTool() tool {
	return tool{"crane cp", func(ctx context.Context, d destination) (sample, error) {
		return inTurn(s.content.images, func(i image) (sample, error) {
			return run(ctx, filepath.Join(s.bin, "crane"), "cp", s.line.host+"/"+i.name, d.host+"/"+i.name)
		})
	}, s.holdsSame}
}

// craneAllTool is one crane for each repository, four tags at once.
func (s *source) craneAllTool() tool {
	return tool{"crane cp --all-tags", func(ctx context.Context, d destination) (sample, error) {
		return inTurn(s.content.repositories(), func(r string) (sample, error) {
			return run(ctx, filepath.Join(s.bin, "crane"), "cp", "--all-tags", "--jobs", "4", s.line.host+"/"+r, d.host+"/"+r)
		})
	}, s.holdsSame}
}

// inTurn runs a program once for each of a list; the whole counts as one run.
func inTurn[T any](list []T, once func(T) (sample, error)) (sum sample, err error) {
	start := time.Now()
	for _, one := range list {
		s, err := once(one)
		if err != nil {
			return sum, err
		}
		sum.cpu += s.cpu
		sum.peak = max(sum.peak, s.peak)
	}
	sum.wall = time.Since(start)
	return sum, nil
}

// configure writes Landfall's file.
func (s *source) configure() error {
	return os.WriteFile(s.file("mirror.yaml"), fmt.Appendf(nil, `registries:
  - host: %q
    plainHTTP: true
mirrors:
  - name: all
    source: %q
`, s.line.host, s.line.host+"/bench/*"), 0o644)
}

// holdsSame wants the source's names at the destination.
func (s *source) holdsSame(ctx context.Context, d destination) error { return s.holds(ctx, d.host, "") }

// holdsSite wants the names that Landfall gives to what comes from afar.
func (s *source) holdsSite(ctx context.Context, d destination) error {
	return s.holds(ctx, d.host, sitePath(s.line.host)+"/")
}

// stores wants them from a store.
func (s *source) stores(ctx context.Context, d destination) error {
	site, err := serve(ctx, s.landfall, "serve", "--open", "--data", d.data, "--listen", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer site.stop()
	return s.holds(ctx, site.host, sitePath(s.line.host)+"/")
}

// holds wants each tag to have the source's very manifest, and each of its blobs
// to be there at its full size.
func (s *source) holds(ctx context.Context, host, prefix string) error {
	return connections(ctx, host, 1, func(at *client) error {
		for _, i := range s.content.images {
			if err := at.holds(i, "/v2/"+prefix+i.repository()); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c *client) holds(i image, path string) error {
	manifest := target{path + "/manifests/" + i.tag(), int64(len(i.manifest))}
	if err := c.get(manifest); err != nil {
		return err
	}
	got := make([]byte, manifest.Size)
	if _, err := io.ReadFull(c.r, got); err != nil {
		return err
	}
	if string(got) != string(i.manifest) {
		return errors.New(manifest.Path + ": another manifest")
	}
	m := i.parsed()
	for _, d := range append(m.Layers, m.Config) {
		blob := path + "/blobs/" + d.Digest.String()
		a, err := c.ask("HEAD", blob, nil, 0, octets, "200 OK")
		if err != nil {
			return err
		}
		if a.length != d.Size {
			return fmt.Errorf("%s: %d bytes instead of %d", blob, a.length, d.Size)
		}
	}
	return nil
}
