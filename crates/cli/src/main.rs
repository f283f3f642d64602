//! rollcage
fn main() {}
