// Command app is the web application of the laboratory. It says its version and the host
// that it runs on; asked to end, it answers what was begun. With "broken" as its version
// it ends at once.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == "wait" { // before a pod ends: endpoints have to forget it first
		d, err := time.ParseDuration(os.Args[2])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		time.Sleep(d)
		return
	}
	version := "0"
	if len(os.Args) > 1 {
		version = os.Args[1]
	}
	if version == "broken" {
		fmt.Fprintln(os.Stderr, "app: this version cannot start")
		os.Exit(1)
	}
	if err := serve(version); err != nil {
		fmt.Fprintln(os.Stderr, "app:", err)
		os.Exit(1)
	}
}

func serve(version string) error {
	pod, _ := os.Hostname()
	server := &http.Server{Addr: ":8080", ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "app %s %s %s\n", version, pod, os.Getenv("NODE_NAME"))
	})}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		<-ctx.Done()
		limited, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		ended <- server.Shutdown(limited)
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-ended
}
