{{/* Whether addresses are verified. Without a mail server no user could verify one: new users then count as verified. */}}

{{- define "loupe.mail.isVerified" -}}
{{- $auth := .Values.auth -}}
{{- $wanted := $auth.emailVerification -}}
{{- if kindIs "invalid" $wanted -}}{{- $wanted = not (empty $auth.smtp.host) -}}{{- end -}}
{{- if and $wanted (not $auth.smtp.host) -}}
{{- fail "auth.emailVerification=true needs a mail server: set auth.smtp.host" -}}
{{- end -}}
{{ $wanted }}
{{- end }}

{{- define "loupe.mail.env" -}}
{{- $smtp := .Values.auth.smtp -}}
- name: AUTH_EMAIL_VERIFICATION
  value: {{ include "loupe.mail.isVerified" . | quote }}
{{- if $smtp.host }}
- name: AUTH_SMTP_HOST
  value: {{ $smtp.host | quote }}
- name: AUTH_SMTP_PORT_NUMBER
  value: {{ $smtp.port | quote }}
- name: AUTH_SMTP_STARTTLS
  value: {{ $smtp.starttls | quote }}
- name: AUTH_MAIL_FROM
  value: {{ $smtp.from | quote }}
{{- if $smtp.user }}
- name: AUTH_SMTP_USER
  value: {{ $smtp.user | quote }}
{{ include "loupe.env.secret" (list "AUTH_SMTP_PASSWORD" (required "auth.smtp.user needs auth.smtp.existingSecret" $smtp.existingSecret) $smtp.passwordKey) }}
{{- end }}
{{- end }}
{{- end }}
