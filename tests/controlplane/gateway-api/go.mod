// Nothing is compiled out of this: `go mod tidy` would leave nothing of it.
module rollcage.dev/tests/controlplane/gateway-api

go 1.26

require sigs.k8s.io/gateway-api v1.4.1
