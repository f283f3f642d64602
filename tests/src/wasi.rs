//! The parts of WASI that hand-made components import.

use rollcage_wat_guest::Guest;

const IO: &str = "package wasi:io@0.2.3;
interface error { resource error; }
interface poll { resource pollable { block: func(); } }
interface streams {
    use error.{error};
    variant stream-error { last-operation-failed(error), closed }
    resource output-stream { blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>; }
}";

const CLOCKS: &str = "package wasi:clocks@0.2.3;
interface monotonic-clock {
    use wasi:io/poll@0.2.3.{pollable};
    subscribe-duration: func(when: u64) -> pollable;
}";

const HTTP: &str = "package wasi:http@0.2.3;
interface types {
    use wasi:io/poll@0.2.3.{pollable};
    variant scheme { HTTP, HTTPS, other(string) }
    record DNS-error-payload { rcode: option<string>, info-code: option<u16> }
    record TLS-alert-received-payload { alert-id: option<u8>, alert-message: option<string> }
    record field-size-payload { field-name: option<string>, field-size: option<u32> }
    variant error-code {
        DNS-timeout, DNS-error(DNS-error-payload), destination-not-found, destination-unavailable,
        destination-IP-prohibited, destination-IP-unroutable, connection-refused, connection-terminated,
        connection-timeout, connection-read-timeout, connection-write-timeout, connection-limit-reached,
        TLS-protocol-error, TLS-certificate-error, TLS-alert-received(TLS-alert-received-payload),
        HTTP-request-denied, HTTP-request-length-required, HTTP-request-body-size(option<u64>),
        HTTP-request-method-invalid, HTTP-request-URI-invalid, HTTP-request-URI-too-long,
        HTTP-request-header-section-size(option<u32>), HTTP-request-header-size(option<field-size-payload>),
        HTTP-request-trailer-section-size(option<u32>), HTTP-request-trailer-size(field-size-payload),
        HTTP-response-incomplete, HTTP-response-header-section-size(option<u32>),
        HTTP-response-header-size(field-size-payload), HTTP-response-body-size(option<u64>),
        HTTP-response-trailer-section-size(option<u32>), HTTP-response-trailer-size(field-size-payload),
        HTTP-response-transfer-coding(option<string>), HTTP-response-content-coding(option<string>),
        HTTP-response-timeout, HTTP-upgrade-failed, HTTP-protocol-error, loop-detected, configuration-error,
        internal-error(option<string>),
    }
    resource fields { constructor(); }
    resource outgoing-request {
        constructor(headers: fields);
        set-scheme: func(scheme: option<scheme>) -> result;
        set-authority: func(authority: option<string>) -> result;
        set-path-with-query: func(path-with-query: option<string>) -> result;
    }
    resource request-options;
    resource incoming-response { status: func() -> u16; }
    resource future-incoming-response {
        subscribe: func() -> pollable;
        get: func() -> option<result<result<incoming-response, error-code>>>;
    }
}
interface outgoing-handler {
    use types.{outgoing-request, request-options, future-incoming-response, error-code};
    handle: func(request: outgoing-request, options: option<request-options>)
        -> result<future-incoming-response, error-code>;
}";

