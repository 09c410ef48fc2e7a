{{/* Address families: on which addresses servers listen, and which addresses Services have. */}}

{{/* "yes" if pods may have IPv6 addresses. */}}
{{- define "loupe.isSix" -}}
{{- $policy := .Values.global.ipFamilyPolicy -}}
{{- if and (gt (len .Values.global.ipFamilies) 1) (has $policy (list "" "SingleStack")) -}}
{{- fail "global.ipFamilies names two families: set global.ipFamilyPolicy to PreferDualStack or RequireDualStack" -}}
{{- end -}}
{{- if or (has "IPv6" .Values.global.ipFamilies) (has $policy (list "PreferDualStack" "RequireDualStack")) }}yes{{ end -}}
{{- end }}

{{/* The host that stands for all addresses of a pod: `[::]` takes IPv4 connections too. */}}
{{- define "loupe.everywhere" -}}
{{ if include "loupe.isSix" . }}[::]{{ else }}0.0.0.0{{ end }}
{{- end }}

{{/* The lines of a Service's spec. */}}
{{- define "loupe.service.families" -}}
{{- with .Values.global.ipFamilyPolicy }}
ipFamilyPolicy: {{ . }}
{{- end }}
{{- with .Values.global.ipFamilies }}
ipFamilies: {{ toJson . }}
{{- end }}
{{- end }}

{{/* The same for metrics: with two addresses Prometheus would read each pod twice. */}}
{{- define "loupe.service.family" -}}
{{- if .Values.global.ipFamilyPolicy }}
ipFamilyPolicy: SingleStack
{{- end }}
{{- with .Values.global.ipFamilies }}
ipFamilies: {{ list (first .) | toJson }}
{{- end }}
{{- end }}
