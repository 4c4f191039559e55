package media_test

import (
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/landfall-dev/landfall/bundle/media"
)

// A mount of our own ends with the process, however that ends.
func TestKilled(t *testing.T) {
	t.Parallel()
	s := newSlot(t)
	dir := t.TempDir()
	write(t, dir+"/x.bundle", nil)
	s.insert(ext4(t, dir), false)
	c := exec.Command("/proc/self/exe", "-test.run=^TestHold$")
	c.Env = append(os.Environ(), holdEnv+"="+s.name, innerEnv+"=alone")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, len("held"))); err != nil {
		t.Fatal(err)
	}
	if exclusive(s.path) {
		t.Error("it holds nothing")
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
	if !exclusive(s.path) {
		t.Error("the device is in use after the process")
	}
}

const holdEnv = "LANDFALL_MEDIA_HOLD"

// TestHold is the process of TestKilled.
func TestHold(t *testing.T) {
	name := os.Getenv(holdEnv)
	if name == "" {
		t.Skip("for TestKilled")
	}
	w := watch(t, media.Options{Mount: true, Devices: []string{name}})
	if d := w.of(media.Arrived); d.Access == media.ByOwn {
		_, _ = os.Stdout.WriteString("held")
	}
	select {}
}
