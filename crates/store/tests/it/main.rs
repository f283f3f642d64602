//! The store against real servers, real folders and real crashes.
#![cfg(test)]

mod cache;
mod crash;
mod disk_full;
mod flights;
mod http;
mod https;
mod support;
