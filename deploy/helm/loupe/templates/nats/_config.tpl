{{/* The server's configuration. It contains no secret. Each user has the permissions of `files/nats-permissions.json`,
     in an account of its own, which shares subjects with the account of the streams (`files/nats-accounts.json`, where that
     account is APP). A service whose permissions the values replace is in the account of the streams, where nothing else
     limits it. `_INBOX.*` are the answers to replicas of the previous release. The present release uses none of them, and
     the next one no longer allows them. */}}

{{- define "loupe.nats.config" -}}
{{- $bundled := .Values.nats.bundled -}}
{{- $routes := list -}}
{{- if gt (int $bundled.replicas) 1 -}}
{{- range $number := until (int $bundled.replicas) }}{{ $routes = append $routes (printf "$ROUTE_%d" $number) }}{{ end -}}
{{- end -}}
{{- $streams := .Values.nats.account -}}
{{- $accounts := .Files.Get "files/nats-accounts.json" | replace "\"APP" (printf "\"%s" $streams) | fromJson -}}
{{- $accountOf := dict -}}
{{- range $service, $_ := .Values.nats.users -}}
{{- $own := printf "%s_%s" $streams (upper $service) -}}
{{- $_ := set $accountOf $service (hasKey $bundled.permissions $service | ternary $streams $own) -}}
{{- end -}}
{{- $permissions := deepCopy $bundled.permissions -}}
{{- range $service, $rights := .Files.Get "files/nats-permissions.json" | fromJson -}}
{{- if not (hasKey $permissions $service) -}}
{{- $inbox := regexReplaceAll "[^A-Za-z0-9_-]" (index $.Values.nats.users $service) "_" | printf "_INBOX.service.%s." -}}
{{- $listens := list "_INBOX.*" "_INBOX.*.*" -}}
{{- range $rights.subscribe.allow }}{{ $listens = append $listens (replace (printf "_INBOX.service.%s." $service) $inbox .) }}{{ end -}}
{{- $_ := set $permissions $service (set $rights "subscribe" (dict "allow" $listens)) -}}
{{- end -}}
{{- end -}}
{{- tpl (.Files.Get "files/nats.conf") (dict
  "maxMemoryStore" $bundled.maxMemoryStore
  "maxFileStore" $bundled.maxFileStore
  "routes" $routes
  "everywhere" (include "loupe.everywhere" .)
  "streams" $streams
  "accounts" $accounts
  "accountOf" $accountOf
  "users" .Values.nats.users
  "permissions" $permissions
  "Template" .Template
) -}}
{{- end }}

{{/* The quotes are needed: the server would read `1e5x…` as a number. */}}
{{- define "loupe.nats.server.env" -}}
{{- $secret := include "loupe.nats.secret" . -}}
{{- $services := include "loupe.services" . | fromJsonArray | sortAlpha -}}
{{- range append (append $services "sys") "cluster" }}
{{ include "loupe.env.secret" (list (printf "GIVEN_%s" (upper .)) $secret .) }}
- name: {{ upper . }}_PASSWORD
  value: '"$(GIVEN_{{ upper . }})"'
{{- end }}
- name: SERVER_NAME
  valueFrom:
    fieldRef: {fieldPath: metadata.name}
{{- $replicas := int .Values.nats.bundled.replicas }}
{{- if gt $replicas 1 }}
{{- $name := include "loupe.name" (list . "nats") }}
{{- range $number := until $replicas }}
- name: ROUTE_{{ $number }}
  value: '"nats://cluster:$(GIVEN_CLUSTER)@{{ $name }}-{{ $number }}.{{ $name }}-headless.{{ $.Release.Namespace }}.svc:6222"'
{{- end }}
{{- end }}
{{- end }}
