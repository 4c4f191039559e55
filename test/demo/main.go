// Command demo shows the whole carry on one machine: a registry on loopback
// stands for the connected side, a bundle file crosses, an empty site lands it
// and serves it. It drives the real landfall binary and compares digests.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// demo holds the paths and addresses of one run.
type demo struct {
	binaries map[string]string // by architecture
	dir      string
	listen   string
	upstream string // host:port of the connected side
}

func main() {
	amd64 := flag.String("amd64", "bin/landfall-linux-amd64", "landfall for linux/amd64")
	arm64 := flag.String("arm64", "bin/landfall-linux-arm64", "landfall for linux/arm64")
	native := flag.String("landfall", "bin/landfall", "landfall for this machine")
	dir := flag.String("dir", "run", "folder for the bundle and the site's data; emptied first")
	listen := flag.String("listen", "127.0.0.1:5080", "where the site answers")
	flag.Parse()
	d := &demo{binaries: map[string]string{"amd64": *amd64, "arm64": *arm64, "": *native}, dir: *dir, listen: *listen}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := d.run(ctx); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func (d *demo) run(ctx context.Context) error {
	if err := d.prepare(ctx); err != nil {
		return err
	}
	say("1. The connected side: a registry on loopback, with Landfall's own image for two platforms")
	say("   and a second image that shares its layer.")
	connected, err := startUpstream()
	if err != nil {
		return err
	}
	defer connected.Close()
	d.upstream = connected.address
	pushed, err := d.pushImages(ctx)
	if err != nil {
		return err
	}
	say("2. The bundle: one file with everything that the two names reach.")
	bundle := filepath.Join(d.dir, "carry.bundle")
	create := append([]string{"bundle", "create", "--plain-http", "-o", bundle}, pushed.names(d.upstream)...)
	if err := d.landfall(ctx, create...); err != nil {
		return err
	}
	if err := d.landfall(ctx, "bundle", "verify", bundle); err != nil {
		return err
	}
	connected.Close()
	say("3. The crossing: the registry is gone now; the file is all that the site gets.")
	data := filepath.Join(d.dir, "data")
	if err := d.landfall(ctx, "bundle", "import", bundle, "--data", data); err != nil {
		return err
	}
	say("4. The site serves, and everything is pulled back and compared.")
	site, err := d.serve(ctx, data)
	if err != nil {
		return err
	}
	defer site.Wait()
	if err := d.compare(ctx, pushed); err != nil {
		site.Process.Signal(syscall.SIGTERM)
		return err
	}
	d.farewell(data, bundle, pushed)
	return site.Wait()
}

// prepare empties the folder and makes sure that the address is free.
func (d *demo) prepare(ctx context.Context) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", d.listen)
	if err != nil {
		return fmt.Errorf("%s is taken, perhaps by an earlier run: end that one first (%w)", d.listen, err)
	}
	l.Close()
	if err := os.RemoveAll(d.dir); err != nil {
		return err
	}
	return os.MkdirAll(d.dir, 0o755)
}

// landfall runs one command as a person would, and shows it.
func (d *demo) landfall(ctx context.Context, args ...string) error {
	fmt.Println("   $ landfall " + strings.Join(args, " "))
	c := exec.CommandContext(ctx, d.binaries[""], args...)
	c.Stdout, c.Stderr = indent{os.Stdout}, os.Stderr
	return c.Run()
}

// serve starts the site; it ends with the demo.
func (d *demo) serve(ctx context.Context, data string) (*exec.Cmd, error) {
	fmt.Println("   $ landfall serve --data " + data + " --listen " + d.listen)
	c := exec.CommandContext(ctx, d.binaries[""], "serve", "--data", data, "--listen", d.listen)
	c.Stderr = os.Stderr
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	if err := c.Start(); err != nil {
		return nil, err
	}
	for range 200 {
		answer, err := http.Get("http://" + d.listen + "/healthz")
		if err == nil {
			answer.Body.Close()
			return c, nil
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), c.Wait())
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil, errors.Join(errors.New("the site does not answer"), c.Process.Kill())
}

// compare pulls every name from the site, all bytes, and holds its digest
// against what was pushed upstream.
func (d *demo) compare(ctx context.Context, pushed images) error {
	for _, p := range pushed {
		ref, err := name.ParseReference(d.listen+"/"+strings.Replace(d.upstream, ":", "_", 1)+"/"+p.path, name.Insecure)
		if err != nil {
			return err
		}
		got, err := pull(ctx, ref)
		if err != nil {
			return fmt.Errorf("pull %s: %w", ref, err)
		}
		if got != p.digest {
			return fmt.Errorf("%s: upstream had %s, the site has %s", p.path, p.digest, got)
		}
		fmt.Printf("   equal  %s  %s\n", p.path, got)
	}
	return nil
}

// pull reads an image or index completely; the client proves every digest.
func pull(ctx context.Context, ref name.Reference) (v1.Hash, error) {
	d, err := remote.Get(ref, remote.WithContext(ctx))
	if err != nil {
		return v1.Hash{}, err
	}
	if !d.MediaType.IsIndex() {
		image, err := d.Image()
		if err != nil {
			return v1.Hash{}, err
		}
		return d.Digest, readLayers(image)
	}
	index, err := d.ImageIndex()
	if err != nil {
		return v1.Hash{}, err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return v1.Hash{}, err
	}
	for _, child := range manifest.Manifests {
		image, err := index.Image(child.Digest)
		if err != nil {
			return v1.Hash{}, err
		}
		if err := readLayers(image); err != nil {
			return v1.Hash{}, err
		}
	}
	return d.Digest, nil
}

func (d *demo) farewell(data, bundle string, pushed images) {
	site := d.listen + "/" + strings.Replace(d.upstream, ":", "_", 1) + "/" + pushed[0].path
	say("All digests are equal. The site serves at http://%s until you press Ctrl-C.", d.listen)
	say("To try next, in another terminal:")
	for _, line := range []string{
		"curl http://" + d.listen + "/api/v1/openapi.json       what can be managed, and how",
		d.binaries[""] + " user add ada --role admin --data " + data,
		d.binaries[""] + " content ls --data " + data,
		d.binaries[""] + " content show --data " + data + " " + d.upstream + "/" + pushed[0].path,
		d.binaries[""] + " bundle inspect " + bundle,
		d.binaries[""] + " node-config containerd --registry http://" + d.listen + " -o " + filepath.Join(d.dir, "certs.d"),
		"skopeo inspect --tls-verify=false docker://" + site,
	} {
		fmt.Println("   " + line)
	}
}

func say(format string, args ...any) { fmt.Printf(format+"\n", args...) }

// indent sets a command's output off from the demo's own words.
type indent struct{ to *os.File }

func (w indent) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		if _, err := w.to.WriteString("     " + line); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}
