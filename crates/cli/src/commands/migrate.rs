//! `rollcage migrate`.

use rollcage_harness::{
    CommandError,
    migrate::{MigrateOptions, migrate},
    workbench::Workbench,
};

use crate::{args::MigrateArgs, output::Out, render};

pub async fn run(args: MigrateArgs, workbench: &Workbench, out: Out) -> Result<(), CommandError> {
    let options = MigrateOptions {
        cluster: args.cluster,
        file: args.file,
        namespace: args.namespace,
        instance_id: args.instance_id,
        rights: args.rbac,
        account: args.service_account,
        offline: args.offline,
    };
    let report = migrate(workbench, &options).await?;
    out.result(&report, || render::migrate::report(&report));
    if report.ok { Ok(()) } else { Err(CommandError::Reported) }
}
