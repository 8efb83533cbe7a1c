//! What is rendered: typical files of each kind.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use syncline_render::{Answer, Ask, AskError, Entry, Helm, Job, Kustomize, Location};

/// Files and what is made of them.
pub(super) struct Sample {
    pub(super) name: String,
    pub(super) files: BTreeMap<String, String>,
    pub(super) job: Job,
    /// How many objects it has, hooks among them.
    pub(super) objects: usize,
    /// How many times as fast as the program it is to be.
    pub(super) goal: f64,
}

impl Sample {
    /// Ten Deployments and ten Services, a file each.
    pub(super) fn plain() -> Self {
        let file = |number: usize, kind: &str, content: String| {
            (format!("apps/plain/{kind}-{number}.yaml"), content)
        };
        let files: BTreeMap<String, String> = (0..10)
            .flat_map(|number| {
                let name = format!("web-{number}");
                [
                    file(number, "deployment", deployment(&name)),
                    file(number, "service", service(&name)),
                ]
            })
            .collect();
        Self {
            name: "plain".into(),
            objects: files.len(),
            files,
            job: Job::Kustomize(Kustomize::default()),
            goal: 0.0,
        }
    }

    /// A base with six objects, and an overlay that changes them.
    pub(super) fn overlay() -> Self {
        let files = [
            (
                "base/kustomization.yaml",
                "resources: [web.yaml, api.yaml, services.yaml, account.yaml]\nlabels:\n\
                 - {pairs: {app.kubernetes.io/part-of: shop}}\n"
                    .to_owned(),
            ),
            ("base/web.yaml", deployment("web")),
            ("base/api.yaml", deployment("api")),
            (
                "base/services.yaml",
                format!("{}---\n{}", service("web"), service("api")),
            ),
            (
                "base/account.yaml",
                "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: shop}\n".to_owned(),
            ),
            (
                "overlays/prod/kustomization.yaml",
                "resources: [../../base]\nnamespace: prod\nnamePrefix: prod-\n\
                 images: [{name: registry.example.com/web, newTag: '2.1'}]\n\
                 replicas: [{name: web, count: 5}]\n\
                 configMapGenerator: [{name: settings, files: [settings.properties]}]\n\
                 patches:\n- path: resources.yaml\n- target: {kind: Service}\n  patch: |-\n    \
                 - {op: add, path: /metadata/annotations, value: {example.com/team: shop}}\n"
                    .to_owned(),
            ),
            (
                "overlays/prod/resources.yaml",
                "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: api}\nspec:\n  template:\n    \
                 spec:\n      containers:\n      - name: api\n        \
                 resources: {limits: {memory: 512Mi}}\n"
                    .to_owned(),
            ),
            (
                "overlays/prod/settings.properties",
                "color=blue\nsize=large\n".to_owned(),
            ),
        ];
        Self {
            name: "Kustomize overlay".into(),
            files: owned(files),
            job: Job::Kustomize(Kustomize {
                path: "overlays/prod".into(),
                ..Kustomize::default()
            }),
            objects: 6,
            goal: 4.0,
        }
    }

    /// A chart as most are: helpers, a schema, six objects of the release and two hooks.
    pub(super) fn chart() -> Self {
        let template = |kind: &str, version: &str, name: &str, body: &str| {
            format!(
                "apiVersion: {version}\nkind: {kind}\nmetadata:\n  name: {{{{ include \"shop.name\" . \
                 }}}}{name}\n  labels:\n    {{{{- include \"shop.labels\" . | nindent 4 }}}}\n{body}"
            )
        };
        let hook = |event: &str| {
            template(
                "ConfigMap",
                "v1",
                &format!("-{event}"),
                &format!(
                    "  annotations:\n    helm.sh/hook: {event}\ndata: {{at: {{{{ .Chart.Version }}}}}}\n"
                ),
            )
        };
        let files = [
            (
                "chart/Chart.yaml",
                "apiVersion: v2\nname: shop\nversion: 1.4.2\nappVersion: '2.1'\n".to_owned(),
            ),
            ("chart/values.yaml", VALUES.to_owned()),
            (
                "values-prod.yaml",
                "replicas: 5\nimage: {tag: '2.2'}\n".to_owned(),
            ),
            ("chart/values.schema.json", SCHEMA.to_owned()),
            ("chart/templates/_helpers.tpl", HELPERS.to_owned()),
            (
                "chart/templates/deployment.yaml",
                template("Deployment", "apps/v1", "", DEPLOYMENT),
            ),
            (
                "chart/templates/service.yaml",
                template(
                    "Service",
                    "v1",
                    "",
                    "spec:\n  ports:\n  {{- range .Values.ports }}\n  \
                 - {name: {{ .name }}, port: {{ .port }}}\n  {{- end }}\n",
                ),
            ),
            (
                "chart/templates/account.yaml",
                template("ServiceAccount", "v1", "", ""),
            ),
            (
                "chart/templates/config.yaml",
                template(
                    "ConfigMap",
                    "v1",
                    "",
                    "data:\n  {{- toYaml .Values.config | nindent 2 }}\n",
                ),
            ),
            (
                "chart/templates/ingress.yaml",
                format!(
                    "{{{{- if .Values.ingress.enabled }}}}\n{}{{{{- end }}}}\n",
                    template("Ingress", "networking.k8s.io/v1", "", INGRESS)
                ),
            ),
            (
                "chart/templates/scaler.yaml",
                template(
                    "HorizontalPodAutoscaler",
                    "autoscaling/v2",
                    "",
                    "spec: {minReplicas: 2, maxReplicas: {{ mul .Values.replicas 2 }}}\n",
                ),
            ),
            ("chart/templates/before.yaml", hook("pre-install")),
            ("chart/templates/after.yaml", hook("post-install")),
            (
                "chart/templates/NOTES.txt",
                "{{ .Release.Name }} runs at {{ .Values.ingress.host }}.\n".to_owned(),
            ),
        ];
        Self {
            name: "Helm chart".into(),
            files: owned(files),
            job: Job::Helm(Helm {
                path: "chart".into(),
                release_name: "shop".into(),
                namespace: "zoo".into(),
                values_files: vec!["../values-prod.yaml".into()],
                values: Value::Null,
                ..Helm::default()
            }),
            objects: 8,
            goal: 20.0,
        }
    }

