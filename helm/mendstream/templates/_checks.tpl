{{/* What no schema can say, because it takes two values: each fault with what to do. Included once, by the processor. */}}

{{- define "mendstream.checks" -}}
{{- $kafka := .Values.kafka -}}
{{- $most := int $kafka.partitions -}}
{{- $scaling := .Values.autoscaling -}}
{{- if $scaling.enabled -}}
{{- if gt (int $scaling.maxReplicas) $most -}}
{{- fail (printf "autoscaling.maxReplicas is %d, and kafka.partitions %d: a worker without a partition does nothing. Lower maxReplicas." (int $scaling.maxReplicas) $most) -}}
{{- end -}}
{{- if gt (int $scaling.minReplicas) (int $scaling.maxReplicas) -}}
{{- fail "autoscaling.minReplicas is above maxReplicas. Lower it." -}}
{{- end -}}
{{- else if gt (int .Values.processor.replicas) $most -}}
{{- fail (printf "processor.replicas is %d, and kafka.partitions %d: a worker without a partition does nothing. Lower the replicas." (int .Values.processor.replicas) $most) -}}
{{- end -}}
{{- if and .Values.executor.enabled (gt (int .Values.executor.replicas) $most) -}}
{{- fail (printf "executor.replicas is %d, and kafka.partitions %d. Lower the replicas." (int .Values.executor.replicas) $most) -}}
{{- end -}}
{{- range $component := list "processor" "executor" "views" "gateway" "topics" "audit" -}}
{{- $own := index $.Values $component -}}
{{- if and (ne $own.enabled false) (ne $own.mode "none") -}}
{{- include "mendstream.credentialsChecked" (dict "root" $ "component" $component) -}}
{{- end -}}
{{- end -}}
{{- if .Values.views.enabled -}}
{{- if not .Values.views.redisSecret -}}
{{- fail "views.enabled needs views.redisSecret: the Secret with the address of a Redis, redis://host:6379/0." -}}
{{- end -}}
{{- end -}}
{{- if .Values.executor.enabled -}}
{{- include "mendstream.executorChecked" . -}}
{{- end -}}
{{- if .Values.gateway.enabled -}}
{{- include "mendstream.gatewayChecked" .Values.gateway -}}
{{- end -}}
{{- end }}

{{- define "mendstream.gatewayChecked" -}}
{{- if eq (empty .jwt.jwksUrl) (empty .jwt.secret) -}}
{{- fail "gateway.enabled needs one of gateway.jwt.jwksUrl and gateway.jwt.secret: by it tokens are verified." -}}
{{- end -}}
{{- if not (and .jwt.issuer .jwt.audience) -}}
{{- fail "gateway.enabled needs gateway.jwt.issuer and gateway.jwt.audience: what tokens say in iss and aud." -}}
{{- end -}}
{{- if not .publicOrigin -}}
{{- fail "gateway.enabled needs gateway.publicOrigin: https://host, by which browsers reach it." -}}
{{- end -}}
{{- if and .autoscaling.enabled (gt (int .autoscaling.minReplicas) (int .autoscaling.maxReplicas)) -}}
{{- fail "gateway.autoscaling.minReplicas is above maxReplicas. Lower it." -}}
{{- end -}}
{{- end }}

{{- define "mendstream.credentialsChecked" -}}
{{- $who := include "mendstream.credentials" . | fromYaml -}}
{{- $protocol := .root.Values.kafka.securityProtocol -}}
{{- if hasPrefix "SASL" $protocol -}}
{{- if not (and $who.username $who.passwordSecret) -}}
{{- fail (printf "kafka.securityProtocol %s needs a username and a passwordSecret for the %s: set credentials, or %s.credentials." $protocol .component .component) -}}
{{- end -}}
{{- else if $who.username -}}
{{- fail (printf "The %s has a username, which kafka.securityProtocol %s does not use. Set SASL_SSL, or leave it out." .component $protocol) -}}
{{- end -}}
{{- if and $who.certificateSecret (not (contains "SSL" $protocol)) -}}
{{- fail (printf "The %s has a certificate, which kafka.securityProtocol %s does not use. Set SSL or SASL_SSL, or leave it out." .component $protocol) -}}
{{- end -}}
{{- end }}

{{- define "mendstream.executorChecked" -}}
{{- $own := .Values.executor -}}
{{- if not (or $own.targets $own.routes) -}}
{{- fail "executor.enabled needs executor.targets or executor.routes: without them it has nothing to do." -}}
{{- end -}}
{{- range $own.targets.targets -}}
{{- if and (eq .kind "kubernetes") (not .api) (not $own.namespaces) -}}
{{- fail (printf "The executor's target %q is in this cluster: name its namespace under executor.namespaces." .match) -}}
{{- end -}}
{{- if and (eq .kind "file") (not $own.claim) -}}
{{- fail (printf "The executor's target %q is kept in files: name a PersistentVolumeClaim as executor.claim." .match) -}}
{{- end -}}
{{- end -}}
{{- end }}
