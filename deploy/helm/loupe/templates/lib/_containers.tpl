{{/* The parts of a container of one of the five services. */}}

{{/* Image and security context, for the main container and for init containers with the same image. */}}
{{- define "loupe.container" -}}
{{- $root := index . 0 -}}
{{- $values := include "loupe.values" . | fromYaml -}}
image: {{ include "loupe.ownImage" (list $root $values.image) }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
securityContext:
  {{- include "loupe.container.security" . | nindent 2 }}
{{- end }}

{{- define "loupe.container.ports" -}}
{{- if eq (index . 1) "gateway" }}
- {name: http, containerPort: 8000}
{{- else if ne (index . 1) "inference" }}
- {name: grpc, containerPort: 9000}
{{- end }}
- {name: metrics, containerPort: 9090}
{{- end }}

{{/* Environment: variables that every service has under its prefix, then `settings`, then `extraEnv`. */}}
{{- define "loupe.container.env" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $values := include "loupe.values" . | fromYaml -}}
- name: {{ upper $name }}_LOG_LEVEL
  value: {{ $root.Values.logLevel }}
{{- if include "loupe.isSix" $root }}
{{- if ne $name "inference" }}
- name: {{ upper $name }}_LISTEN
  value: "[::]:{{ ternary 8000 9000 (eq $name "gateway") }}"
{{- end }}
- name: {{ upper $name }}_METRICS_LISTEN
  value: "[::]:9090"
{{- end }}
{{- range $key, $value := $values.settings }}
- name: {{ upper $name }}_{{ upper $key }}
  value: {{ include "loupe.string" $value | quote }}
{{- end }}
{{- include "loupe.logins.env" . }}
{{- include "loupe.mtls.env" . }}
{{- include "loupe.authorities.env" $root }}
{{- include "loupe.tracing.env" . }}
{{- with $values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Print a number without an exponent. Helm stores large integers as floats and would print 1.048576e+07. */}}
{{- define "loupe.string" -}}
{{- if and (kindIs "float64" .) (eq . (floor .)) }}{{ int64 . }}{{ else }}{{ . }}{{ end -}}
{{- end }}

{{- define "loupe.tracing.env" -}}
{{- with (index . 0).Values.tracing }}
{{- if .endpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ .endpoint | quote }}
- name: OTEL_TRACES_SAMPLER
  value: parentbased_traceidratio
- name: OTEL_TRACES_SAMPLER_ARG
  value: {{ .ratio | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* Volumes and mounts of every service: scratch space, its certificate, and those that the values add. */}}
{{- define "loupe.container.mounts" -}}
{{- $values := include "loupe.values" . | fromYaml -}}
{{ include "loupe.tmp.mount" . }}
{{- include "loupe.mtls.mount" . }}
{{- include "loupe.logins.mounts" (append . (include "loupe.logins.stores" . | fromJsonArray)) }}
{{- include "loupe.authorities.mount" (index . 0) }}
{{- with $values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "loupe.pod.volumes" -}}
{{- $values := include "loupe.values" . | fromYaml -}}
{{ include "loupe.tmp.volume" $values.scratchSize }}
{{- include "loupe.mtls.volume" . }}
{{- include "loupe.logins.volumes" (append . (include "loupe.logins.stores" . | fromJsonArray)) }}
{{- include "loupe.authorities.volume" (index . 0) }}
{{- if has (index . 1) (include "loupe.databases" (index . 0) | fromJsonArray) }}
{{- with (index . 0).Values.migrations.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}
{{- with $values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The init containers in the list that keep running, such as a proxy of the database: they start before all others. */}}
{{- define "loupe.sidecars" -}}
{{- $those := list -}}
{{- range . }}{{ if eq (get . "restartPolicy") "Always" }}{{ $those = append $those . }}{{ end }}{{ end -}}
{{- with $those }}{{ toYaml . }}{{ end -}}
{{- end }}

{{/* The other init containers in the list. */}}
{{- define "loupe.preparations" -}}
{{- $those := list -}}
{{- range . }}{{ if ne (get . "restartPolicy") "Always" }}{{ $those = append $those . }}{{ end }}{{ end -}}
{{- with $those }}{{ toYaml . }}{{ end -}}
{{- end }}

{{/* The resources of a container: `(list $ resources)`, with `global.defaultLimits` where it has no limit. */}}
{{- define "loupe.resources" -}}
{{- $resources := deepCopy (index . 1) -}}
{{- toYaml (set $resources "limits" (merge (dict) ($resources.limits | default dict) (index . 0).Values.global.defaultLimits)) }}
{{- end }}
