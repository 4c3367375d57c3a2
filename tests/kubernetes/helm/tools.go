//go:build tools

// Package tools names Helm, so that `go mod tidy` keeps it and `build` can build it.
package tools

import _ "helm.sh/helm/v3/cmd/helm"
