//go:build tools

// Package tools names the programs of a real Kubernetes control plane that the end-to-end suites run against, so that `go mod tidy`
// keeps them and `build` can build them.
package tools

import (
	_ "go.etcd.io/etcd/server/v3"
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kube-controller-manager"
)
