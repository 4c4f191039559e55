package recall

// heldOut are real charts that the rules were not made with: what they run was read
// before they were searched for the first time, and no rule was changed for them.
var heldOut = []real{
	{
		folder: folder{"jenkinsci/helm-charts", "jenkins-5.9.53", "charts/jenkins"},
		runs: []string{
			"docker.io/jenkins/jenkins:2.568.2-jdk21", "docker.io/kiwigrid/k8s-sidecar:2.10.1", "jenkins/inbound-agent:3385.vf1123fb_515da_-1",
		},
	},
	{
		folder: folder{"goharbor/harbor-helm", "v1.19.1", "."},
		runs: []string{
			"docker.io/goharbor/harbor-core:v2.15.1", "docker.io/goharbor/harbor-db:v2.15.1", "docker.io/goharbor/harbor-jobservice:v2.15.1",
			"docker.io/goharbor/harbor-portal:v2.15.1", "docker.io/goharbor/harbor-registryctl:v2.15.1", "docker.io/goharbor/redis-photon:v2.15.1",
			"docker.io/goharbor/registry-photon:v2.15.1", "docker.io/goharbor/trivy-adapter-photon:v2.15.1",
		},
	},
	{
		folder: folder{"jupyterhub/zero-to-jupyterhub-k8s", "4.4.0", "jupyterhub"},
		runs: []string{
			"quay.io/jupyterhub/configurable-http-proxy:5.2.0", "quay.io/jupyterhub/k8s-hub:set-by-chartpress",
			"quay.io/jupyterhub/k8s-image-awaiter:set-by-chartpress", "quay.io/jupyterhub/k8s-network-tools:set-by-chartpress",
			"quay.io/jupyterhub/k8s-singleuser-sample:set-by-chartpress", "registry.k8s.io/kube-scheduler:v1.30.14", "registry.k8s.io/pause:3.10.1",
		},
	},
	{
		folder: folder{"vmware-tanzu/helm-charts", "velero-12.1.0", "charts/velero"},
		sets: []string{`
initContainers: [{name: p, image: "velero/velero-plugin-for-aws:v1.13.0", volumeMounts: [{mountPath: /target, name: plugins}]}]
configuration: {backupStorageLocation: [{provider: aws, bucket: b}], volumeSnapshotLocation: [{provider: aws}]}`},
		runs: []string{"docker.io/velero/velero:v1.18.1", "velero/velero-plugin-for-aws:v1.13.0"},
	},
	{
		folder: folder{"kedacore/charts", "v2.20.2", "keda"},
		runs:   []string{"ghcr.io/kedacore/keda:2.20.2", "ghcr.io/kedacore/keda-metrics-apiserver:2.20.2", "ghcr.io/kedacore/keda-admission-webhooks:2.20.2"},
	},
	{
		folder: folder{"kedacore/charts", "v2.20.2", "http-add-on"},
		runs: []string{
			"ghcr.io/kedacore/http-add-on-interceptor:0.15.0", "ghcr.io/kedacore/http-add-on-operator:0.15.0", "ghcr.io/kedacore/http-add-on-scaler:0.15.0",
		},
	},
	{ // custom resources with a version and no image
		folder: folder{"elastic/cloud-on-k8s", "v3.5.0", "deploy/eck-stack"},
		runs:   []string{"docker.elastic.co/elasticsearch/elasticsearch:9.5.0", "docker.elastic.co/kibana/kibana:9.5.0"},
	},
	{
		folder: folder{"elastic/cloud-on-k8s", "v3.5.0", "deploy/eck-operator"},
		runs:   []string{"docker.elastic.co/eck/eck-operator:3.5.0"},
	},
	{
		folder: folder{"open-telemetry/opentelemetry-helm-charts", "opentelemetry-operator-0.122.0", "charts/opentelemetry-operator"},
		runs: []string{
			"ghcr.io/open-telemetry/opentelemetry-operator/opentelemetry-operator:0.158.0",
			"ghcr.io/open-telemetry/opentelemetry-collector-releases/opentelemetry-collector-k8s:0.158.0",
		},
	},
	{
		folder: folder{"minio/operator", "v7.1.1", "helm/operator"},
		runs:   []string{"quay.io/minio/operator:v7.1.1"},
	},
	{
		folder: folder{"minio/operator", "v7.1.1", "helm/tenant"},
		runs:   []string{"quay.io/minio/minio:RELEASE.2025-04-08T15-41-24Z"},
	},
	{
		folder: folder{"kubernetes-sigs/node-feature-discovery", "v0.18.3", "deployment/helm/node-feature-discovery"},
		runs:   []string{"registry.k8s.io/nfd/node-feature-discovery:v0.18.3"},
	},
	{
		folder: folder{"bitnami-labs/sealed-secrets", "helm-v2.18.5", "helm/sealed-secrets"},
		runs:   []string{"docker.io/bitnami/sealed-secrets-controller:0.36.6"},
	},
	{
		folder: folder{"stakater/Reloader", "chart-v2.2.16", "deployments/kubernetes/chart/reloader"},
		runs:   []string{"ghcr.io/stakater/reloader:v1.4.21"},
	},
	{
		folder: folder{"linkerd/linkerd2", "edge-26.8.3", "viz/charts/linkerd-viz"},
		charts: []folder{{"linkerd/linkerd2", "edge-26.8.3", "charts/partials"}},
		runs: []string{
			"cr.l5d.io/linkerd/extension-init:v0.1.12", "cr.l5d.io/linkerd/metrics-api:linkerdVersionValue", "cr.l5d.io/linkerd/tap:linkerdVersionValue",
			"cr.l5d.io/linkerd/web:linkerdVersionValue", "prom/prometheus:v2.55.1",
		},
	},
}
