// Package cosign proves with the real cosign and openssl that what Landfall
// signs others verify, and that Landfall verifies what cosign signs. The module
// has no other purpose than to keep cosign's dependencies to itself.
package cosign

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// tools are the programs under test.
type tools struct{ landfall, cosign, dir string }

func newTools(t *testing.T) *tools {
	t.Helper()
	for _, program := range []string{"skopeo", "openssl", "tar"} {
		if _, err := exec.LookPath(program); err != nil {
			fail := t.Skipf
			if os.Getenv("CI") == "true" {
				fail = t.Fatalf
			}
			fail("this test needs %s (apt-get install %s)", program, program)
		}
	}
	p := &tools{landfall: os.Getenv("LANDFALL_BIN"), dir: t.TempDir()}
	if p.landfall == "" {
		t.Fatal("LANDFALL_BIN names no program: run 'make e2e'")
	}
	p.cosign = filepath.Join(p.dir, "cosign")
	build := exec.Command("go", "build", "-o", p.cosign, "github.com/sigstore/cosign/v3/cmd/cosign")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return p
}

// try runs a program in the folder and returns what it says.
func (p *tools) try(program string, args ...string) (string, error) {
	c := exec.Command(program, args...)
	c.Dir = p.dir
	c.Env = append(os.Environ(), "COSIGN_PASSWORD=", "HOME="+p.dir)
	out, err := c.CombinedOutput()
	return string(out), err
}

func (p *tools) run(t *testing.T, program string, args ...string) string {
	t.Helper()
	out, err := p.try(program, args...)
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", filepath.Base(program), args, err, out)
	}
	return out
}

// refused proves that a program ends with a code, and says why.
func (p *tools) refused(t *testing.T, code int, want, program string, args ...string) {
	t.Helper()
	out, err := p.try(program, args...)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != code || !strings.Contains(out, want) {
		t.Errorf("%s %q: %v, want exit %d and %q\n%s", filepath.Base(program), args, err, code, want, out)
	}
}

func (p *tools) keyID(t *testing.T, file string) string {
	t.Helper()
	var key struct{ ID string }
	if err := json.Unmarshal([]byte(p.run(t, p.landfall, "key", "show", file, "--json")), &key); err != nil {
		t.Fatal(err)
	}
	return key.ID
}

