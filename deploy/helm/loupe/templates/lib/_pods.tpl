{{/* What every pod has: no privileges, no service-account token, no injected variables, scratch space. */}}

{{/* The metadata of a pod template. A third argument adds annotations. */}}
{{- define "loupe.pod.metadata" -}}
{{- $root := index . 0 -}}
{{- $values := include "loupe.values" . | fromYaml -}}
{{- $annotations := dict -}}{{- if gt (len .) 2 -}}{{- $annotations = index . 2 -}}{{- end -}}
labels:
  {{- include "loupe.pod.labels" (list $root (index . 1) $values.podLabels) | nindent 2 }}
{{- with merge (dict) ($values.podAnnotations | default dict) $annotations $root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Labels without versions: a new version of the chart must not restart pods that it does not change. A third argument
     adds labels. */}}
{{- define "loupe.pod.labels" -}}
{{- $more := dict -}}{{- if gt (len .) 2 -}}{{- $more = index . 2 | default dict -}}{{- end -}}
{{ merge (include "loupe.selector" . | fromYaml) $more (index . 0).Values.commonLabels (dict "app.kubernetes.io/part-of" "loupe") | toYaml }}
{{- end }}

{{/* The values of a component. Those of a bundled store are under `bundled`. */}}
{{- define "loupe.values" -}}
{{- $values := (index . 0).Values -}}
{{- $name := index . 1 -}}
{{- if eq $name "object-store" }}{{ toYaml $values.objectStore.bundled }}
{{- else if has $name (list "postgresql" "nats") }}{{ toYaml (index $values $name).bundled }}
{{- else }}{{ toYaml (index $values $name) }}
{{- end }}
{{- end }}

{{/* A pod's spec without containers and volumes. `uid` is the user that runs in it. */}}
{{- define "loupe.pod.spec" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $values := include "loupe.values" . | fromYaml -}}
serviceAccountName: {{ $values.serviceAccountName | default (include "loupe.name" .) }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with $values.priorityClassName | default $root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
securityContext:
  {{- include "loupe.pod.security" (list $root (ternary $values.uid $root.Values.uid (has $name (list "postgresql" "nats" "object-store")))) | nindent 2 }}
{{- include "loupe.pod.placement" (list $root $values) }}
topologySpreadConstraints:
  {{- if $values.topologySpreadConstraints }}
  {{- toYaml $values.topologySpreadConstraints | nindent 2 }}
  {{- else }}
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "loupe.selector" (list $root $name) | nindent 8 }}
    {{- if not (has $name (list "postgresql" "nats" "object-store")) }}
    matchLabelKeys: [pod-template-hash]
    {{- end }}
  {{- end }}
  {{- end }}
{{- end }}

{{/* Where a pod may run and how it resolves names: its own values, and those for all pods. */}}
{{- define "loupe.pod.placement" -}}
{{- $global := (index . 0).Values.global -}}
{{- $values := index . 1 -}}
{{- with $global.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with merge (dict) ($values.nodeSelector | default dict) $global.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with concat ($values.tolerations | default list) $global.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity | default $global.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.dnsPolicy | default $global.dnsPolicy }}
dnsPolicy: {{ . }}
{{- end }}
{{- with $values.dnsConfig | default $global.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with concat ($values.hostAliases | default list) $global.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The security context of a pod: `(list $ user)`. Without a user the platform chooses one, as OpenShift does. */}}
{{- define "loupe.pod.security" -}}
{{- $context := dict "runAsNonRoot" true "seccompProfile" (dict "type" "RuntimeDefault") -}}
{{- $user := index . 1 -}}
{{- if not (kindIs "invalid" $user) -}}
{{- $id := int64 $user -}}
{{- $context = merge $context (dict "runAsUser" $id "runAsGroup" $id "fsGroup" $id "fsGroupChangePolicy" "OnRootMismatch") -}}
{{- end -}}
{{- toYaml (mergeOverwrite $context (deepCopy (index . 0).Values.global.podSecurityContext)) }}
{{- end }}

{{/* The security context of a container: `$`, or a list that begins with it. */}}
{{- define "loupe.container.security" -}}
{{- $root := . -}}{{- if kindIs "slice" . -}}{{- $root = index . 0 -}}{{- end -}}
{{- $context := dict "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true "capabilities" (dict "drop" (list "ALL")) -}}
{{- toYaml (mergeOverwrite $context (deepCopy $root.Values.global.containerSecurityContext)) }}
{{- end }}

{{/* The spec of a pod that runs once: `(list $ account values user)`. */}}
{{- define "loupe.pod.once" -}}
{{- $root := index . 0 -}}
serviceAccountName: {{ index . 1 }}
automountServiceAccountToken: false
enableServiceLinks: false
restartPolicy: Never
{{- $made := list }}{{ range $root.Values.priorityClasses }}{{ $made = append $made .name }}{{ end }}
{{- with (index . 2).priorityClassName | default $root.Values.priorityClassName }}
{{- /* not a priority class that this release creates: a hook runs before the class exists, and would get no pod */}}
{{- if not (has . $made) }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}
securityContext:
  {{- include "loupe.pod.security" (list $root (index . 3)) | nindent 2 }}
{{- include "loupe.pod.placement" (list $root (index . 2)) }}
{{- end }}

{{- define "loupe.tmp.volume" -}}
- name: tmp
  emptyDir:
    sizeLimit: {{ . }}
{{- end }}

{{- define "loupe.tmp.mount" -}}
- name: tmp
  mountPath: /tmp
{{- end }}
