// Command vip stands in for kube-vip, which cannot be built from its module everywhere:
// it takes the same variables, elects a leader by the same lease, and gives the leader's
// host the virtual address by ARP. It does nothing else of what kube-vip does.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	name, err := os.Hostname() // of the host: the pod has its network, and thereby its name
	if err != nil {
		return err
	}
	for _, variable := range []string{"vip_arp", "vip_leaderelection", "cp_enable"} {
		if os.Getenv(variable) != "true" {
			return fmt.Errorf("%s=%q: this stand-in can do true only", variable, os.Getenv(variable))
		}
	}
	a, err := newAddress(os.Getenv("address"), os.Getenv("vip_interface"))
	if err != nil {
		return err
	}
	seconds, err := strconv.Atoi(os.Getenv("vip_leaseduration"))
	if err != nil {
		return fmt.Errorf("vip_leaseduration: %w", err)
	}
	retry, err := strconv.Atoi(os.Getenv("vip_retryperiod"))
	if err != nil {
		return fmt.Errorf("vip_retryperiod: %w", err)
	}
	e := &election{holder: name, seconds: seconds, path: "/apis/coordination.k8s.io/v1/namespaces/" + os.Getenv("cp_namespace") + "/leases", lease: os.Getenv("vip_leasename")}
	defer a.set(false)
	// Held is for how long the lease is certainly ours; who cannot renew it lets go.
	var held time.Time
	for {
		led, err := e.try(ctx)
		switch {
		case err != nil:
			log.Print(err)
		case led:
			held = time.Now().Add(time.Duration(seconds) * time.Second)
		default:
			held = time.Time{}
		}
		if err := a.set(time.Now().Before(held)); err != nil {
			log.Print(err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Duration(retry) * time.Second):
		}
	}
}
