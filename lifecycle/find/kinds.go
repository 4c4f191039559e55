package find

import (
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/lifecycle/object"
)

// kindRule is a path in objects of a kind.
type kindRule struct {
	group, kind string // "": any
	path        []step
}

func (r kindRule) matches(id object.ID) bool {
	return (r.group == "" || r.group == id.Group) && (r.kind == "" || r.kind == id.Kind)
}

// splitKind takes "monitoring.coreos.com/Prometheus" apart.
func splitKind(text string) (group, kind string) {
	if i := strings.LastIndexByte(text, '/'); i >= 0 {
		return text[:i], text[i+1:]
	}
	return "", text
}

// known are the custom resources that have images where no field's name says so, or
// where an image may be a word alone. Everything else that is called an image, or
// shaped as a container, is found without being listed here.
var known = compile(`
	tekton.dev/            spec..steps[*].image
	tekton.dev/            spec..sidecars[*].image
	tekton.dev/            spec..stepTemplate.image
	argoproj.io/Workflow                 spec..container.image
	argoproj.io/Workflow                 spec..script.image
	argoproj.io/WorkflowTemplate         spec..container.image
	argoproj.io/WorkflowTemplate         spec..script.image
	argoproj.io/ClusterWorkflowTemplate  spec..container.image
	argoproj.io/ClusterWorkflowTemplate  spec..script.image
	argoproj.io/CronWorkflow             spec..container.image
	argoproj.io/CronWorkflow             spec..script.image
	helm.cattle.io/HelmChart             spec.jobImage
	helm.cattle.io/HelmChartConfig       spec.jobImage
	pkg.crossplane.io/Provider           spec.package
	pkg.crossplane.io/Configuration      spec.package
	pkg.crossplane.io/Function           spec.package
	extensions.istio.io/WasmPlugin       spec.url
	gateway.envoyproxy.io/EnvoyExtensionPolicy  spec.wasm[*].code.image.url
	cdi.kubevirt.io/DataVolume           spec.source.registry.url
	cdi.kubevirt.io/DataImportCron       spec.template.spec.source.registry.url
	kubevirt.io/                         spec..containerDisk.image
	image.openshift.io/ImageStream       spec.tags[*].from.name
	operators.coreos.com/CatalogSource   spec.image
	operators.coreos.com/ClusterServiceVersion  spec.relatedImages[*].image
	monitoring.coreos.com/               spec.image
	monitoring.coreos.com/               spec.thanos.image
	postgresql.cnpg.io/                  spec.imageName
	postgresql.cnpg.io/                  spec.images[*].image
	ceph.rook.io/CephCluster             spec.cephVersion.image
	ceph.rook.io/CephNFS                 spec.server.image
	kafka.strimzi.io/                    spec..image
	elasticsearch.k8s.elastic.co/        spec.image
	kibana.k8s.elastic.co/               spec.image
	apm.k8s.elastic.co/                  spec.image
	beat.k8s.elastic.co/                 spec.image
	agent.k8s.elastic.co/                spec.image
	logstash.k8s.elastic.co/             spec.image
	acid.zalan.do/                       spec..dockerImage
	minio.min.io/                        spec..image
	opentelemetry.io/                    spec..image
	jaegertracing.io/Jaeger              spec..image
	grafana.integreatly.org/Grafana      spec..image
	velero.io/                           spec..image
`)

func compile(table string) (list []kindRule) {
	for line := range strings.Lines(table) {
		columns := strings.Fields(line)
		if len(columns) == 0 {
			continue
		}
		group, kind := splitKind(columns[0])
		path, err := parsePath(columns[1])
		if err != nil {
			panic(err)
		}
		list = append(list, kindRule{group, kind, path})
	}
	return list
}

// builtIn are the groups of Kubernetes itself: what they have beside workloads,
// ConfigMaps and Secrets runs no image, but may describe one, as the schemas of
// custom resources do.
var builtIn = []string{
	"", "apps", "autoscaling", "batch", "extensions", "policy",
	"admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "authentication.k8s.io",
	"authorization.k8s.io", "certificates.k8s.io", "coordination.k8s.io", "discovery.k8s.io", "events.k8s.io",
	"flowcontrol.apiserver.k8s.io", "internal.apiserver.k8s.io", "networking.k8s.io", "node.k8s.io",
	"rbac.authorization.k8s.io", "resource.k8s.io", "scheduling.k8s.io", "storage.k8s.io", "storagemigration.k8s.io",
}