    pub(super) fn program_name(&self) -> String {
        match &self.job {
            Job::Helm(_) => "helm template".into(),
            Job::Kustomize(_) | Job::Transform(_) => "kustomize build".into(),
        }
    }

    pub(super) fn answer(&self, ask: &Ask) -> Result<Answer, AskError> {
        let (Ask::Read(Location { path, .. }) | Ask::List(Location { path, .. })) = ask else {
            return Ok(Answer::Missing);
        };
        if let Some(content) = self.files.get(path) {
            return Ok(Answer::File(content.clone().into_bytes()));
        }
        let prefix = if path.is_empty() {
            String::new()
        } else {
            format!("{path}/")
        };
        let below = self
            .files
            .keys()
            .filter_map(|file| file.strip_prefix(&prefix));
        let entries: BTreeSet<Entry> = below
            .map(|rest| Entry {
                name: rest.split('/').next().unwrap_or(rest).to_owned(),
                is_directory: rest.contains('/'),
            })
            .collect();
        Ok(if entries.is_empty() {
            Answer::Missing
        } else {
            Answer::Directory(entries.into_iter().collect())
        })
    }
}

fn owned<const N: usize>(files: [(&str, String); N]) -> BTreeMap<String, String> {
    let files = files.into_iter();
    files.map(|(path, text)| (path.to_owned(), text)).collect()
}

fn deployment(name: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\nspec:\n  replicas: 2\n  \
         selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata:\n      \
         labels: {{app: {name}}}\n    spec:\n      containers:\n      - name: {name}\n        \
         image: registry.example.com/{name}:1.0\n        ports: [{{containerPort: 8080}}]\n        \
         env:\n        - {{name: COLOR, value: blue}}\n        readinessProbe:\n          \
         httpGet: {{path: /ready, port: 8080}}\n        resources:\n          \
         requests: {{cpu: 100m, memory: 128Mi}}\n"
    )
}

fn service(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\nspec:\n  \
         selector: {{app: {name}}}\n  ports:\n  - port: 80\n    targetPort: 8080\n"
    )
}

const VALUES: &str = "\
replicas: 2
image: {repository: registry.example.com/shop, tag: '2.1'}
ports:
- {name: http, port: 80}
- {name: metrics, port: 9090}
config: {color: blue, size: large}
ingress: {enabled: true, host: shop.example.com}
resources: {requests: {cpu: 100m, memory: 128Mi}}
";

const SCHEMA: &str = r#"{"type": "object", "required": ["replicas", "image"], "properties": {
  "replicas": {"type": "integer", "minimum": 1},
  "image": {"type": "object", "properties": {"repository": {"type": "string"}, "tag": {"type": "string"}}},
  "ports": {"type": "array", "items": {"type": "object", "required": ["name", "port"]}},
  "ingress": {"type": "object", "properties": {"enabled": {"type": "boolean"}}}
}}"#;

const HELPERS: &str = r#"{{- define "shop.name" -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- define "shop.labels" -}}
app.kubernetes.io/name: {{ include "shop.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}
"#;

const DEPLOYMENT: &str = r#"spec:
  replicas: {{ .Values.replicas }}
  selector:
    matchLabels: {app.kubernetes.io/instance: {{ .Release.Name }}}
  template:
    metadata:
      annotations:
        checksum/config: {{ toYaml .Values.config | sha256sum }}
      labels:
        {{- include "shop.labels" . | nindent 8 }}
    spec:
      serviceAccountName: {{ include "shop.name" . }}
      containers:
      - name: shop
        image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
        ports:
        {{- range .Values.ports }}
        - {name: {{ .name }}, containerPort: {{ .port }}}
        {{- end }}
        {{- with .Values.resources }}
        resources:
          {{- toYaml . | nindent 10 }}
        {{- end }}
"#;

const INGRESS: &str = r#"spec:
  rules:
  - host: {{ .Values.ingress.host | quote }}
    http:
      paths:
      - path: /
        pathType: Prefix
        backend: {service: {name: {{ include "shop.name" . }}, port: {name: http}}}
"#;
