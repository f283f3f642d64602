//! Who wrote what, and when, as the API server's audit log has it.

use jiff::Timestamp;
use rollcage_tests::controlplane::{Account, ControlPlane};
use serde_json::Value;

/// A write that the API server accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// When the request came in.
    pub at: Timestamp,
    /// The account's name.
    pub by: String,
    /// Kind of the object, as in addresses.
    pub resource: String,
    /// Its name.
    pub name: String,
}

/// All writes of these accounts to this resource that were accepted, in their order.
pub fn accepted(plane: &ControlPlane, accounts: &[&Account], resource: &str) -> Vec<Write> {
    let mut writes: Vec<Write> = plane
        .audit()
        .iter()
        .filter_map(|entry| {
            let account = accounts
                .iter()
                .find(|account| entry["user"]["username"] == account.user.as_str())?;
            let is_write = !matches!(entry["verb"].as_str()?, "get" | "list" | "watch");
            let is_accepted = entry["responseStatus"]["code"].as_u64()? < 300;
            let is_of = entry["objectRef"]["resource"] == resource;
            (is_write && is_accepted && is_of).then(|| Write {
                at: at(entry),
                by: account.name.clone(),
                resource: resource.to_owned(),
                name: entry["objectRef"]["name"].as_str().unwrap_or_default().to_owned(),
            })
        })
        .collect();
    writes.sort_by_key(|write| write.at);
    writes
}

fn at(entry: &Value) -> Timestamp {
    entry["requestReceivedTimestamp"].as_str().unwrap().parse().unwrap()
}

/// Who wrote, one after the other, without repetitions.
pub fn turns(writes: &[Write]) -> Vec<&str> {
    let mut turns: Vec<&str> = writes.iter().map(|write| write.by.as_str()).collect();
    turns.dedup();
    turns
}