// speaksOf reports whether objects of a group are rules about images and pods, or
// where images are watched: what they name need not run.
func speaksOf(group string) bool {
	return group == "kyverno.io" || strings.HasSuffix(group, ".kyverno.io") || strings.HasSuffix(group, ".gatekeeper.sh") ||
		group == "policy.sigstore.dev" || group == "image.toolkit.fluxcd.io" || group == "config.openshift.io" || group == "operator.openshift.io"
}

// sandbox are the parts of NVIDIA's GPU operator that it runs only when
// spec.sandboxWorkloads is on, whatever they say themselves (its isStateEnabled).
var sandbox = []string{
	"spec.sandboxDevicePlugin", "spec.kataSandboxDevicePlugin", "spec.vfioManager", "spec.vgpuDeviceManager",
	"spec.vgpuManager", "spec.ccManager", "spec.kataManager",
}

// unused are the fields of a custom resource that a switch elsewhere in it turns off.
func unused(id object.ID, content map[string]any) []string {
	if id.Group == "nvidia.com" && id.Kind == "ClusterPolicy" && isOff(fieldsOf(fieldsOf(content, "spec"), "sandboxWorkloads")) {
		return sandbox
	}
	return nil
}

// content finds the images of an object, which may be one within a text of another:
// path is where it begins there.
func (f finder) content(id object.ID, content map[string]any, path string) {
	if at, ok := workloads[id.Group][id.Kind]; ok {
		f.annotations(content, path)
		f.workload(content, at, path)
		return
	}
	if id.Group == "" && (id.Kind == "ConfigMap" || id.Kind == "Secret") {
		f.annotations(content, path)
		f.config(id.Kind, content, path)
		return
	}
	if id.Kind != "" && slices.Contains(builtIn, id.Group) {
		return
	}
	f.unsure = f.unsure || speaksOf(id.Group)
	f.off = unused(id, content)
	f.fields("", content, path)
	if path == "" && id.Kind != "" {
		for _, r := range known {
			if r.matches(id) {
				f.byPath(r.path, content, Likely)
			}
		}
		f.versions(id, content)
	}
}

// elastic says which image ECK runs where an object names a version only (Elastic
// Cloud on Kubernetes, "Air-gapped environments").
var elastic = map[string]string{
	"elasticsearch.k8s.elastic.co/Elasticsearch":       "elasticsearch/elasticsearch",
	"kibana.k8s.elastic.co/Kibana":                     "kibana/kibana",
	"apm.k8s.elastic.co/ApmServer":                     "apm/apm-server",
	"enterprisesearch.k8s.elastic.co/EnterpriseSearch": "enterprise-search/enterprise-search",
	"logstash.k8s.elastic.co/Logstash":                 "logstash/logstash",
	"agent.k8s.elastic.co/Agent":                       "elastic-agent/elastic-agent",
	"beat.k8s.elastic.co/Beat":                         "beats/",
}

// versions puts images together that an operator derives from a version alone.
func (f finder) versions(id object.ID, content map[string]any) {
	spec := fieldsOf(content, "spec")
	switch name, version := elastic[id.Group+"/"+id.Kind], scalarOf(spec, "version"); {
	case name != "" && version != "" && textOf(spec, "image") == "":
		if name == "beats/" {
			name += textOf(spec, "type")
		}
		if image := join("docker.elastic.co", name, version); image != "" {
			f.add(image, "spec.version", ruleVersion, Doubtful)
		}
	case id.Kind == "OCIRepository" && strings.HasPrefix(textOf(spec, "url"), "oci://"): // Flux
		ref := fieldsOf(spec, "ref")
		for _, field := range []string{"digest", "tag", "semver"} {
			if image := join("", bare(textOf(spec, "url")), textOf(ref, field)); image != "" {
				f.add(image, "spec.url", rulePath, Likely)
				return
			}
		}
	}
}
