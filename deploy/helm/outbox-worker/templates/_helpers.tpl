{{- define "outbox-worker.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 30 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 30 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The values of a database: what stands at the top, with its own merged over it.
     Call with a dict of root and name; gives JSON. */}}
{{- define "outbox-worker.database" -}}
{{- $top := pick .root.Values "kafka" "settings" "workers" "migrate" "purge" | deepCopy -}}
{{- $own := index .root.Values.databases .name | deepCopy -}}
{{- $merged := mustMergeOverwrite $top $own -}}
{{- $fullname := printf "%s-%s" (include "outbox-worker.fullname" .root) .name -}}
{{- $others := dict -}}
{{- range $name, $of := .root.Values.databases -}}
{{- $group := dig "settings" "group" ($.root.Values.settings.group | default "") $of | toString -}}
{{- if and $group (hasKey $others $group) -}}
{{- fail (printf "settings.group: %s and %s have the same; each database needs a group of its own" (get $others $group) $name) -}}
{{- end -}}
{{- $_ := set $others $group $name -}}
{{- end -}}
{{- range $set, $of := $merged.workers -}}
{{- if ne $set "all" -}}
{{- $base := omit $merged.workers.all "enabled" "role" | deepCopy -}}
{{- $full := mustMergeOverwrite $base (dict "enabled" true) $of -}}
{{- if not $full.role -}}
{{- fail (printf "workers.%s.role: is missing; it is relay or commands" $set) -}}
{{- end -}}
{{- $_ := set $merged.workers $set $full -}}
{{- end -}}
{{- $scale := (index $merged.workers $set).autoscaling -}}
{{- if gt (int64 $scale.minReplicas) (int64 $scale.maxReplicas) -}}
{{- fail (printf "workers.%s.autoscaling.minReplicas: is above maxReplicas" $set) -}}
{{- end -}}
{{- end -}}
{{- $_ := set $merged "fullname" $fullname -}}
{{- $_ := set $merged "name" .name -}}
{{- mustToJson $merged -}}
{{- end -}}

{{- define "outbox-worker.selector" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- with .database }}
outbox-worker/database: {{ . }}
{{- end }}
{{- with .set }}
outbox-worker/workers: {{ . }}
{{- end }}
{{- end -}}

{{- define "outbox-worker.labels" -}}
{{ include "outbox-worker.selector" . }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{- define "outbox-worker.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository (default .Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}

{{/* What a pod has around its container. Call with a dict of root. */}}
{{- define "outbox-worker.pod" -}}
serviceAccountName: {{ .root.Values.serviceAccountName }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .root.Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* What every container has. Call with a dict of root, database, secret, of (what is its own) and
     publishes: whether it has to do with Kafka, and serves HTTP. */}}
{{- define "outbox-worker.container" -}}
image: {{ include "outbox-worker.image" .root | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
env:
  - name: OUTBOX_DATABASE_URL
    valueFrom:
      secretKeyRef: {{- toYaml .secret | nindent 8 }}
  {{- if .publishes }}
  - name: OUTBOX_KAFKA_BOOTSTRAP_SERVERS
    value: {{ required "kafka.bootstrapServers: is missing" .database.kafka.bootstrapServers | quote }}
  {{- if .database.kafka.propertiesSecret.name }}
  - name: OUTBOX_KAFKA_PROPERTIES
    value: /etc/outbox-worker/{{ .database.kafka.propertiesSecret.key }}
  {{- end }}
  {{- end }}
  - name: OUTBOX_HTTP_ADDRESS
    value: {{ ternary (printf "%s:9464" .root.Values.listenHost) "" .publishes | quote }}
  {{- if not .database.settings.group }}
  - name: OUTBOX_GROUP
    value: {{ .root.Release.Namespace }}.{{ .database.fullname }}
  {{- end }}
  {{- range $name, $value := .database.settings }}
  - name: OUTBOX_{{ upper $name }}
    value: {{ ternary (int64 $value) $value (kindIs "float64" $value) | quote }}
  {{- end }}
  {{- with .root.Values.env }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
resources: {{- toYaml .of.resources | nindent 2 }}
{{- if or (and .publishes .database.kafka.propertiesSecret.name) .root.Values.volumeMounts }}
volumeMounts:
  {{- if and .publishes .database.kafka.propertiesSecret.name }}
  - name: kafka-properties
    mountPath: /etc/outbox-worker
    readOnly: true
  {{- end }}
  {{- with .root.Values.volumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "outbox-worker.volumes" -}}
{{- if or (and .publishes .database.kafka.propertiesSecret.name) .root.Values.volumes }}
volumes:
  {{- if and .publishes .database.kafka.propertiesSecret.name }}
  - name: kafka-properties
    secret:
      secretName: {{ .database.kafka.propertiesSecret.name }}
      defaultMode: 0440
  {{- end }}
  {{- with .root.Values.volumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end -}}
