{{/* Secrets that are generated once. They are hooks and no part of the release, so that neither an upgrade nor a rollback
     changes a value, and an uninstall leaves them. A Secret that exists is adopted. */}}

{{/* The Secret of `(list $ component suffix keys)`, or nothing if it is in the cluster with all keys. Keys that it lacks
     are added: Helm then deletes it and creates it again, and meanwhile a copy keeps its values. */}}
{{- define "loupe.secret" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
{{- $suffix := index . 2 -}}
{{- $name := printf "%s%s" (include "loupe.name" (list $root $component)) $suffix -}}
{{- $there := (lookup "v1" "Secret" $root.Release.Namespace $name).data | default dict -}}
{{- $known := $there | default (lookup "v1" "Secret" $root.Release.Namespace (printf "%s-copy" $name)).data | default dict -}}
{{- $missing := list -}}
{{- range $key := index . 3 }}{{ if not (hasKey $there $key) }}{{ $missing = append $missing $key }}{{ end }}{{ end -}}
{{- if $missing -}}
{{- if not $root.Values.useHelmHooks -}}
{{- fail (printf "With useHelmHooks=false another tool than Helm applies the chart, and would generate new secrets each time. Create the Secret that %s needs and name it as its existingSecret; the README lists the keys." $component) -}}
{{- end -}}
{{- if and ($root.Capabilities.APIVersions.Has "argoproj.io/v1alpha1") (not (lookup "v1" "ConfigMap" $root.Release.Namespace "kube-root-ca.crt")) -}}
{{- fail "Argo CD renders the chart without reading the cluster, and would generate new secrets at each sync: set useHelmHooks=false, and name existing Secrets. If it is Helm that installs, create the namespace first" -}}
{{- end -}}
{{- $data := deepCopy $known -}}
{{- range $key := $missing }}{{ if not (hasKey $data $key) }}{{ $_ := set $data $key (include "loupe.random" $ | b64enc) }}{{ end }}{{ end -}}
{{- if $known -}}
{{ include "loupe.secret.hook" (list $root $component (printf "%s-copy" $suffix) $known "-20" "before-hook-creation,hook-succeeded") }}
---
{{ end -}}
{{ include "loupe.secret.hook" (list $root $component $suffix $data "-19" (ternary "before-hook-creation" "hook-failed" (not (empty $there)))) }}
{{- end -}}
{{- end }}

{{/* A Secret as a hook. A new one has a policy that never deletes it: the default one would, before it is created. */}}
{{- define "loupe.secret.hook" -}}
apiVersion: v1
kind: Secret
metadata:
  {{- include "loupe.metadata" (list (index . 0) (index . 1) (index . 2) (dict "helm.sh/hook" "pre-install,pre-upgrade" "helm.sh/hook-weight" (index . 4) "helm.sh/hook-delete-policy" (index . 5))) | nindent 2 }}
type: Opaque
data:
  {{- toYaml (index . 3) | nindent 2 }}
{{- end }}

{{/* 40 letters and digits that begin with a letter: safe in URLs, in JSON and in the configuration of NATS. */}}
{{- define "loupe.random" -}}
{{ randAlpha 1 }}{{ randAlphaNum 39 }}
{{- end }}

{{/* The Secret of auth: its signing secret, and the secret of each client. */}}
{{- define "loupe.credentials.secret" -}}
{{ .Values.auth.credentials.existingSecret | default (printf "%s-credentials" (include "loupe.name" (list . "auth"))) }}
{{- end }}

{{/* An environment variable from a Secret: `(list name secret key)`. */}}
{{- define "loupe.env.secret" -}}
- name: {{ index . 0 }}
  valueFrom:
    secretKeyRef: {name: {{ index . 1 }}, key: {{ index . 2 }}}
{{- end }}

{{/* The same for a key that the Secret may lack. */}}
{{- define "loupe.env.optionalSecret" -}}
- name: {{ index . 0 }}
  valueFrom:
    secretKeyRef: {name: {{ index . 1 }}, key: {{ index . 2 }}, optional: true}
{{- end }}

{{- define "loupe.client.env" -}}
{{ include "loupe.env.secret" (list (printf "%s_CLIENT_SECRET" (upper (index . 1))) (include "loupe.credentials.secret" (index . 0)) (index . 1)) }}
{{- end }}
