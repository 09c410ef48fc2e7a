{{/* Addresses and credentials of the stores, as environment variables of a service. */}}

{{/* "yes" if the store runs in the cluster as part of this release, otherwise nothing. */}}
{{- define "loupe.bundled" -}}
{{- if eq (index (index . 0).Values (index . 1)).mode "bundled" }}yes{{ end -}}
{{- end }}

{{- define "loupe.postgresql.host" -}}
{{- if include "loupe.bundled" (list . "postgresql") }}{{ include "loupe.host" (list . "postgresql") }}
{{- else }}{{ required "postgresql.mode=external needs postgresql.external.host" .Values.postgresql.external.host }}
{{- end }}
{{- end }}

{{- define "loupe.postgresql.port" -}}
{{ ternary 5432 (int .Values.postgresql.external.port) (eq .Values.postgresql.mode "bundled") }}
{{- end }}

{{/* The Secret that holds the password of a service's role, as `name key`. With a client certificate there may be none. */}}
{{- define "loupe.postgresql.secret" -}}
{{- $postgresql := (index . 0).Values.postgresql -}}
{{- $database := index $postgresql.databases (index . 1) -}}
{{- if $database.existingSecret -}}
{{ $database.existingSecret }} {{ $database.passwordKey }}
{{- else if $postgresql.existingSecret -}}
{{ $postgresql.existingSecret }} {{ index . 1 }}
{{- else if include "loupe.bundled" (list (index . 0) "postgresql") -}}
{{ include "loupe.name" (list (index . 0) "postgresql") }} {{ index . 1 }}
{{- else if not (include "loupe.clientTls.secret" (list (index . 0) "postgresql" (index . 1))) -}}
{{ fail (printf "postgresql.mode=external needs the password of the role of %s: set postgresql.existingSecret, or postgresql.databases.%s.existingSecret" (index . 1) (index . 1)) }}
{{- end }}
{{- end }}

{{/* What a service logs in to its database with, for messages: `(list $ service)`. */}}
{{- define "loupe.postgresql.login" -}}
{{- with include "loupe.postgresql.secret" . -}}
the password in the key {{ splitList " " . | last }} of the Secret {{ splitList " " . | first }}
{{- else -}}
the client certificate in the Secret {{ include "loupe.clientTls.secret" (list (index . 0) "postgresql" (index . 1)) }}
{{- end }}
{{- end }}

{{- define "loupe.postgresql.env" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $secret := include "loupe.postgresql.secret" . -}}
{{- $database := index $root.Values.postgresql.databases $name -}}
{{- $parameters := ternary "" $root.Values.postgresql.external.parameters (eq $root.Values.postgresql.mode "bundled") -}}
{{- if include "loupe.clientTls.secret" (list $root "postgresql" $name) -}}
{{- $parameters = printf "%s%ssslcert=/postgresql-tls/tls.crt&sslkey=/postgresql-tls/tls.key" $parameters (ternary "&" "" (not (empty $parameters))) -}}
{{- end -}}
{{- with $secret -}}
{{ include "loupe.env.secret" (list "DATABASE_PASSWORD" (splitList " " . | first) (splitList " " . | last)) }}
{{ end -}}
- name: {{ upper $name }}_DATABASE_URL
  value: postgresql+psycopg://{{ $database.user }}{{ if $secret }}:$(DATABASE_PASSWORD){{ end }}@{{ include "loupe.postgresql.host" $root }}:{{ include "loupe.postgresql.port" $root }}/{{ $database.name }}{{ with $parameters }}?{{ . }}{{ end }}
{{- end }}

{{/* The Secret with the passwords. With credentials, or a client certificate that names the user, there is none. */}}
{{- define "loupe.nats.secret" -}}
{{- if and .Values.nats.existingSecret (include "loupe.nats.credentials" .) -}}
{{- fail "nats.existingSecret and nats.external.credentials.existingSecret both say how services log in: choose one" -}}
{{- end -}}
{{- if .Values.nats.existingSecret -}}
{{ .Values.nats.existingSecret }}
{{- else if include "loupe.bundled" (list . "nats") -}}
{{ include "loupe.name" (list . "nats") }}
{{- else if not (or (include "loupe.nats.credentials" .) (include "loupe.clientTls.secret" (list . "nats" "gateway"))) -}}
{{- $services := include "loupe.services" . | fromJsonArray -}}
{{ fail (printf "nats.mode=external needs nats.existingSecret, with a password for each of %s and %s, or nats.external.credentials, or nats.external.clientTls" (initial $services | join ", ") (last $services)) }}
{{- end }}
{{- end }}

