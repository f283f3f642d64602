//! An in-process Kubernetes API with a virtual clock
