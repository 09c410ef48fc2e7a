{{/* The public URL of the API, or nothing if none is known. */}}

{{- define "loupe.publicUrl" -}}
{{- if .Values.publicUrl }}{{ trimSuffix "/" .Values.publicUrl }}
{{- else if .Values.ingress.enabled }}{{ ternary "https" "http" .Values.ingress.tls.enabled }}://{{ required "ingress.enabled needs ingress.host" .Values.ingress.host }}
{{- else if .Values.httpRoute.enabled }}{{ ternary "https" "http" .Values.httpRoute.tls }}://{{ required "httpRoute.enabled needs httpRoute.host" .Values.httpRoute.host }}
{{- end }}
{{- end }}

{{/* The gRPC target of a headless Service: clients resolve all pods and distribute their calls. */}}
{{- define "loupe.target" -}}
dns:///{{ include "loupe.host" . }}:9000
{{- end }}

{{/* The `_TARGET` variables of a component, for the services that it calls: `(list $ prefix component)`. */}}
{{- define "loupe.targets.env" -}}
{{- $root := index . 0 -}}
{{- $prefix := index . 1 -}}
{{- range include "loupe.callees" (list $root (index . 2)) | fromJsonArray }}
- name: {{ $prefix }}_{{ upper . }}_TARGET
  value: {{ include "loupe.target" (list $root .) }}
{{- end }}
{{- end }}
