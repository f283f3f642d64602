//! The three ports over a native plugin: Argo's methods, their arguments inside interfaces, what their answers mean.
//!
//! Texts are the plugin's own. What Argo writes in front of them (`failed to run via plugin: `) is added where objects are
//! decided on, the same for every runtime.

mod metric;
mod router;
mod sent;
mod step;

use rollcage_api::plugin::PluginKind;
use rollcage_core::{CallError, PluginError, PluginErrorKind, secret::Masker};
use rollcage_gob::wire;

pub use self::{metric::NativeMetricProvider, router::NativeTrafficRouter, step::NativeStep};
use crate::error::said;

/// The name under which a plugin of this kind is dispensed.
pub(crate) fn service_name(kind: PluginKind) -> &'static str {
    match kind {
        PluginKind::MetricProvider => "RpcMetricProviderPlugin",
        PluginKind::TrafficRouter => "RpcTrafficRouterPlugin",
        PluginKind::Step => "RpcStepPlugin",
    }
}

/// A plugin's own error, if it is one. Go plugins have nothing but a text.
fn refused(error: &wire::RpcError, masker: &Masker) -> Result<(), CallError> {
    if error.error_string.is_empty() {
        return Ok(());
    }
    Err(CallError::Plugin(PluginError {
        kind: PluginErrorKind::Internal,
        // Masked before it is cut: half a secret is one, too.
        message: said(masker.mask(&error.error_string).into_owned()),
        retry_after: None,
    }))
}
