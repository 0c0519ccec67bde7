package configs_test

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestKubernetesConfig: the node takes the configuration, with secrets where they are mounted. Its rules
// are those of kafka.yaml.
func TestKubernetesConfig(t *testing.T) {
	m := readManifest(t)
	text, n := m.config.Data["stompgw.yaml"], m.node(t)
	secret := secretFile(t)
	for _, name := range []string{n.Auth.JWT.SecretFile, n.Redis.PasswordFile} {
		if at, mounted := m.mount("secrets"); !mounted || !strings.HasPrefix(name, at+"/") {
			t.Errorf("the secret %q is not below %q", name, at)
		}
		text = strings.ReplaceAll(text, name, secret)
	}
	environ := map[string]string{}
	for _, v := range m.container().Env {
		environ[v.Name] = v.Value
	}
	if complaints := check(t, text, environ); complaints != "" {
		t.Error(complaints)
	}
	own := readNode(t, "kafka.yaml", read(t, "kafka.yaml"))
	if !reflect.DeepEqual(n.Channels, own.Channels) || !reflect.DeepEqual(n.Routes, own.Routes) {
		t.Error("the rules are not those of kafka.yaml, so the chat page does not work")
	}
}

// mount is where the container sees a volume; only what nobody can write there counts.
func (m *manifest) mount(name string) (path string, mounted bool) {
	for _, v := range m.container().Mounts {
		if v.Name == name && v.ReadOnly {
			return v.MountPath, true
		}
	}
	return "", false
}

// TestKubernetesNames: what refers to something else in the manifest, or to the image, finds it.
func TestKubernetesNames(t *testing.T) {
	m := readManifest(t)
	labels := m.nodes.Spec.Template.Metadata.Labels
	selectors := map[string]map[string]string{
		"Deployment": m.nodes.Spec.Selector.MatchLabels, "Service stompgw": m.clients.Spec.Selector,
		"Service stompgw-admin": m.admin.Spec.Selector, "PodDisruptionBudget": m.budget.Spec.Selector.MatchLabels,
	}
	for _, s := range m.pod().Spread {
		selectors[s.TopologyKey] = s.LabelSelector.MatchLabels
	}
	for name, selector := range selectors {
		if len(labels) == 0 || !maps.Equal(selector, labels) {
			t.Errorf("%s is for %v, the pods are %v", name, selector, labels)
		}
	}
	if len(m.pod().Volumes) != 2 || m.pod().Volumes[0].ConfigMap.Name != m.config.Metadata.Name || m.pod().Volumes[1].Secret.SecretName != "stompgw" {
		t.Errorf("the volumes are %+v", m.pod().Volumes)
	}
	at, _ := m.mount("config")
	if c := m.container(); !slices.Equal(c.Args, command[1:]) || at+"/stompgw.yaml" != command[3] {
		t.Errorf("args %v, configuration in %q; the image runs %v", c.Args, at, command)
	}
	if image := m.container().Image; !regexp.MustCompile(`^[a-z./]+:\d+\.\d+\.\d+$`).MatchString(image) {
		t.Errorf("image %s is no version", image)
	}
	secret := regexp.MustCompile(`create secret generic stompgw (.*)\n`).FindString(read(t, "kubernetes.yaml"))
	n := m.node(t)
	for _, name := range []string{n.Auth.JWT.SecretFile, n.Redis.PasswordFile} {
		if file := name[strings.LastIndexByte(name, '/')+1:]; !strings.Contains(secret, "--from-file="+file) {
			t.Errorf("the command that makes the Secret does not put %q into it: %s", file, secret)
		}
	}
}

// TestKubernetesPorts: the ports are those that the configuration opens, and probes ask at the right one.
func TestKubernetesPorts(t *testing.T) {
	m := readManifest(t)
	n := m.node(t)
	ports := map[string]string{}
	for _, p := range m.container().Ports {
		ports[p.Name] = strconv.Itoa(p.ContainerPort)
	}
	if want := map[string]string{"stomp": port(t, n.Listen), "admin": port(t, n.Admin.Listen)}; !maps.Equal(ports, want) {
		t.Errorf("ports %v, the configuration says %v", ports, want)
	}
	for _, addr := range []string{n.Listen, n.Admin.Listen} {
		if strings.HasPrefix(addr, "127.") || strings.HasPrefix(addr, "localhost") {
			t.Errorf("nobody outside the pod can reach %s", addr)
		}
	}
	c := m.container()
	for name, p := range map[string]struct {
		probe probe
		path  string
	}{
		"startup": {c.Startup, "/healthz"}, "liveness": {c.Liveness, "/healthz"}, "readiness": {c.Readiness, "/readyz"},
	} {
		if p.probe.HTTPGet.Path != p.path || p.probe.HTTPGet.Port != "admin" || p.probe.Failure < 1 || p.probe.Period < 1 {
			t.Errorf("%s asks %+v, want %s at admin", name, p.probe, p.path)
		}
	}
	if r := c.Readiness; time.Duration(r.Period*r.Failure)*time.Second < time.Minute {
		t.Errorf("readiness %+v: want a minute in which Redis may fail over", r)
	}
	if s := m.clients.Spec; len(s.Ports) != 1 || s.Ports[0].TargetPort != "stomp" || s.SessionAffinity != "ClientIP" {
		t.Errorf("clients come by %+v", s)
	}
	if s := m.admin; len(s.Spec.Ports) != 1 || s.Spec.Ports[0].TargetPort != "admin" || s.Spec.ClusterIP != "None" || !s.Spec.PublishNotReady {
		t.Errorf("Prometheus comes by %+v", s.Spec)
	} else if at := s.Metadata.Annotations["prometheus.io/port"]; at != ports["admin"] {
		t.Errorf("Prometheus comes to %s", at)
	}
}

