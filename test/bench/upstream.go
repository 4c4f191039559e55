package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log"
	"mime"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// upstream serves a registry over the blobs of a content folder.
func upstream(ctx context.Context, args []string) error {
	return listen(ctx, registry.New(
		registry.WithBlobHandler(folder(args[0])),
		registry.WithReferrersSupport(true),
		registry.Logger(log.New(io.Discard, "", 0)),
	))
}

// folder hands out files by digest. The library's own disk handler hashes the
// file on each request, which would make the upstream the thing measured.
type folder string

func (f folder) path(h v1.Hash) string { return filepath.Join(string(f), h.Algorithm, h.Hex) }

func (f folder) Get(_ context.Context, _ string, h v1.Hash) (io.ReadCloser, error) {
	file, err := os.Open(f.path(h))
	return file, unknown(err)
}

func (f folder) Stat(_ context.Context, _ string, h v1.Hash) (int64, error) {
	info, err := os.Stat(f.path(h))
	if err != nil {
		return 0, unknown(err)
	}
	return info.Size(), nil
}

func unknown(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return registry.ErrNotFound
	}
	return err
}

// files is the reference for get: a plain net/http file server. Known
// extensions spare it from reading each file's head to guess its type.
func files(ctx context.Context, args []string) error {
	if err := mime.AddExtensionType(".blob", "application/octet-stream"); err != nil {
		return err
	}
	return listen(ctx, http.FileServer(http.Dir(args[0])))
}

// listen serves on a free loopback port until the context ends, and says where
// in the words of `landfall serve`.
func listen(ctx context.Context, h http.Handler) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	say("serving http://%s", l.Addr())
	server := &http.Server{Handler: h}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// serving picks the address out of a server's ready line.
func serving(line string) (host string, ok bool) {
	_, rest, ok := strings.Cut(line, "serving http://")
	host, _, _ = strings.Cut(rest, " ")
	return strings.TrimRight(host, "/.,"), ok
}
