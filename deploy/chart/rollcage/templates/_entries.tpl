{{- /* All entries that are loaded, as a list of {key, entry}. */ -}}
{{- define "rollcage.entries" -}}
{{- $entries := list -}}
{{- range $key := list "trafficRouterPlugins" "metricProviderPlugins" "stepPlugins" -}}
{{- range $entry := index $.Values.plugins $key -}}
{{- if not $entry.disabled -}}
{{- $entries = append $entries (dict "key" $key "entry" $entry) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $entries -}}
{{- end -}}

{{- /* Names of the Secrets that entries need: of downloads and of credentials. */ -}}
{{- define "rollcage.secretNames" -}}
{{- $names := list -}}
{{- range include "rollcage.entries" . | fromYamlArray -}}
{{- range .entry.headersFrom -}}
{{- $names = append $names .secretRef.name -}}
{{- end -}}
{{- range dig "permissions" "credentials" list .entry -}}
{{- $names = append $names .secretRef.name -}}
{{- end -}}
{{- end -}}
{{- toYaml ($names | uniq | sortAlpha) -}}
{{- end -}}

{{- /*
What entries are granted of Kubernetes, as {cluster: [rule], namespaces: {NAMESPACE: [rule]}}.

  namespaces of the grant   where the rule is
  @object (the default)     the namespaces of `usableFrom`; the cluster when these are all
  *                         the cluster
  NAME                      that namespace
With `controller.namespaced` the cluster is the release's namespace.
*/ -}}
{{- define "rollcage.grants" -}}
{{- $cluster := list -}}
{{- $namespaces := dict -}}
{{- range include "rollcage.entries" . | fromYamlArray -}}
{{- $entry := .entry -}}
{{- $plugin := printf "plugins.%s, %s" .key $entry.name -}}
{{- range $grant := dig "permissions" "kubernetes" list $entry -}}
{{- range $field := list "apiGroups" "resources" -}}
{{- if has "*" (index $grant $field) -}}
{{- fail (printf "%s: `*` in permissions.kubernetes %s would become a rule for everything: write their names" $plugin $field) -}}
{{- end -}}
{{- end -}}
{{- if and (has "" $grant.apiGroups) (has "secrets" $grant.resources) -}}
{{- fail (printf "%s: a plugin that reads Secrets as objects sees them whole: grant them by permissions.credentials" $plugin) -}}
{{- end -}}
{{- $verbs := $grant.verbs -}}
{{- if has "*" $verbs -}}
{{- $verbs = list "create" "delete" "get" "list" "patch" "update" -}}
{{- end -}}
{{- $rule := dict "apiGroups" $grant.apiGroups "resources" $grant.resources "verbs" $verbs -}}
{{- with $grant.resourceNames -}}
{{- $rule = merge $rule (dict "resourceNames" .) -}}
{{- end -}}
{{- $places := list -}}
{{- range $namespace := $grant.namespaces | default (list "@object") -}}
{{- if eq $namespace "@object" -}}
{{- /* An empty list is nobody. */ -}}
{{- $places = concat $places (kindIs "slice" $entry.usableFrom | ternary $entry.usableFrom (list "*")) -}}
{{- else -}}
{{- $places = append $places $namespace -}}
{{- end -}}
{{- end -}}
{{- if and (has "*" $places) (not $.Values.controller.namespaced) -}}
{{- $cluster = append $cluster $rule -}}
{{- else -}}
{{- range $place := $places -}}
{{- $place = ternary $.Release.Namespace $place (eq $place "*") -}}
{{- $_ := set $namespaces $place (append (get $namespaces $place | default list) $rule | uniq) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml (dict "cluster" ($cluster | uniq) "namespaces" $namespaces) -}}
{{- end -}}

{{- /* Rules of `files/rights.yaml` for one scope: include "rollcage.rights" (list . "own"). */ -}}
{{- define "rollcage.rights" -}}
{{- $root := index . 0 -}}
{{- $scope := index . 1 -}}
{{- $rules := list -}}
{{- range $right := $root.Files.Get "files/rights.yaml" | fromYamlArray -}}
{{- if eq $right.scope $scope -}}
{{- $rule := dict "apiGroups" $right.apiGroups "resources" $right.resources "verbs" (keys $right.verbs | sortAlpha) -}}
{{- with $right.resourceNames -}}
{{- $names := list -}}
{{- range . -}}
{{- $names = append $names (replace "{{ lease }}" (include "rollcage.lease" $root) .) -}}
{{- end -}}
{{- $rule = merge $rule (dict "resourceNames" $names) -}}
{{- end -}}
{{- $rules = append $rules $rule -}}
{{- end -}}
{{- end -}}
{{- toYaml $rules -}}
{{- end -}}

{{- /* A role and its binding to the controller: include "rollcage.role" (list . SUFFIX NAMESPACE RULES); no namespace: a ClusterRole. */ -}}
{{- define "rollcage.role" -}}
{{- $root := index . 0 -}}
{{- $name := printf "%s%s" (include "rollcage.fullname" $root) (index . 1) -}}
{{- $namespace := index . 2 -}}
{{- $kind := ternary "Role" "ClusterRole" (ne $namespace "") -}}
{{- /* Two releases in one cluster have the same name in two namespaces. */ -}}
{{- if eq $namespace "" }}{{ $name = printf "%s:%s" $root.Release.Namespace $name }}{{ end -}}
{{- if and (ne $namespace "") (ne $namespace $root.Release.Namespace) }}{{ $name = printf "%s:%s" $root.Release.Namespace $name }}{{ end -}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}
metadata:
  name: {{ $name }}
  {{- with $namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "rollcage.labels" $root | nindent 4 }}
rules:
  {{- toYaml (index . 3) | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}Binding
metadata:
  name: {{ $name }}
  {{- with $namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "rollcage.labels" $root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ $kind }}
  name: {{ $name }}
subjects:
  - kind: ServiceAccount
    name: {{ include "rollcage.fullname" $root }}
    namespace: {{ $root.Release.Namespace }}
{{ end -}}
