package configs_test

import (
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/stompgw/stompgw/gateway"
)

// Paths into kubernetes.yaml.
const (
	nodes     = "Deployment stompgw/spec/"
	pod       = nodes + "template/spec/"
	container = pod + "containers/0/"
)

// manifest is the objects of kubernetes.yaml, by kind and name.
type manifest map[string]any

func readManifest(t *testing.T) manifest {
	t.Helper()
	m := manifest{}
	for document := range strings.SplitSeq(read(t, "kubernetes.yaml"), "\n---\n") {
		var object map[string]any
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			t.Fatalf("%v\n%s", err, document)
		}
		name := object["metadata"].(map[string]any)["name"]
		m[fmt.Sprintf("%s %s", object["kind"], name)] = object
	}
	return m
}

// at is what stands at a path, such as "Deployment stompgw/spec/replicas", whose keys and indexes are
// those of the manifest.
func (m manifest) at(t *testing.T, path string) string {
	t.Helper()
	var value any = map[string]any(m)
	for part := range strings.SplitSeq(path, "/") {
		switch within := value.(type) {
		case map[string]any:
			value = within[part]
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i >= len(within) {
				t.Fatalf("%s: there is no %s", path, part)
			}
			value = within[i]
		default:
			t.Fatalf("%s: nothing is below %v", path, value)
		}
	}
	return fmt.Sprint(value)
}

// node is the configuration in the manifest, and its text.
func (m manifest) node(t *testing.T) (node, string) {
	t.Helper()
	text := m.at(t, "ConfigMap stompgw/data/stompgw.yaml")
	return readNode(t, "kubernetes.yaml", text), text
}

