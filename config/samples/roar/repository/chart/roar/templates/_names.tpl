{{- define "roar.web" -}}
{{ .Release.Name }}-web
{{- end }}
{{- define "roar.mysql" -}}
{{ .Release.Name }}-mysql
{{- end }}
{{- define "roar.labels" -}}
app.kubernetes.io/part-of: roar
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}
