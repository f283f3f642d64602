//! The codec against Go's own `encoding/gob` with Argo's own types, and against bytes that nobody meant.

mod bytes;
mod differential;
#[path = "../../../../tests/src/oracle.rs"]
mod oracle;
mod schema;
mod values;
