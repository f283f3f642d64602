//! The contract as Rust types, generated from `/wit`.
//!
//! Only the types are used: exports are looked up by `contract`, because a fresh instance then checks the
//! one function that it calls instead of all of them; imports are defined by `imports`, which needs the store.

wasmtime::component::bindgen!({
    inline: "
        package rollcage:host;

        world every-kind {
            include rollcage:plugin/imports@0.1.0;
            export rollcage:plugin/metrics@0.1.0;
            export rollcage:plugin/routing@0.1.0;
            export rollcage:plugin/stepping@0.1.0;
        }
    ",
    path: "../../wit",
    additional_derives: [Clone],
});
