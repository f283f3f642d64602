{{- define "rollcage.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "rollcage.fullname" -}}
{{- $name := include "rollcage.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- /* What belongs to the release, and not to another one in the same namespace. */ -}}
{{- define "rollcage.selector" -}}
app.kubernetes.io/name: {{ include "rollcage.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "rollcage.labels" -}}
{{ include "rollcage.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "rollcage.image" -}}
{{- $image := .Values.image -}}
{{- with $image.registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- $image.repository -}}
{{- if $image.digest -}}
@{{ $image.digest }}
{{- else -}}
:{{ $image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- /* The lease of the election: Argo's name, so that equal ids exclude each other. */ -}}
{{- define "rollcage.lease" -}}
argo-rollouts-controller-lock{{ with .Values.controller.instanceId }}-{{ . }}{{ end }}
{{- end -}}

{{- /* What the cluster has to have before: a chart that brought Argo's CRDs would take them away again, with every Rollout. */ -}}
{{- define "rollcage.requireArgo" -}}
{{- if not (or .Values.skipArgoCrdCheck (.Capabilities.APIVersions.Has "argoproj.io/v1alpha1/AnalysisRun")) -}}
{{- fail (join "\n" (list
  ""
  "The custom resource definitions of Argo Rollouts are not in this cluster, and this chart never installs them (it would"
  "remove them again, with every Rollout). Install them first:"
  ""
  "  kubectl apply --server-side -k 'https://github.com/argoproj/argo-rollouts/manifests/crds?ref=stable'"
  ""
  "`helm template` does not see the cluster: there, add --set skipArgoCrdCheck=true."
  "")) -}}
{{- end -}}
{{- end -}}
