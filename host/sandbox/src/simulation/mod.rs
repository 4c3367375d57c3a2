//! What a member cluster does by itself: schedule pods, run them, and keep workloads at their replicas.
//!
//! Each controller is a pure function of what it sees (`fn reconcile(…) -> Vec<Action>`) and one shell that watches and writes through a
//! `kube::Client`, so that the kubelet and scheduler drive real API servers too.
