{{/* Names and labels. A component's: (dict "root" $ "component" "processor"). */}}

{{- define "mendstream.name" -}}
{{ .Values.nameOverride | default .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* At most 40 characters: the longest ending and a CronJob's own still fit into 63. */}}
{{- define "mendstream.fullname" -}}
{{- $name := include "mendstream.name" . -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains $name .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{- define "mendstream.releaseLabels" -}}
app.kubernetes.io/name: {{ include "mendstream.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "mendstream.labels" -}}
{{ include "mendstream.releaseLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: mendstream
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* What selects a component's pods, and all their labels: a chart that changes nothing of a pod restarts none. */}}
{{- define "mendstream.selector" -}}
{{ include "mendstream.releaseLabels" .root }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "mendstream.componentLabels" -}}
{{ include "mendstream.labels" .root }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "mendstream.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end }}
