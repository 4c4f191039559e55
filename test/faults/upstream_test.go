package faults

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// upstream is a site without faults that bundles are made from, one for all
// tests; runInner ends it.
var upstream struct {
	sync.Once
	daemon *daemon

	bundling sync.Mutex // one bundle is made at a time, and once
}

// startUpstream returns a client of the upstream.
func startUpstream(t *testing.T) client {
	t.Helper()
	upstream.Do(func() {
		data, err := os.MkdirTemp("", "")
		if err == nil {
			upstream.daemon, err = startDaemon(data)
		}
		if err != nil {
			t.Error(err)
		}
	})
	if upstream.daemon == nil || upstream.daemon.address == "" {
		t.Fatal("there is no upstream")
	}
	return client{upstream.daemon.address}
}

func stopUpstream() {
	if upstream.daemon != nil {
		_ = upstream.daemon.cmd.Process.Signal(syscall.SIGTERM)
		<-upstream.daemon.done
	}
}

// carried is how a site that imports an image of the upstream serves it.
func carried(t *testing.T, i image) image {
	t.Helper()
	i.repository = strings.Replace(startUpstream(t).address, ":", "_", 1) + "/" + i.repository
	return i
}

// bundleOf makes a bundle of images, as the upstream calls them. It lasts as
// long as the tests.
func bundleOf(t *testing.T, images ...image) string {
	t.Helper()
	startUpstream(t)
	upstream.bundling.Lock()
	defer upstream.bundling.Unlock()
	file := filepath.Join(os.TempDir(), digestOf(images[0].manifest)[7:27]+".bundle")
	if _, err := os.Stat(file); err == nil {
		return file
	}
	up := client{upstream.daemon.address}
	args := []string{"bundle", "create", "--plain-http", "-o", file}
	for _, i := range images {
		if err := up.push(i); err != nil {
			t.Fatal(err)
		}
		args = append(args, up.address+"/"+i.name())
	}
	must(t, args...)
	return file
}
