{{/* What clients outside call us; nothing where no name is known. */}}

{{- define "loupe.publicUrl" -}}
{{- if .Values.publicUrl }}{{ trimSuffix "/" .Values.publicUrl }}
{{- else if .Values.ingress.enabled }}{{ ternary "https" "http" .Values.ingress.tls.enabled }}://{{ required "ingress.enabled needs ingress.host" .Values.ingress.host }}
{{- else if .Values.httpRoute.enabled }}{{ ternary "https" "http" .Values.httpRoute.tls }}://{{ required "httpRoute.enabled needs httpRoute.host" .Values.httpRoute.host }}
{{- end }}
{{- end }}

{{/* gRPC names of headless Services: clients resolve all pods and take turns. */}}
{{- define "loupe.target" -}}
dns:///{{ include "loupe.host" . }}:9000
{{- end }}

{{/* `_TARGET`s of `(list $ prefix others...)`. */}}
{{- define "loupe.targets.env" -}}
{{- $root := index . 0 -}}
{{- $prefix := index . 1 -}}
{{- range index . 2 }}
- name: {{ $prefix }}_{{ upper . }}_TARGET
  value: {{ include "loupe.target" (list $root .) }}
{{- end }}
{{- end }}
