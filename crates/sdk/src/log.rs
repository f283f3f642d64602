//! The plugin's log: [`crate::debug!`], [`crate::info!`], [`crate::warn!`], [`crate::error!`], in the manner of
//! `format!`.

pub use crate::bindings::imports::rollcage::plugin::log::Level;
use crate::host;

/// Writes one line.
pub fn write(level: Level, message: &str) {
    host::log_write(level, message);
}

/// Logs for authors.
#[macro_export]
macro_rules! debug {
    ($($message:tt)*) => { $crate::log::write($crate::log::Level::Debug, &format!($($message)*)) };
}

/// Logs for operators.
#[macro_export]
macro_rules! info {
    ($($message:tt)*) => { $crate::log::write($crate::log::Level::Info, &format!($($message)*)) };
}

/// Logs that something is odd.
#[macro_export]
macro_rules! warn {
    ($($message:tt)*) => { $crate::log::write($crate::log::Level::Warn, &format!($($message)*)) };
}

/// Logs that something failed.
#[macro_export]
macro_rules! error {
    ($($message:tt)*) => { $crate::log::write($crate::log::Level::Error, &format!($($message)*)) };
}
