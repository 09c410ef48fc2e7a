{{/* Certificates of the services, from cert-manager or from an existing Secret. */}}

{{- define "loupe.mtls.secret" -}}
{{- $given := index (index . 0).Values.mtls.existingSecrets (index . 1) -}}
{{ $given | default (printf "%s-tls" (include "loupe.name" .)) }}
{{- end }}

{{- define "loupe.mtls.env" -}}
{{- if (index . 0).Values.mtls.enabled }}
{{- range $setting, $file := dict "CERTIFICATE" "tls.crt" "KEY" "tls.key" "AUTHORITY" "ca.crt" }}
- name: {{ index $ 1 | upper }}_TLS_{{ $setting }}
  value: /tls/{{ $file }}
{{- end }}
{{- end }}
{{- end }}

{{- define "loupe.mtls.mount" -}}
{{- if (index . 0).Values.mtls.enabled }}
- name: tls
  mountPath: /tls
  readOnly: true
{{- end }}
{{- end }}

{{- define "loupe.mtls.volume" -}}
{{- if (index . 0).Values.mtls.enabled }}
- name: tls
  secret:
    secretName: {{ include "loupe.mtls.secret" . }}
    defaultMode: 0440
{{- end }}
{{- end }}
