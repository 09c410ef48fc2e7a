{{/* Triton runs beside the worker in the same pod. On a GPU it is NVIDIA's image, with engines that are built before it
     starts; on a CPU it is our image, which contains the models. Only the worker reaches it, by gRPC and shared memory. */}}

{{- define "loupe.triton.isGpu" -}}
{{- if eq .Values.inference.profile "gpu" }}yes{{ end -}}
{{- end }}

{{/* Triton listens on one family: the first one, from which the kubelet and Prometheus connect. */}}
{{- define "loupe.triton.metricsAddress" -}}
{{- if eq (first (append .Values.global.ipFamilies "IPv4")) "IPv6" }}ipv6:::{{ else }}0.0.0.0{{ end -}}
{{- end }}

{{- define "loupe.triton.image" -}}
{{- if include "loupe.triton.isGpu" . -}}
{{ include "loupe.image" (list . .Values.inference.triton.gpu.image) }}
{{- else -}}
{{ include "loupe.ownImage" (list . .Values.inference.triton.cpu.image) }}
{{- end }}
{{- end }}

{{- define "loupe.triton.resources" -}}
{{- $triton := .Values.inference.triton -}}
{{- if include "loupe.triton.isGpu" . -}}
{{- include "loupe.resources" (list . (mergeOverwrite (deepCopy $triton.gpu.resources) (dict "limits" (merge (dict $triton.gpu.resourceName (int $triton.gpu.count)) ($triton.gpu.resources.limits | default dict))))) }}
{{- else -}}
{{- include "loupe.resources" (list . $triton.cpu.resources) }}
{{- end }}
{{- end }}

{{- define "loupe.probes.triton" -}}
# Triton opens its ports after every model is loaded
startupProbe:
  httpGet: {path: /metrics, port: triton-metrics}
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: {{ div .Values.inference.triton.startupSeconds 5 }}
# Triton's own health check ignores dead models. The probe may wait behind two tiles of the worker, up to 120 s each.
livenessProbe:
  exec:
    command:
      - python3
      - -c
      - |
        {{- .Files.Get "files/alive.py" | trim | nindent 10 }}
  periodSeconds: 60
  timeoutSeconds: 240
  failureThreshold: 2
readinessProbe:
  httpGet: {path: /metrics, port: triton-metrics}
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: 3
{{- end }}

{{- define "loupe.triton.container" -}}
- name: triton
  image: {{ include "loupe.triton.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  securityContext:
    {{- include "loupe.container.security" . | nindent 4 }}
  {{- if include "loupe.triton.isGpu" . }}
  command: [sh, -c]
  args:
    - |
      secret=$(cat "$LOUPE_TRITON_SECRET_FILE") && [ -n "$secret" ] || exit 1
      apis=metadata,inference,shared-memory,model-config,model-repository,statistics,trace,logging
      exec tritonserver "$@" --grpc-restricted-protocol="$apis:loupe-secret=$secret" \
          --http-restricted-api="$apis:loupe-secret=$secret"
    - tritonserver
    - --model-repository=/repository
    - --model-control-mode=none
    - --disable-auto-complete-config
    - --grpc-address=127.0.0.1
    - --grpc-port=8001
    # only the probe uses HTTP
    - --http-address=127.0.0.1
    - --http-port=8000
    - --http-thread-count=2
    # otherwise it takes the address of HTTP
    - {{ include "loupe.triton.metricsAddress" . | printf "--metrics-address=%s" | quote }}
    - --metrics-port=8002
    - --exit-timeout-secs=30
    {{- with .Values.tracing.endpoint }}
    # trace only the inferences that belong to a traced request
    - --trace-config=mode=opentelemetry
    - --trace-config=level=TIMESTAMPS
    - --trace-config=count=0
    - --trace-config=opentelemetry,url={{ . }}/v1/traces
    - --trace-config=opentelemetry,resource=service.name=loupe-triton
    {{- end }}
    {{- with .Values.inference.triton.extraArgs }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- else }}
  # the ports of gRPC, for the worker, HTTP, for the probe, and metrics
  args: [triton, /models, "8001", "8000", "8002"]
  {{- end }}
  ports:
    - {name: triton-metrics, containerPort: 8002}
  env:
    - name: HOME
      value: /tmp
    - name: LOUPE_TRITON_SECRET_FILE
      value: /run/loupe/triton-secret
    {{- if not (include "loupe.triton.isGpu" .) }}
    - name: LOUPE_TRITON_ADDRESS
      value: 127.0.0.1
    - name: LOUPE_TRITON_METRICS_ADDRESS
      value: {{ include "loupe.triton.metricsAddress" . | quote }}
    {{- end }}
    {{- if include "loupe.ownModels.source" . }}
    - name: LOUPE_TRITON_OWN_MODELS
      value: /own-models
    {{- end }}
    {{- include "loupe.tracing.env" (list .) | nindent 4 }}
    {{- if and .Values.inference.triton.threads (not (include "loupe.triton.isGpu" .)) }}
    - name: LOUPE_TRITON_THREADS
      value: {{ .Values.inference.triton.threads | quote }}
    {{- end }}
    {{- with .Values.inference.triton.extraEnv }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- include "loupe.probes" (list .Values.inference.triton.probes (include "loupe.probes.triton" .)) | nindent 2 }}
  # wait until the worker has returned its jobs to the queue
  {{- include "loupe.preStop" 5 | nindent 2 }}
  resources:
    {{- include "loupe.triton.resources" . | nindent 4 }}
  volumeMounts:
    - name: triton-tmp
      mountPath: /tmp
    - name: shared-memory
      mountPath: /dev/shm
    - name: triton-secret
      mountPath: /run/loupe
      readOnly: true
    {{- if include "loupe.ownModels.source" . }}
    - name: own-models
      mountPath: /own-models
      {{- with .Values.inference.ownModels }}
      {{- if and .existingClaim .subPath }}
      subPath: {{ .subPath }}
      {{- end }}
      {{- end }}
      readOnly: true
    {{- end }}
    {{- with .Values.inference.triton.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- if include "loupe.triton.isGpu" . }}
    - name: repository
      mountPath: /repository
      readOnly: true
    {{- end }}
{{- end }}

