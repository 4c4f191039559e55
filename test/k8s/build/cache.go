// Package build makes what the laboratory is made of: Kubernetes, its runtime, its
// network plugins, etcd and CoreDNS from their Go modules, the root file system of a
// host from Debian's packages, and Landfall itself. All but the last is kept in a cache
// outside the repository, under a key of what it was made of, and made once.
//
// Nouns. A module is a folder below modules/ with a go.mod of its own, whose tools are
// built. A made thing is a folder of the cache; it is there as a whole or not at all.
package build

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// CacheEnv names the cache's folder.
const CacheEnv = "LANDFALL_K8S_CACHE"

// Cache is a folder of made things.
//
//	NAME-KEY/          programs of a module
//	rootfs-KEY/        a host's root file system
//	images/            images made of the programs
//	run/               what a running laboratory writes; removed at its end
type Cache struct {
	Dir string
	// Log is told what is made; nil: nobody.
	Log func(format string, args ...any)
}

// Open makes the cache's folder: $LANDFALL_K8S_CACHE, or landfall-k8s in the user's.
func Open() (*Cache, error) {
	dir := os.Getenv(CacheEnv)
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("%w: set %s", err, CacheEnv)
		}
		dir = filepath.Join(base, "landfall-k8s")
	}
	dir, err := filepath.Abs(dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	return &Cache{Dir: dir}, err
}

// lockFile is one for the machine: control groups are the machine's, whatever the cache.
const lockFile = "/run/landfall-k8s.lock"

// Lock makes this process the one that runs a laboratory here, until it ends.
func Lock() error {
	f, err := os.OpenFile(lockFile, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return fmt.Errorf("another laboratory runs on this machine: wait for its end (%s)", lockFile)
	}
	locks = append(locks, f)
	return nil
}

// locks keeps open what would be let go of when it was collected.
var locks []*os.File

func (c *Cache) log(format string, args ...any) {
	if c.Log != nil {
		c.Log(format, args...)
	}
}

// made is the folder NAME-KEY, filled by fill when it is not there: beside its place, so
// that an interrupted one is not taken for whole.
func (c *Cache) made(name, key string, fill func(dir string) error) (string, error) {
	dir := filepath.Join(c.Dir, name+"-"+key)
	if _, err := os.Stat(dir); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return dir, err
	}
	c.log("making %s", filepath.Base(dir))
	temp := dir + ".part"
	if err := errors.Join(os.RemoveAll(temp), os.MkdirAll(temp, 0o755)); err != nil {
		return "", err
	}
	if err := fill(temp); err != nil {
		return "", errors.Join(fmt.Errorf("making %s: %w", name, err), os.RemoveAll(temp))
	}
	return dir, os.Rename(temp, dir)
}

// key is a short digest of texts.
func key(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:6])
}