{{- define "loupe.nats.env" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $nats := $root.Values.nats -}}
{{- $scheme := "nats" -}}
{{- $address := printf "%s:4222" (include "loupe.host" (list $root "nats")) -}}
{{- if not (include "loupe.bundled" (list $root "nats")) -}}
{{- $scheme = ternary "tls" "nats" $nats.external.tls -}}
{{- $address = printf "%s:%d" (required "nats.mode=external needs nats.external.host" $nats.external.host) (int $nats.external.port) -}}
{{- end -}}
{{- $secret := include "loupe.nats.secret" $root -}}
{{- with $secret -}}
{{ include "loupe.env.secret" (list "NATS_PASSWORD" . $name) }}
{{ end -}}
- name: {{ upper $name }}_NATS_URL
  value: {{ $scheme }}://{{ index $nats.users $name }}{{ if $secret }}:$(NATS_PASSWORD){{ end }}@{{ $address }}
- name: {{ upper $name }}_NATS_REPLICAS
  value: {{ ternary $nats.bundled.replicas $nats.external.replicas (not (empty (include "loupe.bundled" (list $root "nats")))) | quote }}
{{- end }}

{{- define "loupe.objects.endpoint" -}}
{{- if include "loupe.bundled" (list . "objectStore") }}http://{{ include "loupe.host" (list . "object-store") }}:8333
{{- else }}{{ required "objectStore.mode=external needs objectStore.external.endpoint" .Values.objectStore.external.endpoint }}
{{- end }}
{{- end }}

{{/* The host for which links are signed: clients must be able to reach it. The default is the address that
     `kubectl port-forward` opens. */}}
{{- define "loupe.objects.publicEndpoint" -}}
{{- $store := .Values.objectStore -}}
{{- if $store.publicEndpoint }}{{ $store.publicEndpoint }}
{{- else if not (include "loupe.bundled" (list . "objectStore")) }}{{ include "loupe.objects.endpoint" . }}
{{- else if and .Values.ingress.enabled $store.bundled.host }}{{ ternary "https" "http" .Values.ingress.tls.enabled }}://{{ $store.bundled.host }}
{{- else if and .Values.httpRoute.enabled $store.bundled.host }}{{ ternary "https" "http" .Values.httpRoute.tls }}://{{ $store.bundled.host }}
{{- else }}http://localhost:8333
{{- end }}
{{- end }}

{{/* The Secret that holds the keys of a service, as `name access-key secret-key`. */}}
{{- define "loupe.objects.secret" -}}
{{- $store := (index . 0).Values.objectStore -}}
{{- $keys := index $store.keys (index . 1) -}}
{{- if $keys.existingSecret -}}
{{ $keys.existingSecret }} {{ $keys.accessKeyKey }} {{ $keys.secretKeyKey }}
{{- else if $store.existingSecret -}}
{{ $store.existingSecret }} {{ index . 1 }}-access-key {{ index . 1 }}-secret-key
{{- else if include "loupe.bundled" (list (index . 0) "objectStore") -}}
{{ include "loupe.name" (list (index . 0) "object-store") }} {{ index . 1 }}-access-key {{ index . 1 }}-secret-key
{{- else -}}
{{ fail (printf "objectStore.mode=external needs the keys of %s: set objectStore.existingSecret, or objectStore.keys.%s.existingSecret" (index . 1) (index . 1)) }}
{{- end }}
{{- end }}

{{/* "yes" if the platform gives the pods credentials, so that there are no keys. */}}
{{- define "loupe.objects.byPlatform" -}}
{{- $store := .Values.objectStore -}}
{{- if $store.external.platformCredentials -}}
{{- if eq $store.mode "bundled" -}}
{{- fail "objectStore.external.platformCredentials needs objectStore.mode=external: the store in the cluster knows only its own keys" -}}
{{- end -}}
{{- if or $store.existingSecret $store.keys.images.existingSecret $store.keys.inference.existingSecret -}}
{{- fail "objectStore.external.platformCredentials and an existingSecret of objectStore both say where credentials come from: choose one" -}}
{{- end -}}
yes
{{- end -}}
{{- end }}

{{- define "loupe.objects.env" -}}
{{- $root := index . 0 -}}
{{- $prefix := index . 1 | upper -}}
- name: {{ $prefix }}_S3_ENDPOINT
  value: {{ include "loupe.objects.endpoint" $root }}
- name: {{ $prefix }}_S3_REGION
  value: {{ $root.Values.objectStore.region | quote }}
- name: {{ $prefix }}_S3_BUCKET
  value: {{ $root.Values.objectStore.bucket | quote }}
{{- if not (include "loupe.objects.byPlatform" $root) }}
{{- $secret := include "loupe.objects.secret" . | splitList " " }}
{{ include "loupe.env.secret" (list (printf "%s_S3_ACCESS_KEY" $prefix) (index $secret 0) (index $secret 1)) }}
{{ include "loupe.env.secret" (list (printf "%s_S3_SECRET_KEY" $prefix) (index $secret 0) (index $secret 2)) }}
{{- end }}
{{- end }}

{{- define "loupe.nats.monitor" -}}
{{- if include "loupe.bundled" (list . "nats") }}{{ include "loupe.name" (list . "nats") }}-headless.{{ .Release.Namespace }}.svc:8222
{{- else }}{{ required "inference.keda.trigger=consumer-lag needs nats.external.monitor" .Values.nats.external.monitor }}
{{- end }}
{{- end }}