// TestKubernetes: what refers to something else in the manifest, to the configuration or to the image, finds
// it, and the pod may do next to nothing.
func TestKubernetes(t *testing.T) {
	m := readManifest(t)
	n, _ := m.node(t)
	stomp, admin := port(t, n.Listen), port(t, n.Admin.Listen)
	user, group, _ := strings.Cut(imageUser(t), ":")
	const labels = "map[app.kubernetes.io/name:stompgw]"
	for path, want := range map[string]string{
		nodes + "selector/matchLabels":                        labels,
		nodes + "template/metadata/labels":                    labels,
		"Service stompgw/spec/selector":                       labels,
		"Service stompgw-admin/spec/selector":                 labels,
		"PodDisruptionBudget stompgw/spec/selector":           "map[matchLabels:" + labels + "]",
		pod + "topologySpreadConstraints/0/labelSelector":     "map[matchLabels:" + labels + "]",
		pod + "topologySpreadConstraints/1/labelSelector":     "map[matchLabels:" + labels + "]",
		pod + "volumes/0":                                     "map[configMap:map[name:stompgw] name:config]",
		pod + "volumes/1":                                     "map[name:secrets secret:map[defaultMode:288 secretName:stompgw]]", // 0440, for the group of the pod
		container + "volumeMounts/0":                          "map[mountPath:/etc/stompgw name:config readOnly:true]",
		container + "volumeMounts/1":                          "map[mountPath:/run/secrets/stompgw name:secrets readOnly:true]",
		container + "args":                                    fmt.Sprint(command[1:]),
		container + "ports":                                   "[map[containerPort:" + stomp + " name:stomp] map[containerPort:" + admin + " name:admin]]",
		container + "startupProbe/httpGet":                    "map[path:/healthz port:admin]",
		container + "livenessProbe/httpGet":                   "map[path:/healthz port:admin]",
		container + "readinessProbe/httpGet":                  "map[path:/readyz port:admin]",
		"Service stompgw/spec/ports/0/targetPort":             "stomp",
		"Service stompgw/spec/sessionAffinity":                "ClientIP",
		"Service stompgw-admin/spec/ports/0/targetPort":       "admin",
		"Service stompgw-admin/spec/clusterIP":                "None",
		"Service stompgw-admin/spec/publishNotReadyAddresses": "true",
		"Service stompgw-admin/metadata/annotations":          "map[prometheus.io/path:/metrics prometheus.io/port:" + admin + " prometheus.io/scrape:true]",
		"PodDisruptionBudget stompgw/spec/maxUnavailable":     "1",
		nodes + "strategy":                                    "map[rollingUpdate:map[maxSurge:1 maxUnavailable:0] type:RollingUpdate]",
		pod + "automountServiceAccountToken":                  "false",
		pod + "enableServiceLinks":                            "false",
		pod + "securityContext": fmt.Sprintf("map[fsGroup:%s runAsGroup:%s runAsNonRoot:true runAsUser:%s seccompProfile:map[type:RuntimeDefault]]",
			group, group, user),
		container + "securityContext": "map[allowPrivilegeEscalation:false capabilities:map[drop:[ALL]] readOnlyRootFilesystem:true]",
	} {
		if got := m.at(t, path); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	if image := m.at(t, container+"image"); !strings.HasSuffix(image, ":"+gateway.Version) {
		t.Errorf("the image is %s, this is version %s", image, gateway.Version)
	}
	for _, addr := range []string{n.Listen, n.Admin.Listen} {
		if strings.HasPrefix(addr, "127.") || strings.HasPrefix(addr, "localhost") {
			t.Errorf("nobody outside the pod can reach %s", addr)
		}
	}
}

// TestKubernetesConfig: the node takes the configuration, with secrets where they are mounted. Its rules
// are those of kafka.yaml.
func TestKubernetesConfig(t *testing.T) {
	m := readManifest(t)
	n, text := m.node(t)
	secret := secretFile(t)
	made := regexp.MustCompile(`create secret generic stompgw (.*)\n`).FindString(read(t, "kubernetes.yaml"))
	for _, name := range []string{n.Auth.JWT.SecretFile, n.Redis.PasswordFile} {
		key, mounted := strings.CutPrefix(name, m.at(t, container+"volumeMounts/1/mountPath")+"/")
		if !mounted || !strings.Contains(made, "--from-file="+key) {
			t.Errorf("%s is not mounted, or the command that makes the Secret does not put it there: %s", name, made)
		}
		text = strings.ReplaceAll(text, name, secret)
	}
	if complaints := check(t, text, nil); complaints != "" {
		t.Error(complaints)
	}
	own := readNode(t, "kafka.yaml", read(t, "kafka.yaml"))
	if !reflect.DeepEqual(n.Channels, own.Channels) || !reflect.DeepEqual(n.Routes, own.Routes) {
		t.Error("the rules are not those of kafka.yaml, so the chat page does not work")
	}
}

// TestKubernetesFigures: a pod has the time to say good-bye, other pods are there meanwhile, Redis may take a
// minute to fail over, and the collector knows of the limit of memory.
func TestKubernetesFigures(t *testing.T) {
	m := readManifest(t)
	figure := func(path string) time.Duration {
		t.Helper()
		n, err := strconv.Atoi(m.at(t, path))
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		return time.Duration(n)
	}
	n, _ := m.node(t)
	sleep := figure(container+"lifecycle/preStop/sleep/seconds") * time.Second
	if sleep <= 0 {
		t.Error("SIGTERM comes before proxies know that the pod goes")
	}
	if want, grace := sleep+n.Drain.Duration+afterDrain, figure(pod+"terminationGracePeriodSeconds")*time.Second; grace < want {
		t.Errorf("a grace period of %s would cut a drain off: want %s or more", grace, want)
	}
	if figure(nodes+"replicas") < 2 {
		t.Error("a single node")
	}
	const ready = container + "readinessProbe/"
	if within := figure(ready+"periodSeconds") * figure(ready+"failureThreshold") * time.Second; within < time.Minute {
		t.Errorf("nodes leave their Service after %s without Redis: want a minute", within)
	}
	var gib, mib int
	limits, env := m.at(t, container+"resources/limits"), m.at(t, container+"env")
	_, err := fmt.Sscanf(limits+" "+env, "map[memory:%dGi] [map[name:GOMEMLIMIT value:%dMiB]]", &gib, &mib)
	if err != nil || mib < gib*512 || mib > gib*1024*95/100 {
		t.Errorf("limits %s, env %s: want a limit of memory alone, and nine tenths of it; %v", limits, env, err)
	}
}
