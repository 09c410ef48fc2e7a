{{/* Names and labels. Most helpers of this chart take `(list $ "component")`. */}}

{{- define "loupe.chart" -}}
{{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "loupe.appName" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* The release's name, cut to leave room for a component and a hash. */}}
{{- define "loupe.fullname" -}}
{{- $name := include "loupe.appName" . -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 36 | trimSuffix "-" }}
{{- else if contains $name .Release.Name -}}
{{ .Release.Name | trunc 36 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name $name | trunc 36 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{/* loupe-auth */}}
{{- define "loupe.name" -}}
{{ printf "%s-%s" (include "loupe.fullname" (index . 0)) (index . 1) }}
{{- end }}

{{/* loupe-auth.namespace.svc: the host name for other pods. */}}
{{- define "loupe.host" -}}
{{ include "loupe.name" . }}.{{ (index . 0).Release.Namespace }}.svc
{{- end }}

{{- define "loupe.selector" -}}
app.kubernetes.io/name: {{ include "loupe.appName" (index . 0) }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name | quote }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "loupe.labels" -}}
{{- $root := index . 0 -}}
{{- $own := dict
  "app.kubernetes.io/managed-by" $root.Release.Service
  "app.kubernetes.io/version" $root.Chart.AppVersion
  "helm.sh/chart" (include "loupe.chart" $root)
-}}
{{ merge (include "loupe.pod.labels" . | fromYaml) $own | toYaml }}
{{- end }}

{{/* The metadata of an object: `(list $ component suffix annotations labels)`. The last three are optional. */}}
{{- define "loupe.metadata" -}}
{{- $root := index . 0 -}}
{{- $suffix := "" -}}{{- if gt (len .) 2 -}}{{- $suffix = index . 2 -}}{{- end -}}
{{- $annotations := dict -}}{{- if gt (len .) 3 -}}{{- $annotations = index . 3 -}}{{- end -}}
{{- $labels := dict -}}{{- if gt (len .) 4 -}}{{- $labels = index . 4 -}}{{- end -}}
name: {{ include "loupe.name" (list $root (index . 1)) }}{{ $suffix }}
namespace: {{ $root.Release.Namespace | quote }}
labels:
  {{- include "loupe.labels" (list $root (index . 1) $labels) | nindent 2 }}
{{- with merge (dict) $annotations $root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
