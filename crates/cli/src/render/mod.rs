//! Results as text for people. Colours are stripped where the output is no terminal.

pub mod dev;
pub mod migrate;
pub mod plugin;
pub mod plugins;
mod style;
mod table;
pub mod test;

pub use table::clip;
