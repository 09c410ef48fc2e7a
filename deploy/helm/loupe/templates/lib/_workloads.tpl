{{/* The objects that every service has: Deployment, Services, scaling, disruption budget. */}}

{{/* The beginning of a Deployment's spec. `replicas` is absent if a scaler sets it, and 0 if all services pause: an
     autoscaler leaves a Deployment without pods alone. */}}
{{- define "loupe.deployment" -}}
{{- $values := include "loupe.values" . | fromYaml -}}
{{- $isScaled := or (dig "autoscaling" "enabled" false $values) (dig "keda" "enabled" false $values) -}}
{{- if (index . 0).Values.paused }}
replicas: 0
{{- else if not $isScaled }}
replicas: {{ $values.replicas }}
{{- end }}
revisionHistoryLimit: 3
strategy:
  type: RollingUpdate
  rollingUpdate:
    {{- toYaml $values.rollout | nindent 4 }}
selector:
  matchLabels:
    {{- include "loupe.selector" . | nindent 4 }}
{{- end }}

{{- define "loupe.serviceAccount" -}}
{{- $root := index . 0 -}}
{{- $values := include "loupe.values" . | fromYaml -}}
{{- if not $values.serviceAccountName -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "loupe.metadata" (list $root (index . 1) "" ($values.serviceAccountAnnotations | default dict)) | nindent 2 }}
automountServiceAccountToken: false
{{- end }}
{{- end }}

{{/* A headless Service: gRPC clients need the address of every pod to distribute their calls. */}}
{{- define "loupe.service.grpc" -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "loupe.metadata" . | nindent 2 }}
spec:
  type: ClusterIP
  clusterIP: None
  {{- include "loupe.service.families" (index . 0) | nindent 2 }}
  selector:
    {{- include "loupe.selector" . | nindent 4 }}
  ports:
    - {name: grpc, port: 9000, targetPort: grpc, appProtocol: kubernetes.io/h2c}
{{- end }}

{{/* Metrics have a separate Service: publishing the API must not publish them. */}}
{{- define "loupe.service.metrics" -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "loupe.metadata" (list (index . 0) (index . 1) "-metrics" dict (dict "loupe/metrics" "yes")) | nindent 2 }}
spec:
  type: ClusterIP
  clusterIP: None
  {{- include "loupe.service.family" (index . 0) | nindent 2 }}
  selector:
    {{- include "loupe.selector" . | nindent 4 }}
  ports:
    - {name: metrics, port: 9090, targetPort: metrics}
    {{- if eq (index . 1) "inference" }}
    - {name: triton-metrics, port: 8002, targetPort: triton-metrics}
    {{- end }}
{{- end }}

{{- define "loupe.autoscaler" -}}
{{- $values := include "loupe.values" . | fromYaml -}}
{{- if dig "autoscaling" "enabled" false $values -}}
{{- if dig "keda" "enabled" false $values -}}
{{- fail (printf "%s.autoscaling and %s.keda cannot both decide how many pods there are: switch one off" (index . 1) (index . 1)) -}}
{{- end -}}
{{- with $values.autoscaling -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  {{- include "loupe.metadata" $ | nindent 2 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {{ include "loupe.name" $ }}
  minReplicas: {{ .minReplicas }}
  maxReplicas: {{ .maxReplicas }}
  metrics:
    {{- range $container := include "loupe.autoscaler.containers" $ | fromJsonArray }}
    - type: ContainerResource
      containerResource:
        name: cpu
        container: {{ $container }}
        target: {type: Utilization, averageUtilization: {{ $values.autoscaling.cpuPercent }}}
    {{- end }}
  behavior:
    {{- toYaml (.behavior | default (dict "scaleDown" (dict "stabilizationWindowSeconds" 300))) | nindent 4 }}
{{- end }}
{{- end }}
{{- end }}

{{/* The containers whose CPU drives the scaling, as JSON. Without a GPU, Triton is busy and the worker waits for it. */}}
{{- define "loupe.autoscaler.containers" -}}
{{- $busy := list (index . 1) -}}
{{- if and (eq (index . 1) "inference") (not (include "loupe.triton.isGpu" (index . 0))) }}{{ $busy = append $busy "triton" }}{{ end -}}
{{ toJson $busy }}
{{- end }}

{{/* A disruption budget, only for several pods: for a single pod it has no effect or blocks the drain of its node. */}}
{{- define "loupe.disruptionBudget" -}}
{{- $values := include "loupe.values" . | fromYaml -}}
{{- $least := int ($values.replicas | default 1) -}}
{{- if dig "autoscaling" "enabled" false $values }}{{ $least = int $values.autoscaling.minReplicas }}{{ end -}}
{{- if dig "keda" "enabled" false $values }}{{ $least = int $values.keda.maxReplicas }}{{ end -}}
{{- with $values.disruptionBudget -}}
{{- if and .enabled (gt $least 1) -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "loupe.metadata" $ | nindent 2 }}
spec:
  {{- if eq (toString .minAvailable) "" }}
  maxUnavailable: {{ .maxUnavailable }}
  {{- else }}
  minAvailable: {{ .minAvailable }}
  {{- end }}
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "loupe.selector" $ | nindent 6 }}
{{- end }}
{{- end }}
{{- end }}

{{/* The volume of a StatefulSet. The claim stays when the StatefulSet is deleted. */}}
{{- define "loupe.claim" -}}
{{- $root := index . 0 -}}
{{- with (index . 1).storage -}}
persistentVolumeClaimRetentionPolicy: {whenDeleted: Retain, whenScaled: Retain}
volumeClaimTemplates:
  - metadata:
      name: data
    spec:
      accessModes: [ReadWriteOnce]
      {{- with .storageClass | default $root.Values.global.storageClass }}
      storageClassName: {{ . }}
      {{- end }}
      resources:
        requests:
          storage: {{ .size }}
{{- end }}
{{- end }}
