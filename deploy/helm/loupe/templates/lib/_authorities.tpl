{{/* The certificate authorities that sign external stores and the mail server: those of the image, or a ConfigMap's. */}}

{{/* psycopg contains its own OpenSSL, which finds certificates only by this path. */}}
{{- define "loupe.authorities.env" -}}
{{- with .Values.authorities.existingConfigMap }}
- name: SSL_CERT_FILE
  value: /authorities/{{ $.Values.authorities.key }}
{{- else }}
{{- if not (include "loupe.bundled" (list . "postgresql")) }}
- name: SSL_CERT_FILE
  value: /etc/ssl/certs/ca-certificates.crt
{{- end }}
{{- end }}
{{- end }}

{{- define "loupe.authorities.mount" -}}
{{- if .Values.authorities.existingConfigMap }}
- name: authorities
  mountPath: /authorities
  readOnly: true
{{- end }}
{{- end }}

{{- define "loupe.authorities.volume" -}}
{{- with .Values.authorities.existingConfigMap }}
- name: authorities
  configMap:
    name: {{ . }}
{{- end }}
{{- end }}
