{{/* Migrations: one container for both who applies them and who waits for them. */}}

{{/* The container of `(list $ component mode)`. The script travels in the arguments: a hook runs before the
     ConfigMaps of its release are there. */}}
{{- define "loupe.schema.container" -}}
{{- $it := list (index . 0) (index . 1) -}}
{{ include "loupe.container" $it }}
command: [python, -c]
args:
  - |
    {{- (index . 0).Files.Get "files/schema.py" | trim | nindent 4 }}
  - {{ index . 2 }}
env:
  - name: SERVICE
    value: {{ index . 1 }}
  {{- include "loupe.postgresql.env" $it | nindent 2 }}
  {{- with include "loupe.authorities.env" (index . 0) }}
  {{- trim . | nindent 2 }}
  {{- end }}
resources:
  {{- toYaml (index . 0).Values.migrations.resources | nindent 2 }}
volumeMounts:
  {{- include "loupe.tmp.mount" . | nindent 2 }}
  {{- with include "loupe.authorities.mount" (index . 0) }}
  {{- trim . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "loupe.schema.wait" -}}
- name: wait-for-schema
  {{- include "loupe.schema.container" (append . "wait") | nindent 2 }}
{{- end }}

{{/* yes, or nothing. A migration runs before an upgrade touches anything, so that one that fails leaves the old
     release running. At the first installation there is no database yet that a hook could reach, nor where an
     upgrade brings the one in the cluster: then it is a Job among the others, which the services wait for. */}}
{{- define "loupe.schema.isHook" -}}
{{- if and .Values.useHelmHooks .Release.IsUpgrade -}}
{{- $isThere := lookup "apps/v1" "StatefulSet" .Release.Namespace (include "loupe.name" (list . "postgresql")) -}}
{{- if or $isThere (not (include "loupe.bundled" (list . "postgresql"))) }}yes{{ end -}}
{{- end -}}
{{- end }}

{{/* The spec of the Job, without its name. */}}
{{- define "loupe.schema.job" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $component := printf "migrate-%s" $name -}}
{{- $account := include "loupe.name" (list $root "migrations") -}}
backoffLimit: {{ $root.Values.migrations.backoffLimit }}
activeDeadlineSeconds: {{ int64 $root.Values.migrations.activeDeadlineSeconds }}
template:
  metadata:
    labels:
      {{- include "loupe.pod.labels" (list $root $component $root.Values.migrations.podLabels) | nindent 6 }}
    {{- with $root.Values.migrations.podAnnotations }}
    annotations:
      {{- toYaml . | nindent 6 }}
    {{- end }}
  spec:
    {{- /* Never: the pods of a Job that failed are kept, and their logs with them */}}
    {{- include "loupe.pod.once" (list $root $account "Never" 10001) | nindent 4 }}
    {{- with $root.Values.migrations.nodeSelector }}
    nodeSelector:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with $root.Values.migrations.tolerations }}
    tolerations:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    containers:
      - name: migrate
        {{- include "loupe.schema.container" (list $root $name "upgrade") | nindent 8 }}
    volumes:
      {{- include "loupe.tmp.volume" "64Mi" | nindent 6 }}
      {{- with include "loupe.authorities.volume" $root }}
      {{- trim . | nindent 6 }}
      {{- end }}
{{- end }}