{{/* The init containers: they copy the ONNX models, then build the engines for this GPU and TensorRT unless the cache has
     them. */}}
{{- define "loupe.triton.preparation" -}}
- name: models
  image: {{ include "loupe.ownImage" (list . .Values.inference.models.image) }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  securityContext:
    {{- include "loupe.container.security" . | nindent 4 }}
  # not -a: this user may not set the times of the volume's root folder
  command: [cp, -R, /models/., /repository/]
  resources:
    {{- include "loupe.resources" (list . .Values.helpers.resources) | nindent 4 }}
  volumeMounts:
    - name: repository
      mountPath: /repository
- name: engines
  image: {{ include "loupe.triton.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  securityContext:
    {{- include "loupe.container.security" . | nindent 4 }}
  command: [python3, /repository/engines.pyz, /repository]
  args:
    - --cache=/engines
    - --max-batch={{ .Values.inference.engines.maxBatch }}
    - --instances={{ .Values.inference.engines.instances }}
    {{- with .Values.inference.engines.extraArgs }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  env:
    - name: HOME
      value: /tmp
  resources:
    {{- include "loupe.triton.resources" . | nindent 4 }}
  volumeMounts:
    - name: triton-tmp
      mountPath: /tmp
    - name: repository
      mountPath: /repository
    - name: engines
      mountPath: /engines
{{- end }}

{{/* The init container that makes up the secret of this pod's Triton. Whoever does not know it could load a model, and so
     run code in Triton. The file is only in memory. */}}
{{- define "loupe.triton.secret" -}}
- name: triton-secret
  {{- include "loupe.container" (list . "inference") | nindent 2 }}
  command: [python, -c]
  args:
    - |
      import os, secrets
      os.umask(0o077)
      with open("/run/loupe/triton-secret", "w") as file:
          file.write(secrets.token_hex(32))
  resources:
    {{- include "loupe.resources" (list . .Values.helpers.resources) | nindent 4 }}
  volumeMounts:
    - name: triton-secret
      mountPath: /run/loupe
{{- end }}

{{- define "loupe.triton.volumes" -}}
- name: triton-secret
  emptyDir:
    medium: Memory
    sizeLimit: 1Mi
- name: triton-tmp
  emptyDir:
    sizeLimit: {{ .Values.inference.triton.scratchSize }}
- name: shared-memory
  emptyDir:
    medium: Memory
    sizeLimit: {{ .Values.inference.triton.sharedMemorySize }}
{{- include "loupe.ownModels.volume" . }}
{{- if include "loupe.triton.isGpu" . }}
- name: repository
  emptyDir:
    sizeLimit: 2Gi
- name: engines
  {{- with .Values.inference.engines }}
  {{- if or .existingClaim .persistent }}
  persistentVolumeClaim:
    claimName: {{ .existingClaim | default (printf "%s-engines" (include "loupe.name" (list $ "inference"))) }}
  {{- else }}
  emptyDir:
    sizeLimit: {{ .size }}
  {{- end }}
  {{- end }}
{{- end }}
{{- end }}
