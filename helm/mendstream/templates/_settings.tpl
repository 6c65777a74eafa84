{{/* What a component is told: environment, files of secrets, certificates. All take (dict "root" $ "component" "..."). */}}

{{/* Who a component is at Kafka: what all have, overridden by its own. */}}
{{- define "mendstream.credentials" -}}
{{- $own := (index .root.Values .component).credentials | default dict -}}
{{ mergeOverwrite (deepCopy .root.Values.credentials) $own | toYaml }}
{{- end }}

{{/* Each secret that the program reads, with the name of its setting: a list of {secret, key, setting} as YAML. */}}
{{- define "mendstream.secrets" -}}
{{- $values := .root.Values -}}
{{- $who := include "mendstream.credentials" . | fromYaml -}}
{{- $found := list -}}
{{- if hasPrefix "SASL" $values.kafka.securityProtocol -}}
{{- $found = append $found (dict "secret" $who.passwordSecret "key" $who.passwordKey "setting" "sasl_password") -}}
{{- end -}}
{{- if and $who.certificateSecret $who.keyPasswordKey -}}
{{- $found = append $found (dict "secret" $who.certificateSecret "key" $who.keyPasswordKey "setting" "ssl_key_password") -}}
{{- end -}}
{{- if $values.registry.authSecret -}}
{{- $found = append $found (dict "secret" $values.registry.authSecret "key" $values.registry.authKey "setting" "registry_auth") -}}
{{- end -}}
{{- if eq .component "views" -}}
{{- $found = append $found (dict "secret" $values.views.redisSecret "key" $values.views.redisKey "setting" "redis_url") -}}
{{- end -}}
{{- if and (eq .component "gateway") $values.gateway.jwt.secret -}}
{{- $found = append $found (dict "secret" $values.gateway.jwt.secret "key" $values.gateway.jwt.key "setting" "jwt_secret") -}}
{{- end -}}
{{ dict "items" $found | toYaml }}
{{- end }}

{{/* The consumer group: as named, or as the program derives it from the topic prefix. */}}
{{- define "mendstream.group" -}}
{{ .Values.kafka.group | default (printf "%smendstream" .Values.kafka.topicPrefix) }}
{{- end }}

{{- define "mendstream.env" -}}
{{- $values := .root.Values -}}
{{- $who := include "mendstream.credentials" . | fromYaml -}}
{{- $kafka := $values.kafka -}}
{{- $env := dict
  "bootstrap" $kafka.bootstrap
  "group" (include "mendstream.group" .root)
  "partitions" $kafka.partitions
  "replication" $kafka.replication
  "security_protocol" $kafka.securityProtocol
  "http_host" $values.http.host
  "http_port" $values.http.port -}}
{{- if $kafka.topicPrefix -}}
{{- $_ := set $env "topic_prefix" $kafka.topicPrefix -}}
{{- end -}}
{{- if hasPrefix "SASL" $kafka.securityProtocol -}}
{{- $_ := set $env "sasl_mechanism" $kafka.saslMechanism -}}
{{- $_ := set $env "sasl_username" $who.username -}}
{{- end -}}
{{- if $kafka.caSecret -}}
{{- $_ := set $env "ssl_ca_location" "/etc/mendstream/tls/ca.crt" -}}
{{- end -}}
{{- if $who.certificateSecret -}}
{{- $_ := set $env "ssl_certificate_location" "/etc/mendstream/tls/tls.crt" -}}
{{- $_ := set $env "ssl_key_location" "/etc/mendstream/tls/tls.key" -}}
{{- end -}}
{{- if $values.registry.url -}}
{{- $_ := set $env "registry_url" $values.registry.url -}}
{{- end -}}
{{- if eq .component "processor" -}}
{{- $_ := set $env "crash_directory" "/var/lib/mendstream" -}}
{{- if $values.signing.secret -}}
{{- $_ := set $env "signing_key" "/etc/mendstream/signing/signing.pem" -}}
{{- end -}}
{{- end -}}
{{- if eq .component "gateway" -}}
{{- $env = merge $env (include "mendstream.gatewayEnv" $values | fromYaml) -}}
{{- end -}}
{{- if and (eq .component "executor") $values.gateway.enabled -}}
{{- $_ := set $env "public_origin" $values.gateway.publicOrigin -}}
{{- end -}}
{{- if (include "mendstream.secrets" . | fromYaml).items -}}
{{- $_ := set $env "secrets_directory" "/etc/mendstream/secrets" -}}
{{- end -}}
{{- range $name, $value := merge $env $values.settings }}
- name: MENDSTREAM_{{ upper $name }}
  {{- /* Helm reads 1000000 as a float, which would be written as 1e+06. */}}
  value: {{ ternary (printf "%v" (int64 $value)) (toString $value) (kindIs "float64" $value) | quote }}
{{- end }}
{{- if has .component (list "processor" "executor" "gateway") }}
- name: MENDSTREAM_SLOT
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
{{- end }}
{{- end }}

{{/* What a gateway alone is told, as YAML. Takes the values. */}}
{{- define "mendstream.gatewayEnv" -}}
{{- $own := .gateway -}}
{{- $env := dict
  "gateway_host" .http.host
  "gateway_port" $own.port
  "public_origin" $own.publicOrigin
  "jwt_issuer" $own.jwt.issuer
  "jwt_audience" $own.jwt.audience
  "views_directory" "/var/lib/mendstream/views" -}}
{{- if $own.jwt.jwksUrl -}}
{{- $_ := set $env "jwt_jwks_url" $own.jwt.jwksUrl -}}
{{- end -}}
{{- if $own.corsOrigins -}}
{{- $_ := set $env "cors_origins" $own.corsOrigins -}}
{{- end -}}
{{ toYaml $env }}
{{- end }}

{{/* Seconds that Kubernetes waits after SIGTERM. A processor ends its transaction, an executor leaves its group (20 s). */}}
{{- define "mendstream.graceSeconds" -}}
{{- if eq .component "processor" -}}
{{ add 15 (div (int64 (.root.Values.settings.transaction_timeout_ms | default 15000)) 1000) }}
{{- else -}}
30
{{- end -}}
{{- end }}
