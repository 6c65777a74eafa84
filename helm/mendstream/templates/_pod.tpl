{{/* Pods: what all of them have. Take (dict "root" $ "component" "...") and what each says beside it. */}}

{{/* serviceAccount, token: whether the API of Kubernetes is asked. */}}
{{- define "mendstream.podHead" -}}
{{- $own := index .root.Values .component -}}
serviceAccountName: {{ .serviceAccount | default "default" }}
automountServiceAccountToken: {{ .token | default false }}
enableServiceLinks: false # a Service named mendstream-http would set MENDSTREAM_HTTP_PORT
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  {{- with .root.Values.runAsUser }}
  runAsUser: {{ int64 . }}
  runAsGroup: {{ int64 . }}
  fsGroup: {{ int64 . }}
  fsGroupChangePolicy: OnRootMismatch
  {{- end }}
  seccompProfile: {type: RuntimeDefault}
terminationGracePeriodSeconds: {{ include "mendstream.graceSeconds" . }}
{{- with $own.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $own.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with $own.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with $own.affinity }}
affinity: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with $own.topologySpread }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: topology.kubernetes.io/zone
    whenUnsatisfiable: {{ .zone }}
    labelSelector: {matchLabels: {{ include "mendstream.selector" $ | fromYaml | toJson }}}
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: {{ .hostname }}
    labelSelector: {matchLabels: {{ include "mendstream.selector" $ | fromYaml | toJson }}}
{{- end }}
{{- end }}

{{- define "mendstream.container" -}}
name: {{ .component }}
image: {{ include "mendstream.image" .root }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
args: {{ toJson .args }}
workingDir: /tmp # the executor's Faust makes a directory where it starts
env: {{ include "mendstream.env" . | trim | nindent 2 }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
resources: {{ toYaml (index .root.Values .component).resources | nindent 2 }}
{{- end }}

{{/* startup: path of the startup probe; seconds: how long a start may take. */}}
{{- define "mendstream.probes" -}}
ports:
  - {name: http, containerPort: {{ .root.Values.http.port }}}
  {{- if eq .component "gateway" }}
  - {name: api, containerPort: {{ .root.Values.gateway.port }}}
  {{- end }}
startupProbe:
  httpGet: {path: {{ .startup }}, port: http}
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: {{ div (add .seconds 4) 5 }}
livenessProbe:
  httpGet: {path: /live, port: http}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet: {path: /ready, port: http}
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: 1
{{- end }}

{{- define "mendstream.mounts" -}}
- {name: tmp, mountPath: /tmp}
{{- if (include "mendstream.secrets" . | fromYaml).items }}
- {name: secrets, mountPath: /etc/mendstream/secrets, readOnly: true}
{{- end }}
{{- if or .root.Values.kafka.caSecret (include "mendstream.credentials" . | fromYaml).certificateSecret }}
- {name: tls, mountPath: /etc/mendstream/tls, readOnly: true}
{{- end }}
{{- end }}

{{/* Mode 0440: root's, readable by the pod's group alone. A signing key that is more open is refused. */}}
{{- define "mendstream.volumes" -}}
{{- $who := include "mendstream.credentials" . | fromYaml -}}
{{- $kafka := .root.Values.kafka -}}
- name: tmp
  emptyDir: {sizeLimit: 64Mi}
{{- with (include "mendstream.secrets" . | fromYaml).items }}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      {{- range . }}
      - secret: {name: {{ .secret }}, items: [{key: {{ .key }}, path: {{ .setting }}}]}
      {{- end }}
{{- end }}
{{- if or $kafka.caSecret $who.certificateSecret }}
- name: tls
  projected:
    defaultMode: 0440
    sources:
      {{- if $kafka.caSecret }}
      - secret: {name: {{ $kafka.caSecret }}, items: [{key: {{ $kafka.caKey }}, path: ca.crt}]}
      {{- end }}
      {{- with $who.certificateSecret }}
      - secret:
          name: {{ . }}
          items:
            - {key: {{ $who.certificateKey }}, path: tls.crt}
            - {key: {{ $who.privateKeyKey }}, path: tls.key}
      {{- end }}
{{- end }}
{{- end }}
