package main

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// reference BUNDLE DIR is the physical reference for import: the least that a
// program has to do to land the same bytes with the same promise. One loop
// reads the bundle in order in pieces of 256 KiB, as Landfall does, hashes each blob, writes it to
// a file of its own, and has the kernel start writing to disk every 8 MiB. At
// the end each file and the folder are synced. It keeps no names, no index
// and no database, writes to no temporary name, and checks nothing else.
func reference(_ context.Context, args []string) error {
	bundle, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer bundle.Close()
	if err := os.Mkdir(args[1], 0o755); err != nil {
		return err
	}
	buffer := make([]byte, mib/4)
	var written []*os.File
	for t := tar.NewReader(bundle); ; {
		head, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		want, ok := strings.CutPrefix(head.Name, "blobs/sha256/")
		if !ok {
			continue
		}
		f, err := land(filepath.Join(args[1], want), t, buffer)
		if err != nil {
			return fmt.Errorf("%s: %w", head.Name, err)
		}
		written = append(written, f)
	}
	return syncAll(args[1], written)
}

// land writes and hashes one blob, and leaves the file open to be synced.
func land(file string, r io.Reader, buffer []byte) (*os.File, error) {
	f, err := os.Create(file)
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	for started, end := int64(0), int64(0); ; {
		n, err := io.ReadFull(r, buffer)
		sum.Write(buffer[:n])
		if _, err := f.Write(buffer[:n]); err != nil {
			return nil, err
		}
		last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !last {
			return nil, err
		}
		if end += int64(n); last || end-started >= 8*mib {
			if err := unix.SyncFileRange(int(f.Fd()), started, end-started, unix.SYNC_FILE_RANGE_WRITE); err != nil {
				return nil, err
			}
			started = end
		}
		if last {
			break
		}
	}
	if got := fmt.Sprintf("%x", sum.Sum(nil)); got != filepath.Base(file) {
		return nil, fmt.Errorf("the bytes hash to %s", got)
	}
	return f, nil
}

// syncAll makes the files and the folder's names durable.
func syncAll(dir string, files []*os.File) error {
	for _, f := range files {
		if err := f.Sync(); err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
