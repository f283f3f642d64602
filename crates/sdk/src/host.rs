//! The host's functions: the contract's imports inside a component, [`crate::testing`] under `cargo test`.

#[cfg(target_arch = "wasm32")]
mod imports {
    use crate::bindings::{imports::rollcage::plugin, wasi::wasi as interfaces};

    pub(crate) use plugin::{
        evaluate::{assess, condition, time as evaluate_time},
        http::send as http_send,
        kubernetes::{
            apply as kubernetes_apply, delete as kubernetes_delete, get as kubernetes_get, list as kubernetes_list,
            patch as kubernetes_patch,
        },
        log::write as log_write,
        secrets::get as secret_get,
        subject::object as subject_object,
    };

    /// Seconds and nanoseconds since the epoch.
    pub(crate) fn now() -> (u64, u32) {
        let now = interfaces::clocks::wall_clock::now();
        (now.seconds, now.nanoseconds)
    }

    pub(crate) fn environment() -> Vec<(String, String)> {
        interfaces::cli::environment::get_environment()
    }

    /// A panic ends the component with a bare trap; its text goes to the log first.
    pub(crate) fn log_panics() {
        std::panic::set_hook(Box::new(|panic| {
            log_write(plugin::log::Level::Error, &panic.to_string())
        }));
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod imports {
    pub(crate) use crate::testing::imports::*;

    /// The test's own panic hook is the right one.
    pub(crate) fn log_panics() {}
}

pub(crate) use imports::*;
