{{/* Models that the operator has added. They come from an image, a claim or a bucket, and Triton loads them beside Loupe's. */}}

{{- define "loupe.ownModels.source" -}}
{{- with .Values.inference.ownModels -}}
{{- if .image.repository }}image{{ else if .existingClaim }}claim{{ else if .s3.bucket }}s3{{ end -}}
{{- end -}}
{{- end }}

{{/* The init container that copies the models of an image, or reads those of a bucket. A claim needs none. */}}
{{- define "loupe.ownModels.preparation" -}}
{{- $source := include "loupe.ownModels.source" . -}}
{{- if or (eq $source "image") (eq $source "s3") }}
- name: own-models
  {{- if eq $source "image" }}
  image: {{ include "loupe.image" (list . .Values.inference.ownModels.image) }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  securityContext:
    {{- include "loupe.container.security" . | nindent 4 }}
  # not -a: this user may not set the times of the volume's root folder
  command: [cp, -R, /own-models/., /volume/]
  {{- else }}
  {{- include "loupe.container" (list . "inference") | nindent 2 }}
  command: [python, -m, inference.own_models, /volume]
  env:
    {{- include "loupe.objects.env" (list . "inference") | nindent 4 }}
    {{- include "loupe.authorities.env" . | nindent 4 }}
    - name: INFERENCE_OWN_MODELS_BUCKET
      value: {{ .Values.inference.ownModels.s3.bucket | quote }}
    - name: INFERENCE_OWN_MODELS_PREFIX
      value: {{ .Values.inference.ownModels.s3.prefix | quote }}
  {{- end }}
  resources:
    {{- include "loupe.resources" (list . .Values.helpers.resources) | nindent 4 }}
  volumeMounts:
    {{- if eq $source "s3" }}
    {{- include "loupe.container.mounts" (list . "inference") | nindent 4 }}
    {{- end }}
    - name: own-models
      mountPath: /volume
{{- end }}
{{- end }}

{{- define "loupe.ownModels.volume" -}}
{{- $source := include "loupe.ownModels.source" . }}
{{- if $source }}
- name: own-models
  {{- if eq $source "claim" }}
  persistentVolumeClaim:
    claimName: {{ .Values.inference.ownModels.existingClaim }}
    readOnly: true
  {{- else }}
  emptyDir:
    sizeLimit: {{ .Values.inference.ownModels.size }}
  {{- end }}
{{- end }}
{{- end }}
