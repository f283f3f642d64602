//! `rollcage shim`.

use std::path::PathBuf;

use rollcage_controller::shim::{self, EntryFrom, ShimOptions};
use rollcage_goplugin::server::{Invitation, NotInvited};
use rollcage_harness::CommandError;

use crate::{
    args::{NativeArgs, ShimArgs},
    output::note,
};

pub async fn run(args: ShimArgs, cache_dir: Option<PathBuf>) -> Result<(), CommandError> {
    let invitation = match Invitation::from_environment() {
        Ok(invitation) => invitation,
        Err(not_invited) => return Err(by_hand(not_invited)),
    };
    let options = ShimOptions {
        entry: match args.entry {
            Some(file) => EntryFrom::File(file),
            None if args.entry_from_configmap => EntryFrom::ConfigMaps,
            None => EntryFrom::Nowhere,
        },
        name: args.name,
    };
    let open = || match super::workbench(cache_dir, &NativeArgs::default()) {
        Ok(workbench) => Ok(move |host| workbench.serving_registry(host)),
        Err(error) => Err(error.to_string()),
    };
    match shim::run(invitation, options, open).await {
        Ok(ended) => {
            tracing::info!(?ended, "the shim ends");
            Ok(())
        }
        Err(error) => {
            // Where the stock controller shows it.
            tracing::error!(%error, "the shim cannot listen");
            Err(CommandError::Reported)
        }
    }
}

/// go-plugin's words, and what to do.
fn by_hand(not_invited: NotInvited) -> CommandError {
    note(&not_invited.to_string());
    note("`rollcage shim` is for an entry of the ConfigMap argo-rollouts-config: see `rollcage shim --help`");
    CommandError::Reported
}
