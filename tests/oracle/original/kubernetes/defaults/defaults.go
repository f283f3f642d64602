// Package defaults stands for Kubernetes' defaults of pod templates: what is given here has them already.
package defaults

import corev1 "k8s.io/api/core/v1"

// SetObjectDefaults_PodTemplate has nothing left to fill in.
func SetObjectDefaults_PodTemplate(_ *corev1.PodTemplate) {}
