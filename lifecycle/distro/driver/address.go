package driver

import (
	"strconv"

	"github.com/landfall-dev/landfall/lifecycle/host"
)

// virtualAddress is the static pod that moves the control plane's address, by a
// kubeconfig of its host; nothing without one. Its own kubeconfig is where it looks for
// one.
// https://kube-vip.io/docs/installation/static/
func virtualAddress(s *Setting, folder, config string) ([]host.File, error) {
	network := s.Spec.Network
	if network.VirtualAddress == "" {
		return nil, nil
	}
	image, err := s.image("ghcr.io/kube-vip/kube-vip", "moves the virtual address")
	if err != nil {
		return nil, err
	}
	env := []any{}
	for _, v := range [][2]string{
		{"vip_arp", "true"}, {"port", strconv.Itoa(network.Port)}, {"vip_interface", network.Interface}, {"vip_subnet", "32"}, {"cp_enable", "true"}, {"cp_namespace", "kube-system"},
		{"vip_leaderelection", "true"}, {"vip_leasename", "plndr-cp-lock"}, {"vip_leaseduration", "15"}, {"vip_renewdeadline", "10"}, {"vip_retryperiod", "2"}, {"address", network.VirtualAddress},
	} {
		if v[1] != "" {
			env = append(env, map[string]any{"name": v[0], "value": v[1]})
		}
	}
	kind := "FileOrCreate"
	if config == k3sAdmin {
		kind = "File" // k3s writes it when its API server is up: the pod waits for that
	}
	pod, err := documents(map[string]any{
		"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "kube-vip", "namespace": "kube-system"},
		"spec": map[string]any{
			"hostNetwork": true,
			"hostAliases": []any{map[string]any{"ip": "127.0.0.1", "hostnames": []string{"kubernetes"}}},
			"containers": []any{map[string]any{
				"name": "kube-vip", "image": image, "imagePullPolicy": "IfNotPresent", "args": []string{"manager"}, "env": env,
				"securityContext": map[string]any{"capabilities": map[string]any{"add": []string{"NET_ADMIN", "NET_RAW"}, "drop": []string{"ALL"}}},
				"volumeMounts":    []any{map[string]any{"name": "kubeconfig", "mountPath": adminConfig}},
			}},
			"volumes": []any{map[string]any{"name": "kubeconfig", "hostPath": map[string]any{"path": config, "type": kind}}},
		},
	})
	if err != nil {
		return nil, err
	}
	return []host.File{{Path: folder + "kube-vip.yaml", Mode: 0o600, Content: pod}}, nil
}
