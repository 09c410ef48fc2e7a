"""A node that runs pods, in namespaces of this machine: containerd, kubelet, kube-proxy and CoreDNS."""
