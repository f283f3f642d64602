//! On a real control plane: etcd, kube-apiserver and kube-controller-manager, with TLS and RBAC on.

mod plane;
