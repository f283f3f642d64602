//! Generated from the contract. Interfaces are generated once, by the world `imports`; the worlds of the three kinds add
//! their exported interface and share everything else, so that a plugin of any kind sees the same types.

#![allow(missing_docs, reason = "wit-bindgen's own modules and macros carry none")]
#![allow(clippy::pedantic, reason = "generated code")]

/// What plugins import.
pub mod imports {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "imports",
        additional_derives: [PartialEq],
        generate_unused_types: true,
        generate_all,
    });
}

/// What metric providers export.
pub mod metric_provider {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "metric-provider",
        additional_derives: [PartialEq],
        pub_export_macro: true,
        export_macro_name: "export_metrics",
        default_bindings_module: "rollcage_sdk::bindings::metric_provider",
        with: {
            "rollcage:plugin/types@0.1.0": super::imports::rollcage::plugin::types,
            "rollcage:plugin/log@0.1.0": super::imports::rollcage::plugin::log,
            "rollcage:plugin/subject@0.1.0": super::imports::rollcage::plugin::subject,
            "rollcage:plugin/evaluate@0.1.0": super::imports::rollcage::plugin::evaluate,
            "rollcage:plugin/http@0.1.0": super::imports::rollcage::plugin::http,
            "rollcage:plugin/kubernetes@0.1.0": super::imports::rollcage::plugin::kubernetes,
            "rollcage:plugin/secrets@0.1.0": super::imports::rollcage::plugin::secrets,
        },
    });
}

/// What traffic routers export.
pub mod traffic_router {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "traffic-router",
        additional_derives: [PartialEq],
        pub_export_macro: true,
        export_macro_name: "export_routing",
        default_bindings_module: "rollcage_sdk::bindings::traffic_router",
        with: {
            "rollcage:plugin/types@0.1.0": super::imports::rollcage::plugin::types,
            "rollcage:plugin/log@0.1.0": super::imports::rollcage::plugin::log,
            "rollcage:plugin/subject@0.1.0": super::imports::rollcage::plugin::subject,
            "rollcage:plugin/evaluate@0.1.0": super::imports::rollcage::plugin::evaluate,
            "rollcage:plugin/http@0.1.0": super::imports::rollcage::plugin::http,
            "rollcage:plugin/kubernetes@0.1.0": super::imports::rollcage::plugin::kubernetes,
            "rollcage:plugin/secrets@0.1.0": super::imports::rollcage::plugin::secrets,
        },
    });
}

/// What steps export.
pub mod step {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "step",
        additional_derives: [PartialEq],
        pub_export_macro: true,
        export_macro_name: "export_stepping",
        default_bindings_module: "rollcage_sdk::bindings::step",
        with: {
            "rollcage:plugin/types@0.1.0": super::imports::rollcage::plugin::types,
            "rollcage:plugin/log@0.1.0": super::imports::rollcage::plugin::log,
            "rollcage:plugin/subject@0.1.0": super::imports::rollcage::plugin::subject,
            "rollcage:plugin/evaluate@0.1.0": super::imports::rollcage::plugin::evaluate,
            "rollcage:plugin/http@0.1.0": super::imports::rollcage::plugin::http,
            "rollcage:plugin/kubernetes@0.1.0": super::imports::rollcage::plugin::kubernetes,
            "rollcage:plugin/secrets@0.1.0": super::imports::rollcage::plugin::secrets,
        },
    });
}

/// The two WASI interfaces that the SDK itself offers. A plugin imports them only when it uses [`crate::time`] or
/// [`crate::env`].
pub mod wasi {
    wit_bindgen::generate!({
        inline: "
            package rollcage:sdk-wasi;
            world wasi {
                import wasi:clocks/wall-clock@0.2.0;
                import wasi:cli/environment@0.2.0;
            }
            package wasi:clocks@0.2.0 {
                interface wall-clock {
                    record datetime { seconds: u64, nanoseconds: u32 }
                    now: func() -> datetime;
                    resolution: func() -> datetime;
                }
            }
            package wasi:cli@0.2.0 {
                interface environment {
                    get-environment: func() -> list<tuple<string, string>>;
                    get-arguments: func() -> list<string>;
                    initial-cwd: func() -> option<string>;
                }
            }
        ",
        generate_all,
    });
}
