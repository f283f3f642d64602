//! What is left when a host is killed at any moment, or its disk is full.

mod disk;
mod killed;
mod origin;
