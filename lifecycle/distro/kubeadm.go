package distro

import (
	_ "embed" // the table
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/landfall-dev/landfall/registry"
)

const kubeadm = "kubeadm"

// upstream is where Kubernetes' own images are.
const upstream = "registry.k8s.io"

//go:embed kubeadm.txt
var kubeadmTable string

// patches are releases of one minor, without a gap, that have the same images beside
// Kubernetes' own.
type patches struct {
	minor                string // "1.36"
	first, last          int
	etcd, coreDNS, pause string // tags
	line                 int
}

var (
	openKubeadm    = sync.OnceValues(func() (*distribution, error) { return readKubeadm(kubeadmTable) })
	releasePattern = regexp.MustCompile(`\A(1\.[1-9][0-9]*)\.(0|[1-9][0-9]{0,2})\z`)
)

// readKubeadm reads a table: FIRST LAST ETCD COREDNS PAUSE, from old to new.
func readKubeadm(table string) (*distribution, error) {
	d := &distribution{name: kubeadm, cure: func(version string) string {
		return "\"kubeadm config images list --kubernetes-version v" + strings.TrimPrefix(version, "v") + "\" lists them"
	}}
	rows := map[string]patches{}
	var before patches
	err := lines(table, "kubeadm.txt", func(number int, line string) error {
		p, err := readPatches(line)
		if err != nil {
			return err
		}
		if p.before(before) {
			return errors.New("not newer than the line before")
		}
		p.line, before = number, p
		for i := p.first; i <= p.last; i++ {
			v := p.minor + "." + strconv.Itoa(i)
			d.versions, rows[v] = append(d.versions, v), p
		}
		return nil
	})
	d.images = func(version string) []Image { return rows[version].images(version) }
	return d, err
}

func readPatches(line string) (p patches, err error) {
	fields := strings.Split(line, " ")
	if len(fields) != 5 {
		return p, fmt.Errorf("%d fields; wanted are FIRST LAST ETCD COREDNS PAUSE", len(fields))
	}
	first, last := releasePattern.FindStringSubmatch(fields[0]), releasePattern.FindStringSubmatch(fields[1])
	if first == nil || last == nil || first[1] != last[1] {
		return p, fmt.Errorf("%s %s: two releases of one minor are wanted", fields[0], fields[1])
	}
	p = patches{minor: first[1], etcd: fields[2], coreDNS: fields[3], pause: fields[4]}
	p.first, _ = strconv.Atoi(first[2])
	p.last, _ = strconv.Atoi(last[2])
	if p.first > p.last {
		return p, fmt.Errorf("%s is after %s", fields[0], fields[1])
	}
	for _, tag := range fields[2:] {
		if !registry.ValidTag(tag) {
			return p, fmt.Errorf("%q is no tag", tag)
		}
	}
	return p, nil
}

// before reports whether p does not come after q.
func (p patches) before(q patches) bool {
	if q.minor == "" {
		return false
	}
	a, _ := strconv.Atoi(strings.TrimPrefix(p.minor, "1."))
	b, _ := strconv.Atoi(strings.TrimPrefix(q.minor, "1."))
	return a < b || a == b && p.first <= q.last
}

// images is what GetControlPlaneImages of kubeadm lists with its defaults.
// https://github.com/kubernetes/kubernetes/blob/v1.36.3/cmd/kubeadm/app/images/images.go
func (p patches) images(version string) (list []Image) {
	from := fmt.Sprintf("kubeadm.txt:%d, of cmd/kubeadm/app/constants/constants.go", p.line)
	add := func(component, path, tag string) {
		list = append(list, Image{Ref: registry.Ref{Repository: upstream + "/" + path, Tag: tag}, Component: component, From: from})
	}
	for _, component := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"} {
		add(component, component, "v"+version)
	}
	add("coredns", "coredns/coredns", p.coreDNS)
	add("pause", "pause", p.pause)
	add("etcd", "etcd", p.etcd)
	return list
}
