{{/* What every pod has: no privileges, no token, no injected variables, a place for scratch. */}}

{{/* metadata of a pod template; a third argument are further annotations. */}}
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

{{/* Without versions: a new chart that changes nothing about a pod does not start it anew. A third argument are
     further labels. */}}
{{- define "loupe.pod.labels" -}}
{{- $more := dict -}}{{- if gt (len .) 2 -}}{{- $more = index . 2 | default dict -}}{{- end -}}
{{ merge (include "loupe.selector" . | fromYaml) $more (index . 0).Values.commonLabels (dict "app.kubernetes.io/part-of" "loupe") | toYaml }}
{{- end }}

{{/* The values of a component; those of a store in the cluster lie under `bundled`. */}}
{{- define "loupe.values" -}}
{{- $values := (index . 0).Values -}}
{{- $name := index . 1 -}}
{{- if eq $name "object-store" }}{{ toYaml $values.objectStore.bundled }}
{{- else if has $name (list "postgresql" "nats") }}{{ toYaml (index $values $name).bundled }}
{{- else }}{{ toYaml (index $values $name) }}
{{- end }}
{{- end }}

{{/* The part of a pod's spec that is no container and no volume. `uid` is who runs in it. */}}
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
{{- with $root.Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
securityContext:
  {{- include "loupe.pod.security" ($values.uid | default 10001) | nindent 2 }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
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

{{- define "loupe.pod.security" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "loupe.container.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Pods that run once: the service account of `account`, and only what a Job needs. */}}
{{- define "loupe.pod.once" -}}
{{- $root := index . 0 -}}
serviceAccountName: {{ index . 1 }}
automountServiceAccountToken: false
enableServiceLinks: false
restartPolicy: {{ index . 2 }}
{{- $made := list }}{{ range $root.Values.priorityClasses }}{{ $made = append $made .name }}{{ end }}
{{- with $root.Values.priorityClassName }}
{{- /* none that this release makes: a hook would run before it is there, and get no pod */}}
{{- if not (has . $made) }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}
{{- with $root.Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  {{- include "loupe.pod.security" (index . 3) | nindent 2 }}
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
