// Command distro makes the tables of package lifecycle/distro of the projects' own
// sources, and prints them:
//
//	go run ./distro kubeadm > ../lifecycle/distro/kubeadm.txt
//	go run ./distro k3s CLONE RELEASE[=COMMIT]... > ../lifecycle/distro/k3s.txt
//
// kubeadm takes the releases from 1.30 on that the Go module proxy has, one after the
// other: some 20 MB each are downloaded, unpacked into a folder for temporary files,
// and removed again. The proxy lacks many. What lies between two that it has is in the
// table only when both have the same tags, and what lies before the first of a minor
// when the project's changelog says that its .0 had them already: the tags only go up
// within a minor. The others are left out.
//
// k3s takes the list of images of each release from a clone of
// github.com/k3s-io/k3s, at the tag of the release or, where the clone has no tags, at
// a commit. What is in the table was taken of the last commit of the release's branch
// before the work on the next one began. It was compared with the versions of CoreDNS,
// Traefik, metrics-server and local-path-provisioner in the release notes of 1.34.9,
// 1.35.5, 1.35.6, 1.36.1 and 1.36.2; the commits that change the list in 1.35.7 and
// 1.36.3 are in the release notes of these. The commits are:
//
//	1.33.10+k3s1=7b2aeb084 1.34.6+k3s1=aec5b32a7 1.35.3+k3s1=55a836089
//	1.33.11+k3s1=1ac4923ad 1.34.7+k3s1=e132b4b58 1.35.4+k3s1=dcc3bd83f
//	1.33.12+k3s1=7ca3027e9 1.34.8+k3s1=2b635d7c9 1.35.5+k3s1=92755d51d 1.36.1+k3s1=a9663261a
//	1.33.13+k3s1=c68c3c48e 1.34.9+k3s1=0b241dca6 1.35.6+k3s1=897374b05 1.36.2+k3s1=4ec014a0b
//	1.34.10+k3s1=39a4509ed 1.35.7+k3s1=cd43afc71 1.36.3+k3s1=5aed4d7be
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "distro:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 1 && args[0] == "kubeadm":
		return kubeadm(ctx, os.Stdout)
	case len(args) > 2 && args[0] == "k3s":
		return k3s(ctx, os.Stdout, args[1], args[2:])
	}
	return fmt.Errorf("usage: distro kubeadm | distro k3s CLONE RELEASE[=COMMIT]")
}
