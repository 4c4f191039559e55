package recall

// projects are real charts that between them have what makes images hard to find.
var projects = []real{
	{
		folder: folder{"kubernetes-sigs/metrics-server", "metrics-server-helm-chart-3.13.1", "charts/metrics-server"},
		sets:   []string{"", "addonResizer: {enabled: true}"},
		runs:   []string{"registry.k8s.io/metrics-server/metrics-server:v0.8.1", "registry.k8s.io/autoscaling/addon-resizer:1.8.23"},
	},
	{
		folder: folder{"kubernetes-sigs/external-dns", "external-dns-helm-chart-1.21.1", "charts/external-dns"},
		runs:   []string{"registry.k8s.io/external-dns/external-dns:v0.21.0"},
	},
	{ // hooks; registry, image, tag and digest apart
		folder: folder{"kubernetes/ingress-nginx", "helm-chart-4.15.1", "charts/ingress-nginx"},
		sets:   []string{"", "defaultBackend: {enabled: true}"},
		runs: []string{
			"registry.k8s.io/ingress-nginx/kube-webhook-certgen:v1.6.9@sha256:01038e7de14b78d702d2849c3aad72fd25903c4765af63cf16aa3398f5d5f2dd",
			"registry.k8s.io/ingress-nginx/controller:v1.15.1@sha256:594ceea76b01c592858f803f9ff4d2cb40542cae2060410b2c95f75907d659e1",
			"registry.k8s.io/defaultbackend-amd64:1.5",
		},
	},
	{ // an image in an argument only; a hook
		folder: folder{"cert-manager/cert-manager", "v1.21.1", "deploy/charts/cert-manager"},
		runs: []string{
			"quay.io/jetstack/cert-manager-cainjector:v0.0.0", "quay.io/jetstack/cert-manager-controller:v0.0.0",
			"quay.io/jetstack/cert-manager-webhook:v0.0.0", "quay.io/jetstack/cert-manager-startupapicheck:v0.0.0",
			"quay.io/jetstack/cert-manager-acmesolver:v0.0.0",
		},
	},
	{
		folder: folder{"kubernetes-csi/csi-driver-nfs", "v4.13.4", "charts/v4.13.4/csi-driver-nfs"},
		sets:   []string{"", "externalSnapshotter: {enabled: true}"},
		runs: []string{
			"registry.k8s.io/sig-storage/csi-provisioner:v6.3.0", "registry.k8s.io/sig-storage/csi-resizer:v2.2.0",
			"registry.k8s.io/sig-storage/csi-snapshotter:v8.6.0", "registry.k8s.io/sig-storage/livenessprobe:v2.19.0",
			"registry.k8s.io/sig-storage/nfsplugin:v4.13.4", "registry.k8s.io/sig-storage/csi-node-driver-registrar:v2.17.0",
			"registry.k8s.io/sig-storage/snapshot-controller:v8.6.0",
		},
	},
	{ // subcharts; the sidecar's image in a variable
		folder: folder{"dapr/dapr", "v1.18.3", "charts/dapr"},
		runs: []string{
			"ghcr.io/dapr/operator:edge", "ghcr.io/dapr/placement:edge", "ghcr.io/dapr/scheduler:edge", "ghcr.io/dapr/sentry:edge",
			"ghcr.io/dapr/injector:edge", "ghcr.io/dapr/daprd:edge",
		},
	},
	{ // a subchart that is packed, behind a condition
		folder: folder{"metallb/metallb", "metallb-chart-0.16.1", "charts/metallb"},
		sets:   []string{"", "{frrk8s: {enabled: false}, speaker: {frr: {enabled: true}}}"},
		runs: []string{
			"quay.io/frrouting/frr:10.4.3", "quay.io/metallb/frr-k8s:v0.0.25", "quay.io/metallb/controller:v0.0.0",
			"quay.io/metallb/speaker:v0.0.0", "quay.io/frrouting/frr:10.5.3",
		},
	},
	{ // hooks; custom resources with schemas that speak of images
		folder: folder{"open-policy-agent/gatekeeper", "v3.23.0", "charts/gatekeeper"},
		runs:   []string{"openpolicyagent/gatekeeper:v3.23.0", "openpolicyagent/gatekeeper-crds:v3.23.0", "curlimages/curl:8.20.0"},
	},
	{ // tpl everywhere; hooks
		folder:  folder{"argoproj/argo-helm", "argo-cd-10.1.1", "charts/argo-cd"},
		without: []string{"redis-ha"},
		sets:    []string{"", "redis: {exporter: {enabled: true}}"},
		runs: []string{
			"quay.io/argoproj/argocd:v3.4.4", "ghcr.io/dexidp/dex:v2.45.1", "ecr-public.aws.com/docker/library/redis:8.2.3-alpine",
			"ghcr.io/oliver006/redis_exporter:v1.86.0",
		},
	},
	{ // an argument behind its option
		folder: folder{"argoproj/argo-helm", "argo-workflows-1.0.18", "charts/argo-workflows"},
		runs: []string{
			"quay.io/argoproj/workflow-controller:v4.0.6", "quay.io/argoproj/argocli:v4.0.6", "quay.io/argoproj/argoexec:v4.0.6",
			"registry.k8s.io/kubectl:v1.36.2",
		},
	},
	{ // images of Docker Hub in the YAML of a ConfigMap, one set for each version that an EventBus may ask for
		folder: folder{"argoproj/argo-helm", "argo-cd-10.1.1", "charts/argo-events"},
		runs: []string{
			"quay.io/argoproj/argo-events:v1.9.10",
			"nats:2.10.10", "nats:2.8.1", "nats:2.8.1-alpine", "nats:2.8.2", "nats:2.8.2-alpine", "nats:2.9.1", "nats:2.9.12", "nats:2.9.16",
			"nats-streaming:latest", "nats-streaming:0.22.1",
			"natsio/nats-server-config-reloader:0.14.0", "natsio/nats-server-config-reloader:0.7.0",
			"natsio/prometheus-nats-exporter:0.14.0", "natsio/prometheus-nats-exporter:0.9.1", "natsio/prometheus-nats-exporter:0.8.0",
			"natsio/prometheus-nats-exporter:latest",
		},
	},
	{ // ConfigMaps: an image, and another one with its tag beside it. The databases that
		// trivy pulls itself have no tag here and are no images: a profile names them.
		folder: folder{"aquasecurity/trivy-operator", "v0.32.0", "deploy/helm"},
		runs: []string{
			"mirror.gcr.io/aquasec/trivy-operator:0.32.0", "mirror.gcr.io/aquasec/trivy:0.72.0", "ghcr.io/aquasecurity/node-collector:0.3.1",
			"mirror.gcr.io/aquasec/trivy-checks:1",
		},
	},
	{ // a custom resource with repository, image and version apart; a conditional subchart.
		// Hosts bring their driver: its tag has the host's system in it, which no chart knows.
		folder: folder{"NVIDIA/gpu-operator", "v26.3.3", "deployments/gpu-operator"},
		sets:   []string{"driver: {enabled: false}"},
		runs: []string{
			"nvcr.io/nvidia/gpu-operator:main-latest", "registry.k8s.io/nfd/node-feature-discovery:v0.18.3",
			"nvcr.io/nvidia/k8s/container-toolkit:v1.19.1", "nvcr.io/nvidia/k8s-device-plugin:v0.19.3",
			"nvcr.io/nvidia/k8s/dcgm-exporter:4.5.3-4.8.2-distroless", "nvcr.io/nvidia/cloud-native/k8s-mig-manager:v0.14.2",
		},
	},
	{ // most images in arguments and variables, without a registry
		folder: folder{"longhorn/charts", "longhorn-1.6.0", "charts/longhorn"},
		runs: []string{
			"longhornio/longhorn-manager:v1.6.0", "longhornio/longhorn-ui:v1.6.0", "longhornio/longhorn-engine:v1.6.0",
			"longhornio/longhorn-instance-manager:v1.6.0", "longhornio/longhorn-share-manager:v1.6.0", "longhornio/backing-image-manager:v1.6.0",
			"longhornio/support-bundle-kit:v0.0.33", "longhornio/csi-attacher:v4.4.2", "longhornio/csi-provisioner:v3.6.2",
			"longhornio/csi-node-driver-registrar:v2.9.2", "longhornio/csi-resizer:v1.9.2", "longhornio/csi-snapshotter:v6.3.2",
			"longhornio/livenessprobe:v2.11.0",
		},
	},
	{ // a library chart beside it; images in a ConfigMap under names that say nothing
		folder:  folder{"rook/rook", "v1.20.6", "deploy/charts/rook-ceph"},
		also:    []string{"deploy/charts/library"},
		charts:  []folder{{"ceph/ceph-csi-operator", "v1.0.4", "deploy/charts/ceph-csi-operator"}},
		without: []string{"ceph-csi-operator"},
		remove:  []string{"charts/library"},
		runs: []string{
			"docker.io/rook/ceph:v1.20.6", "quay.io/cephcsi/ceph-csi-operator:v1.0.4",
			"registry.k8s.io/sig-storage/csi-provisioner:v6.2.0", "registry.k8s.io/sig-storage/csi-attacher:v4.12.0", "registry.k8s.io/sig-storage/csi-resizer:v2.1.0", "registry.k8s.io/sig-storage/csi-snapshotter:v8.5.0",
			"registry.k8s.io/sig-storage/csi-node-driver-registrar:v2.17.0", "quay.io/cephcsi/cephcsi:v3.17.0", "quay.io/csiaddons/k8s-sidecar:v0.14.0",
		},
	},
	{
		folder: folder{"rook/rook", "v1.20.6", "deploy/charts/rook-ceph-cluster"},
		also:   []string{"deploy/charts/library"},
		remove: []string{"charts/library"},
		runs:   []string{"quay.io/ceph/ceph:v20.2.4"},
	},
	{ // lists of images in one variable
		folder: folder{"strimzi/strimzi-kafka-operator", "1.2.0", "helm-charts/helm3/strimzi-kafka-operator"},
		runs: []string{
			"quay.io/strimzi/operator:1.2.0", "quay.io/strimzi/kafka:1.2.0-kafka-4.2.0", "quay.io/strimzi/kafka:1.2.0-kafka-4.2.1",
			"quay.io/strimzi/kafka:1.2.0-kafka-4.3.0", "quay.io/strimzi/kafka:1.2.0-kafka-4.3.1", "quay.io/strimzi/kafka-bridge:1.1.0",
			"quay.io/strimzi/kaniko-executor:1.2.0", "quay.io/strimzi/buildah:1.2.0", "quay.io/strimzi/maven-builder:1.2.0",
		},
	},
	{ // the sidecar is put together at the site, from parts in JSON in a ConfigMap
		folder: folder{"istio/istio", "1.30.3", "manifests/charts/istio-control/istio-discovery"},
		runs:   []string{"registry.istio.io/testing/pilot:latest", "registry.istio.io/testing/proxyv2:latest"},
	},
	{ // the same with names and an empty version, in YAML; a library chart
		folder: folder{"linkerd/linkerd2", "edge-26.8.3", "charts/linkerd-control-plane"},
		also:   []string{"charts/partials"},
		sets:   []string{"{identity: {externalCA: true, issuer: {scheme: kubernetes.io/tls}}, identityTrustAnchorsPEM: x}"},
		runs: []string{
			"cr.l5d.io/linkerd/controller:linkerdVersionValue", "cr.l5d.io/linkerd/proxy:linkerdVersionValue", "cr.l5d.io/linkerd/debug:linkerdVersionValue",
		},
	},
	{
		folder: folder{"chaos-mesh/chaos-mesh", "chart-2.8.3", "helm/chaos-mesh"},
		runs: []string{
			"ghcr.io/chaos-mesh/chaos-mesh:v2.8.3", "ghcr.io/chaos-mesh/chaos-daemon:v2.8.3", "ghcr.io/chaos-mesh/chaos-dashboard:v2.8.3",
			"ghcr.io/chaos-mesh/chaos-coredns:v0.2.8", "gcr.io/google-containers/pause:latest",
		},
	},
	{ // hooks, and tests that do not count
		folder:  folder{"kyverno/kyverno", "kyverno-chart-3.9.0", "charts/kyverno"},
		without: []string{"kyverno-api", "openreports", "reports-server"},
		runs: []string{
			"reg.kyverno.io/kyverno/kyverno:v1.19.0", "reg.kyverno.io/kyverno/kyvernopre:v1.19.0", "reg.kyverno.io/kyverno/background-controller:v1.19.0",
			"reg.kyverno.io/kyverno/cleanup-controller:v1.19.0", "reg.kyverno.io/kyverno/reports-controller:v1.19.0",
			"reg.kyverno.io/kyverno/kyverno-cli:v1.19.0", "ghcr.io/kyverno/readiness-checker:v1.19.0",
		},
	},
	{ // five subcharts, conditions, custom resources, images in arguments only, hooks
		folder: folder{"prometheus-community/helm-charts", "kube-prometheus-stack-88.5.3", "charts/kube-prometheus-stack"},
		charts: []folder{
			{"prometheus-community/helm-charts", "kube-state-metrics-8.4.0", "charts/kube-state-metrics"},
			{"prometheus-community/helm-charts", "prometheus-node-exporter-4.56.1", "charts/prometheus-node-exporter"},
			{"prometheus-community/helm-charts", "prometheus-windows-exporter-0.12.8", "charts/prometheus-windows-exporter"},
			{"grafana-community/helm-charts", "grafana-12.11.1", "charts/grafana"},
		},
		sets: []string{"", "{windowsMonitoring: {enabled: true}, thanosRuler: {enabled: true, thanosRulerSpec: {queryEndpoints: [x]}}}"},
		runs: []string{
			"quay.io/kiwigrid/k8s-sidecar:2.10.1", "docker.io/grafana/grafana:13.2.0", "registry.k8s.io/kube-state-metrics/kube-state-metrics:v2.20.0",
			"quay.io/prometheus/node-exporter:v1.12.1-distroless", "quay.io/prometheus/alertmanager:v0.34.0", "quay.io/prometheus/prometheus:v3.14.0-distroless",
			"ghcr.io/jkroepke/kube-webhook-certgen:1.8.7", "quay.io/prometheus-operator/prometheus-operator:v0.93.1",
			"quay.io/prometheus-operator/prometheus-config-reloader:v0.93.1", "quay.io/thanos/thanos:v0.42.4",
			"ghcr.io/prometheus-community/windows-exporter:0.31.8",
		},
	},
	{
		folder: folder{"cloudnative-pg/charts", "cluster-v0.8.1", "charts/cluster"},
		runs:   []string{"ghcr.io/cloudnative-pg/postgresql:16"},
	},
	{
		folder: folder{"traefik/traefik-helm-chart", "v41.3.0", "traefik"},
		runs:   []string{"docker.io/traefik:v3.7.11"},
	},
	{
		folder:  folder{"external-secrets/external-secrets", "helm-chart-2.9.0", "deploy/charts/external-secrets"},
		without: []string{"bitwarden-sdk-server"},
		runs:    []string{"ghcr.io/external-secrets/external-secrets:v2.9.0"},
	},
	{
		folder: folder{"spegel-org/spegel", "v0.7.4", "charts/spegel"},
		runs:   []string{"ghcr.io/spegel-org/spegel:v0.0.1"},
	},
}
