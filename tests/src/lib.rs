//! Whole-system tests, named by feature.
