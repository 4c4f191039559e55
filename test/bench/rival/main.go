// Command rival serves distribution's own registry over its filesystem driver,
// set up as its sample configuration is, with deletion allowed. It is a program
// of its own, so that its size is not the bench's. With HTPASSWD it lets in only
// those that this file lists.
//
//	rival DIR [HTPASSWD]
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/distribution/distribution/v3/configuration"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd" // the access controller
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem" // the driver
	"github.com/sirupsen/logrus"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, os.Args[1], os.Args[2:]...); err != nil {
		fmt.Fprintln(os.Stderr, "rival:", err)
		stop()
		os.Exit(1)
	}
}

func serve(ctx context.Context, dir string, htpasswd ...string) error {
	logrus.SetLevel(logrus.ErrorLevel)
	config := &configuration.Configuration{Storage: configuration.Storage{
		"filesystem": {"rootdirectory": dir},
		"cache":      {"blobdescriptor": "inmemory"},
		"delete":     {"enabled": true},
		"tag":        {"concurrencylimit": 8},
	}}
	config.HTTP.Secret = "one process, nothing to share it with"
	config.HTTP.Headers = http.Header{"X-Content-Type-Options": {"nosniff"}}
	config.Catalog.MaxEntries = 1000
	if len(htpasswd) > 0 {
		config.Auth = configuration.Auth{"htpasswd": {"realm": "rival", "path": htpasswd[0]}}
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handlers.NewApp(ctx, config)}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	fmt.Fprintf(os.Stderr, "serving http://%s\n", l.Addr())
	if err := server.Serve(l); err != http.ErrServerClosed {
		return err
	}
	return nil
}
