{{- /* Addresses and networks that entries grant, as [{cidr, port}]. */ -}}
{{- define "rollcage.granted.networks" -}}
{{- $found := list -}}
{{- range include "rollcage.granted.servers" . | fromYamlArray -}}
{{- $port := regexFind "[^:]*$" . -}}
{{- $host := trimSuffix (printf ":%s" $port) . | trimPrefix "[" | trimSuffix "]" -}}
{{- $bits := "" -}}
{{- if regexMatch "^[0-9.]+(/[0-9]+)?$" $host -}}{{- $bits = "/32" -}}
{{- else if contains ":" $host -}}{{- $bits = "/128" -}}
{{- end -}}
{{- if $bits -}}
{{- $cidr := ternary $host (printf "%s%s" $host $bits) (contains "/" $host) -}}
{{- $found = append $found (dict "cidr" $cidr "port" $port) -}}
{{- end -}}
{{- end -}}
{{- toYaml ($found | uniq) -}}
{{- end -}}

{{- /* All servers that entries grant. */ -}}
{{- define "rollcage.granted.servers" -}}
{{- $servers := list -}}
{{- range include "rollcage.entries" . | fromYamlArray -}}
{{- range $grant := dig "permissions" "http" list .entry -}}
{{- $servers = append $servers (kindIs "string" $grant | ternary $grant (kindIs "map" $grant | ternary $grant dict).host) -}}
{{- end -}}
{{- end -}}
{{- toYaml ($servers | uniq) -}}
{{- end -}}

{{- /* What entries need outside of the cluster and no NetworkPolicy can name: names that are not of the cluster. */ -}}
{{- define "rollcage.outside" -}}
{{- $names := list -}}
{{- range include "rollcage.entries" . | fromYamlArray -}}
{{- if regexMatch "^(https?|oci)://" .entry.location -}}
{{- $names = append $names (regexReplaceAll "^[a-z]+://([^/?#]*@)?([^/?#]*).*$" .entry.location "${2}") -}}
{{- end -}}
{{- end -}}
{{- range include "rollcage.granted.servers" . | fromYamlArray -}}
{{- if not (or (regexMatch "^[0-9.]+(/[0-9]+)?:[^:]*$" .) (hasPrefix "[" .)) -}}
{{- $names = append $names . -}}
{{- end -}}
{{- end -}}
{{- $outside := list -}}
{{- range $names | uniq -}}
{{- if not (regexMatch "^(localhost|[^.:]+|.*\\.svc|.*\\.cluster\\.local)(:[^:]*)?$" .) -}}
{{- $outside = append $outside . -}}
{{- end -}}
{{- end -}}
{{- toYaml $outside -}}
{{- end -}}
