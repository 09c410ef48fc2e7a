{{/* Migrations: one container, used by the Job that applies them and by the pods that wait for them. */}}

{{/* The container of `(list $ component mode)`. The script is an argument, because a hook runs before the ConfigMaps of its
     release exist. */}}
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

{{/* "yes" if migrations run as a hook, otherwise nothing. A hook runs before an upgrade changes anything: if a migration
     fails, the old release keeps running. A hook is impossible if this installation or upgrade creates the database.
     The migration is then an ordinary Job, and the services wait for it. */}}
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
    {{- /* Never keeps the pods of a failed Job, and with them their logs */}}
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