// serve runs a registry until the test ends, and returns its address.
func (p *tools) serve(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	c := exec.Command(p.landfall, "serve", "--open", "--data", filepath.Join(p.dir, "upstream"), "--listen", address)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Signal(os.Interrupt)
		_ = c.Wait()
	})
	for range 200 {
		if answer, err := http.Get("http://" + address + "/healthz"); err == nil {
			answer.Body.Close()
			return address
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the registry does not answer")
	return ""
}

// push pushes a small image under a name.
func (p *tools) push(t *testing.T, ref string) {
	t.Helper()
	layout := filepath.Join(p.dir, "layout")
	if _, err := os.Stat(layout); errors.Is(err, fs.ErrNotExist) {
		if err := writeLayout(layout); err != nil {
			t.Fatal(err)
		}
	}
	p.run(t, "skopeo", "copy", "-q", "--preserve-digests", "--dest-tls-verify=false", "oci:"+layout+":v1", "docker://"+ref)
}

// The header of a bundle that Landfall has signed is verified by cosign and by
// openssl, and by neither when a byte is added.
func TestOthersVerify(t *testing.T) {
	p := newTools(t)
	address := p.serve(t)
	p.push(t, address+"/team/app:v1")
	p.run(t, p.landfall, "key", "generate", "-o", "ec")
	p.run(t, p.landfall, "key", "generate", "-o", "ed", "--type", "ed25519")
	p.run(t, p.landfall, "bundle", "create", "--plain-http", address+"/team/app:v1", "-o", "b.bundle", "--sign", "ec.key", "--sign", "ed.key")
	p.run(t, "tar", "xf", "b.bundle")
	const header = "landfall/bundle.json"
	content, err := os.ReadFile(filepath.Join(p.dir, header))
	if err == nil {
		err = os.WriteFile(filepath.Join(p.dir, "changed"), append(content, ' '), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ec", "ed"} {
		signature := "landfall/signatures/" + p.keyID(t, name+".pub")
		verify := func(file string) []string {
			return []string{"verify-blob", "--key", name + ".pub", "--bundle", signature + ".sigstore.json", "--insecure-ignore-tlog=true", file}
		}
		if out := p.run(t, p.cosign, verify(header)...); !strings.Contains(out, "Verified OK") {
			t.Errorf("cosign, %s: %s", name, out)
		}
		p.refused(t, 1, "failed to verify signature", p.cosign, verify("changed")...)
		openssl := func(file string) []string {
			if name == "ec" {
				return []string{"dgst", "-sha256", "-verify", "ec.pub", "-signature", signature + ".sig", file}
			}
			return []string{"pkeyutl", "-verify", "-pubin", "-inkey", "ed.pub", "-rawin", "-sigfile", signature + ".sig", "-in", file}
		}
		p.run(t, "openssl", openssl(header)...)
		p.refused(t, 1, "erif", "openssl", openssl("changed")...)
	}
}

// A definition that Landfall has signed is verified by cosign, and is not when it is
// changed.
func TestOthersVerifyDefinitions(t *testing.T) {
	p := newTools(t)
	address := p.serve(t)
	p.push(t, address+"/team/app:v1")
	profile := fmt.Sprintf("apiVersion: landfall.dev/v1alpha1\nkind: ClusterProfile\nmetadata: {name: edge, version: 1.0.0}\n"+
		"spec: {layers: [{name: app, images: [%q]}]}\n", address+"/team/app:v1")
	if err := os.WriteFile(filepath.Join(p.dir, "profile.yaml"), []byte(profile), 0o600); err != nil {
		t.Fatal(err)
	}
	p.run(t, p.landfall, "key", "generate", "-o", "ec")
	p.run(t, p.landfall, "definition", "build", "profile.yaml", "-o", "edge.def.yaml", "--plain-http", "--sign", "ec.key")
	verify := []string{"verify-blob", "--key", "ec.pub", "--bundle", "edge.def.yaml.sig", "--insecure-ignore-tlog=true", "edge.def.yaml"}
	if out := p.run(t, p.cosign, verify...); !strings.Contains(out, "Verified OK") {
		t.Error(out)
	}
	f, err := os.OpenFile(filepath.Join(p.dir, "edge.def.yaml"), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString("# more\n")
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	p.refused(t, 1, "failed to verify signature", p.cosign, verify...)
	p.refused(t, 3, "it was changed after key", p.landfall, "definition", "show", "edge.def.yaml")
}

// Images that cosign has signed, as it does now and as it did, are let in by a
// policy with its key; others are not.
func TestVerifiesOthers(t *testing.T) {
	p := newTools(t)
	address := p.serve(t)
	p.run(t, p.cosign, "generate-key-pair")
	p.run(t, p.cosign, "signing-config", "create", "--out", "config.json")
	sign := func(name string, more ...string) {
		p.push(t, address+"/team/"+name+":v1")
		args := append([]string{"sign", "--yes", "--key", "cosign.key", "--allow-insecure-registry", "--allow-http-registry"}, more...)
		p.run(t, p.cosign, append(args, address+"/team/"+name+":v1")...)
	}
	sign("new", "--signing-config", "config.json")
	sign("old", "--new-bundle-format=false", "--use-signing-config=false", "--tlog-upload=false")
	p.push(t, address+"/team/none:v1")
	pem, err := os.ReadFile(filepath.Join(p.dir, "cosign.pub"))
	if err != nil {
		t.Fatal(err)
	}
	policy := fmt.Sprintf("version: 1\nunsigned: allow\nkeys:\n- owner: images\n  pem: |\n    %s\nimages:\n- {repositories: ['**'], keys: [%s]}\n",
		strings.ReplaceAll(strings.TrimSpace(string(pem)), "\n", "\n    "), p.keyID(t, "cosign.pub"))
	if err := os.WriteFile(filepath.Join(p.dir, "policy.yaml"), []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	p.run(t, p.landfall, "trust", "policy", "--data", "site", "--set", "policy.yaml")
	for _, name := range []string{"new", "old", "none"} {
		p.run(t, p.landfall, "bundle", "create", "--plain-http", address+"/team/"+name+":v1", "-o", name+".bundle")
	}
	p.run(t, p.landfall, "bundle", "import", "new.bundle", "--data", "site")
	p.run(t, p.landfall, "bundle", "import", "old.bundle", "--data", "site")
	if out := p.run(t, p.landfall, "trust", "images", "--data", "site"); strings.Count(out, "signed by key ") != 2 || strings.Count(out, " of images") != 2 {
		t.Errorf("the verdicts: %s", out)
	}
	p.refused(t, 3, "not trusted: it has no signature", p.landfall, "bundle", "import", "none.bundle", "--data", "site")

	mirror := fmt.Sprintf("registries: [{host: %q, plainHTTP: true}]\nmirrors: [{name: team, source: %q, verify: [{keys: cosign.pub}]}]\n", address, address+"/team/*")
	if err := os.WriteFile(filepath.Join(p.dir, "mirror.yaml"), []byte(mirror), 0o600); err != nil {
		t.Fatal(err)
	}
	p.refused(t, 3, "1 of 3 images were refused", p.landfall, "sync", "run", "-f", "mirror.yaml", "--data", "mirrored")
	listed := p.run(t, p.landfall, "content", "ls", "--data", "mirrored")
	if !strings.Contains(listed, "team/new:v1") || !strings.Contains(listed, "team/old:v1") || strings.Contains(listed, "team/none") {
		t.Errorf("mirrored: %s", listed)
	}
	if out := p.run(t, p.landfall, "trust", "images", "--data", "mirrored"); strings.Count(out, "signed by key ") != 2 {
		t.Errorf("the verdicts: %s", out)
	}
}
