{{/*
registry/repository:tag@digest of `(list $ image)`, where `image` is a map of values. A tag may contain a digest, as some
defaults do: another tag then replaces both.
*/}}

{{- define "loupe.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- $registry := $root.Values.global.imageRegistry | default $image.registry -}}
{{- $tag := $image.tag -}}
{{- with $registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{ $image.repository }}
{{- with $tag }}:{{ if $image.digest }}{{ . | splitList "@" | first }}{{ else }}{{ . }}{{ end }}{{ end -}}
{{- with $image.digest }}@{{ . }}{{ end -}}
{{- end }}

{{/* The same for Loupe's own images. They share a registry and a tag. */}}
{{- define "loupe.ownImage" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- $registry := $image.registry | default $root.Values.image.registry -}}
{{- $tag := $image.tag | default $root.Values.image.tag | default $root.Chart.AppVersion -}}
{{ include "loupe.image" (list $root (dict "registry" $registry "repository" $image.repository "tag" $tag "digest" $image.digest)) }}
{{- end }}
