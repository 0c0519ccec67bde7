package configs_test

import "testing"

// object is what all objects of Kubernetes have.
type object struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Metadata   metadata
}

type metadata struct {
	Name                string
	Labels, Annotations map[string]string
}

type configMap struct {
	object `yaml:",inline"`
	Data   map[string]string
}

type deployment struct {
	object `yaml:",inline"`
	Spec   struct {
		Replicas int
		Selector selector
		Strategy struct {
			Type          string
			RollingUpdate struct {
				MaxSurge       int `yaml:"maxSurge"`
				MaxUnavailable int `yaml:"maxUnavailable"`
			} `yaml:"rollingUpdate"`
		}
		MinReadySeconds int `yaml:"minReadySeconds"`
		Template        struct {
			Metadata metadata
			Spec     pod
		}
	}
}

type selector struct {
	MatchLabels map[string]string `yaml:"matchLabels"`
}

type pod struct {
	Grace        int                `yaml:"terminationGracePeriodSeconds"`
	Token        *bool              `yaml:"automountServiceAccountToken"`
	ServiceLinks *bool              `yaml:"enableServiceLinks"`
	Security     podSecurity        `yaml:"securityContext"`
	Spread       []spreadConstraint `yaml:"topologySpreadConstraints"`
	Containers   []container
	Volumes      []volume
}

type podSecurity struct {
	RunAsNonRoot   bool `yaml:"runAsNonRoot"`
	RunAsUser      int  `yaml:"runAsUser"`
	RunAsGroup     int  `yaml:"runAsGroup"`
	FSGroup        int  `yaml:"fsGroup"`
	SeccompProfile struct {
		Type string
	} `yaml:"seccompProfile"`
}

type spreadConstraint struct {
	MaxSkew           int      `yaml:"maxSkew"`
	TopologyKey       string   `yaml:"topologyKey"`
	WhenUnsatisfiable string   `yaml:"whenUnsatisfiable"`
	LabelSelector     selector `yaml:"labelSelector"`
}

type container struct {
	Name, Image string
	Args        []string
	Env         []struct{ Name, Value string }
	Ports       []struct {
		Name          string
		ContainerPort int `yaml:"containerPort"`
	}
	Resources struct{ Requests, Limits map[string]string }
	Security  struct {
		AllowPrivilegeEscalation *bool `yaml:"allowPrivilegeEscalation"`
		ReadOnlyRootFilesystem   bool  `yaml:"readOnlyRootFilesystem"`
		Capabilities             struct{ Drop []string }
	} `yaml:"securityContext"`
	Startup   probe `yaml:"startupProbe"`
	Liveness  probe `yaml:"livenessProbe"`
	Readiness probe `yaml:"readinessProbe"`
	Lifecycle struct {
		PreStop struct {
			Sleep struct{ Seconds int }
		} `yaml:"preStop"`
	}
	Mounts []struct {
		Name      string
		MountPath string `yaml:"mountPath"`
		ReadOnly  bool   `yaml:"readOnly"`
	} `yaml:"volumeMounts"`
}

type probe struct {
	HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
	Period  int                         `yaml:"periodSeconds"`
	Timeout int                         `yaml:"timeoutSeconds"`
	Failure int                         `yaml:"failureThreshold"`
}

type volume struct {
	Name      string
	ConfigMap struct{ Name string } `yaml:"configMap"`
	Secret    struct {
		SecretName  string `yaml:"secretName"`
		DefaultMode int    `yaml:"defaultMode"`
	}
}

type kubeService struct {
	object `yaml:",inline"`
	Spec   struct {
		ClusterIP       string `yaml:"clusterIP"`
		PublishNotReady bool   `yaml:"publishNotReadyAddresses"`
		Selector        map[string]string
		SessionAffinity string `yaml:"sessionAffinity"`
		Ports           []struct {
			Name        string
			Port        int
			TargetPort  string `yaml:"targetPort"`
			AppProtocol string `yaml:"appProtocol"`
		}
	}
}

type disruptionBudget struct {
	object `yaml:",inline"`
	Spec   struct {
		MaxUnavailable int `yaml:"maxUnavailable"`
		Selector       selector
	}
}

// manifest is kubernetes.yaml, in its order.
type manifest struct {
	config         configMap
	nodes          deployment
	clients, admin kubeService
	budget         disruptionBudget
}

func readManifest(t *testing.T) (m manifest) {
	t.Helper()
	decode(t, "kubernetes.yaml", read(t, "kubernetes.yaml"), &m.config, &m.nodes, &m.clients, &m.admin, &m.budget)
	for want, o := range map[string]object{
		"v1 ConfigMap stompgw": m.config.object, "apps/v1 Deployment stompgw": m.nodes.object, "v1 Service stompgw": m.clients.object,
		"v1 Service stompgw-admin": m.admin.object, "policy/v1 PodDisruptionBudget stompgw": m.budget.object,
	} {
		if got := o.APIVersion + " " + o.Kind + " " + o.Metadata.Name; got != want {
			t.Errorf("%s stands in the place of %s", got, want)
		}
	}
	if len(m.nodes.Spec.Template.Spec.Containers) != 1 {
		t.Fatal("want one container")
	}
	return m
}

func (m *manifest) pod() *pod { return &m.nodes.Spec.Template.Spec }

func (m *manifest) container() *container { return &m.pod().Containers[0] }

// node is the configuration in the manifest.
func (m *manifest) node(t *testing.T) node {
	t.Helper()
	return readNode(t, "kubernetes.yaml", m.config.Data["stompgw.yaml"])
}