/// `$subscribe` (nanoseconds), `$block`.
pub fn with_clock(guest: Guest) -> Guest {
    guest
        .package(IO, "wasi:io/poll@0.2.3")
        .package(CLOCKS, "wasi:clocks/monotonic-clock@0.2.3")
        .import(r#"(import "wasi:clocks/monotonic-clock@0.2.3" "subscribe-duration" (func $subscribe (param i64) (result i32)))"#)
        .import(r#"(import "wasi:io/poll@0.2.3" "[method]pollable.block" (func $block (param i32)))"#)
}

/// `$exit`: 0 is well, 1 is badly.
pub fn with_exit(guest: Guest) -> Guest {
    guest
        .package(
            "package wasi:cli@0.2.3; interface exit { exit: func(status: result); }",
            "wasi:cli/exit@0.2.3",
        )
        .import(r#"(import "wasi:cli/exit@0.2.3" "exit" (func $exit (param i32)))"#)
}

/// `$environment`: writes a list of pairs at an address.
pub fn with_environment(guest: Guest) -> Guest {
    guest
        .package(
            "package wasi:cli@0.2.3; interface environment { get-environment: func() -> list<tuple<string, string>>; }",
            "wasi:cli/environment@0.2.3",
        )
        .import(r#"(import "wasi:cli/environment@0.2.3" "get-environment" (func $environment (param i32)))"#)
}

/// `$stdout`, `$write` (stream, pointer, length, where the result goes).
pub fn with_stdout(guest: Guest) -> Guest {
    guest
        .package(IO, "wasi:io/streams@0.2.3")
        .package(
            "package wasi:cli@0.2.3; interface stdout { use wasi:io/streams@0.2.3.{output-stream}; get-stdout: func() -> output-stream; }",
            "wasi:cli/stdout@0.2.3",
        )
        .import(r#"(import "wasi:cli/stdout@0.2.3" "get-stdout" (func $stdout (result i32)))"#)
        .import(
            r#"(import "wasi:io/streams@0.2.3" "[method]output-stream.blocking-write-and-flush"
               (func $write (param i32 i32 i32 i32)))"#,
        )
}

/// `$folders`: writes a list of opened folders at an address.
pub fn with_folders(guest: Guest) -> Guest {
    guest
        .package(
            "package wasi:filesystem@0.2.3; interface types { resource descriptor; }
             interface preopens { use types.{descriptor}; get-directories: func() -> list<tuple<descriptor, string>>; }",
            "wasi:filesystem/preopens@0.2.3",
        )
        .import(r#"(import "wasi:filesystem/preopens@0.2.3" "get-directories" (func $folders (param i32)))"#)
}

/// `$network`, `$resolve` (network, pointer, length, where the result goes).
pub fn with_sockets(guest: Guest) -> Guest {
    guest
        .package(
            "package wasi:sockets@0.2.3;
             interface network {
                 resource network;
                 enum error-code {
                     unknown, access-denied, not-supported, invalid-argument, out-of-memory, timeout,
                     concurrency-conflict, not-in-progress, would-block, invalid-state, new-socket-limit,
                     address-not-bindable, address-in-use, remote-unreachable, connection-refused, connection-reset,
                     connection-aborted, datagram-too-large, name-unresolvable, temporary-resolver-failure,
                     permanent-resolver-failure,
                 }
             }
             interface instance-network { use network.{network}; instance-network: func() -> network; }
             interface ip-name-lookup {
                 use network.{network, error-code};
                 resource resolve-address-stream;
                 resolve-addresses: func(network: borrow<network>, name: string)
                     -> result<resolve-address-stream, error-code>;
             }",
            "wasi:sockets/ip-name-lookup@0.2.3",
        )
        .world_import("wasi:sockets/instance-network@0.2.3")
        .import(r#"(import "wasi:sockets/instance-network@0.2.3" "instance-network" (func $network (result i32)))"#)
        .import(
            r#"(import "wasi:sockets/ip-name-lookup@0.2.3" "resolve-addresses" (func $resolve (param i32 i32 i32 i32)))"#,
        )
}

/// `$ask` (pointer and length of an authority, then of a path): sends a GET over plain HTTP. Answers 0 with the status
/// when there was an answer, else 1 with the number of the error code.
pub fn with_http(guest: Guest) -> Guest {
    let types = "wasi:http/types@0.2.3";
    let import = |name: &str, rest: &str| format!("(import \"{types}\" \"{name}\" {rest})");
    guest
        .package(IO, "wasi:io/poll@0.2.3")
        .package(HTTP, types)
        .world_import("wasi:http/outgoing-handler@0.2.3")
        .import(r#"(import "wasi:io/poll@0.2.3" "[method]pollable.block" (func $block_on (param i32)))"#)
        .import(&import("[constructor]fields", "(func $fields (result i32))"))
        .import(&import(
            "[constructor]outgoing-request",
            "(func $request (param i32) (result i32))",
        ))
        .import(&import(
            "[method]outgoing-request.set-scheme",
            "(func $scheme (param i32 i32 i32 i32 i32) (result i32))",
        ))
        .import(&import(
            "[method]outgoing-request.set-authority",
            "(func $authority (param i32 i32 i32 i32) (result i32))",
        ))
        .import(&import(
            "[method]outgoing-request.set-path-with-query",
            "(func $path (param i32 i32 i32 i32) (result i32))",
        ))
        .import(&import(
            "[method]incoming-response.status",
            "(func $status (param i32) (result i32))",
        ))
        .import(&import(
            "[method]future-incoming-response.subscribe",
            "(func $answered (param i32) (result i32))",
        ))
        .import(&import(
            "[method]future-incoming-response.get",
            "(func $answer (param i32 i32))",
        ))
        .import(r#"(import "wasi:http/outgoing-handler@0.2.3" "handle" (func $handle (param i32 i32 i32 i32)))"#)
        .item(
            "(func $ask (param $host i32) (param $host_length i32) (param $to i32) (param $to_length i32)
                   (result i32 i32)
               (local $request i32) (local $future i32)
               (local.set $request (call $request (call $fields)))
               (drop (call $scheme (local.get $request) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0)))
               (if (call $authority (local.get $request) (i32.const 1) (local.get $host) (local.get $host_length))
                 (then (return (i32.const 1) (i32.const 19))))
               (drop (call $path (local.get $request) (i32.const 1) (local.get $to) (local.get $to_length)))
               (call $handle (local.get $request) (i32.const 0) (i32.const 0) (i32.const 12288))
               (if (i32.load8_u (i32.const 12288))
                 (then (return (i32.const 1) (i32.load8_u (i32.const 12296)))))
               (local.set $future (i32.load (i32.const 12296)))
               (call $block_on (call $answered (local.get $future)))
               (call $answer (local.get $future) (i32.const 12288))
               (if (i32.load8_u (i32.const 12304))
                 (then (return (i32.const 1) (i32.load8_u (i32.const 12312)))))
               (return (i32.const 0) (call $status (i32.load (i32.const 12312)))))",
        )
}

/// The contract's `http` as `$send` (method, address, headers, body: pointer and length each; time-out; skip-tls-verify;
/// where the result goes), and `$get` (pointer and length of an address; the result goes to 8192).
pub fn with_contract_http(guest: Guest) -> Guest {
    guest
        .import(
            r#"(import "rollcage:plugin/http@0.1.0" "send"
               (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))"#,
        )
        .item(
            "(func $get (param i32 i32)
               (call $send (i32.const 0) (i32.const 0) (local.get 0) (local.get 1) (i32.const 0) (i32.const 0)
                 (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 8192)))",
        )
}

/// Pointer and length of the metric's configuration, which is a JSON text, without its quotation marks.
pub const CONFIG_TEXT: &str = "(i32.add (i32.load offset=100 (local.get 0)) (i32.const 1))
    (i32.sub (i32.load offset=104 (local.get 0)) (i32.const 2))";
