package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/registry"
)

const kubeletFolder = "/var/lib/kubelet"

// kubeletFiles are what kubeadm tells the kubelet by.
var kubeletFiles = []string{kubeletFolder + "/config.yaml", kubeletFolder + "/kubeadm-flags.env", kubeletFolder + "/instance-config.yaml"}

// nodeFiles are files of a node as they were at some time, by path.
type nodeFiles map[string]savedFile

// nodeBefore is what the kubelet was told before an upgrade.
type nodeBefore struct {
	To    string    `json:"to"` // the version that the upgrade went to
	Files nodeFiles `json:"files"`
}

func (t *task) readNode(paths []string) (nodeFiles, error) {
	files := nodeFiles{}
	for _, path := range paths {
		info, err := t.tree.stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		content, err := t.tree.read(path)
		if err != nil {
			return nil, err
		}
		files[path] = savedFile{info.Mode().Perm(), content}
	}
	return files, nil
}

func (t *task) writeNode(files nodeFiles) error {
	for path, f := range files {
		if err := t.tree.mkdir(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := t.tree.put(path, t.tree.write(f.Mode, strings.NewReader(string(f.Content)))); err != nil {
			return err
		}
	}
	return nil
}

func (t *task) beforePath() string { return filepath.Join(t.data, "before.json") }

// noteNode keeps what the kubelet is told before an upgrade. An upgrade that begins again
// may have changed it already: what was noted for it first counts.
func (t *task) noteNode(to string) error {
	if before, err := t.loadBefore(); err != nil || before.To == to {
		return err
	}
	files, err := t.readNode(kubeletFiles)
	if err != nil {
		return err
	}
	return saveJSON(t.beforePath(), nodeBefore{to, files})
}

func (t *task) loadBefore() (before nodeBefore, err error) {
	content, err := os.ReadFile(t.beforePath())
	if errors.Is(err, fs.ErrNotExist) {
		return before, nil
	}
	if err == nil {
		err = json.Unmarshal(content, &before)
	}
	if err != nil {
		return before, fmt.Errorf("%s, which says what the kubelet was told before its upgrade: %w", t.beforePath(), err)
	}
	return before, nil
}

// returnNode tells the kubelet what it was told before an upgrade. A node that has not
// been upgraded to that version is as it was.
func (t *task) returnNode(from string) error {
	before, err := t.loadBefore()
	if err != nil || before.To != from {
		return err
	}
	if err := t.writeNode(before.Files); err != nil {
		return err
	}
	return os.Remove(t.beforePath())
}

func saveJSON(path string, v any) error {
	content, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return registry.DiskError(durable.WriteFile(path, content, 0o600))
}