// TestKubernetesDrain: a pod has the time to say good-bye, and as many others are there meanwhile.
func TestKubernetesDrain(t *testing.T) {
	m := readManifest(t)
	sleep := time.Duration(m.container().Lifecycle.PreStop.Sleep.Seconds) * time.Second
	if sleep <= 0 {
		t.Error("SIGTERM comes before proxies know that the pod goes")
	}
	if want, grace := sleep+m.node(t).Drain.Duration+afterDrain, time.Duration(m.pod().Grace)*time.Second; grace < want {
		t.Errorf("a grace period of %s would cut a drain off: want %s or more", grace, want)
	}
	s := m.nodes.Spec
	if u := s.Strategy.RollingUpdate; s.Replicas < 2 || s.Strategy.Type != "RollingUpdate" || u.MaxUnavailable != 0 || u.MaxSurge < 1 {
		t.Errorf("%d replicas, %+v: want two at least, and a new one before an old one goes", s.Replicas, s.Strategy)
	}
	if m.budget.Spec.MaxUnavailable != 1 {
		t.Errorf("%d nodes may be taken away at once", m.budget.Spec.MaxUnavailable)
	}
}

// TestKubernetesSecurity: the pod may do what the image needs, which is next to nothing.
func TestKubernetesSecurity(t *testing.T) {
	m := readManifest(t)
	p, c := m.pod(), m.container()
	stages := readDockerfile(t)
	user, group, _ := strings.Cut(stages[1].last(t, "USER").args[0], ":")
	s := p.Security
	if !s.RunAsNonRoot || strconv.Itoa(s.RunAsUser) != user || strconv.Itoa(s.RunAsGroup) != group || strconv.Itoa(s.FSGroup) != group || s.SeccompProfile.Type != "RuntimeDefault" {
		t.Errorf("the pod runs as %+v, the image as %s:%s", s, user, group)
	}
	if isTrue(p.Token) || isTrue(p.ServiceLinks) || isTrue(c.Security.AllowPrivilegeEscalation) {
		t.Error("the pod gets a token, variables of all services, or more rights than it has: say false")
	}
	if !c.Security.ReadOnlyRootFilesystem || !slices.Equal(c.Security.Capabilities.Drop, []string{"ALL"}) {
		t.Errorf("the container has %+v", c.Security)
	}
	if mode := p.Volumes[1].Secret.DefaultMode; mode != 0o440 {
		t.Errorf("secrets have the mode %o, want 440: for the group of the pod alone", mode)
	}
}

// TestKubernetesResources: the collector knows of the limit, and no limit makes a node pause.
func TestKubernetesResources(t *testing.T) {
	m := readManifest(t)
	c := m.container()
	limits := c.Resources.Limits
	if _, cpu := limits["cpu"]; cpu || limits["memory"] == "" || c.Resources.Requests["cpu"] == "" || c.Resources.Requests["memory"] == "" {
		t.Errorf("resources %+v: want requests, and a limit of memory alone", c.Resources)
	}
	if env := c.Env; len(env) != 1 || env[0].Name != "GOMEMLIMIT" {
		t.Fatalf("env is %v", env)
	}
	var gib, mib int
	if _, err := fmt.Sscanf(limits["memory"]+" "+c.Env[0].Value, "%dGi %dMiB", &gib, &mib); err != nil || mib < gib*512 || mib > gib*1024*95/100 {
		t.Errorf("of %s, GOMEMLIMIT is %s: want nine tenths; %v", limits["memory"], c.Env[0].Value, err)
	}
}

// isTrue holds for what is not said, too: that is Kubernetes' default for these.
func isTrue(b *bool) bool { return b == nil || *b }
