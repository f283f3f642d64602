//! Interfaces: in parts, and in each other.

use serde_json::{Value as Json, json};

use super::{
    bytes, fixed,
    golden::{ERRORS, NESTED},
    one,
};
use crate::{Decoder, schema::leak, types, wire};

fn errors(stream: &str) -> Vec<String> {
    let stream = bytes(stream);
    let mut rest = stream.as_slice();
    let mut decoder = Decoder::default();
    let mut texts = Vec::new();
    while let Some(value) = decoder.next(&mut rest).unwrap() {
        assert_eq!(value.interface(), Some("RpcError"));
        let error: wire::RpcError = value.decode(types::TYPES_RPC_ERROR).unwrap();
        texts.push(error.error_string);
    }
    texts
}

#[test]
fn g05_an_interface_in_parts() {
    assert_eq!(errors(ERRORS), ["e", "e"]);
    // A wrong length means nothing.
    assert_eq!(errors(&ERRORS.replace("ff 80 04 01", "ff 80 7f 01")), ["e", "e"]);
    // Its name and type, types that it is not made of, the value: as many messages as Argo's first SetWeight has.
    for parts in [2, 3, 245] {
        let mut stream = bytes(&fixed(
            "00 10 00 01 \"S\" 7f 03 01 01 01 \"S\" 01 ff 80 00 01 01 01 01 \"X\" 01 0c 00 00 00",
        ));
        for id in 65..63 + parts {
            let mut definition = Vec::new();
            crate::put::int(&mut definition, -id);
            definition.extend(bytes("03 01 02 04 00 00 00"));
            crate::put::bytes(&mut stream, &definition);
        }
        crate::put::bytes(&mut stream, &bytes("ff 80 05 01 01 \"e\" 00"));
        let (mut rest, mut decoder, mut messages) = (stream.as_slice(), Decoder::default(), 0);
        while let Some(range) = crate::frame(rest, &crate::Limits::default()).unwrap() {
            messages += 1;
            let (message, after) = rest.split_at(range.end);
            rest = after;
            let value = decoder.message(&message[range]).unwrap();
            assert_eq!(value.is_some(), rest.is_empty());
            if let Some(value) = value {
                assert_eq!(value.interface(), Some("S"));
                assert_eq!(
                    value.decode::<Json>(leak::last("S { X:s }")).unwrap(),
                    json!({"x": "e"})
                );
            }
        }
        assert_eq!(messages, parts);
        assert!(decoder.at_rest());
    }
}

#[test]
fn g06_an_interface_in_an_interface() {
    let stream = bytes(NESTED);
    let (mut rest, mut decoder) = (stream.as_slice(), Decoder::default());
    let value = decoder.next(&mut rest).unwrap().unwrap();
    assert_eq!(value.interface(), Some("I"));
    // No field is known here; the type in between is read all the same, and stays.
    let error = value.decode::<Json>(leak::last("Other { X:s }")).unwrap_err();
    assert!(error.to_string().contains("no fields matched"), "{error}");
    assert!(!error.ends_stream());
    // In a field that nobody wants, with the type and its chunk's length in between; the field behind it is read.
    let split = fixed(
        "00 7f 03 01 01 01 53 01 ff 80 00 01 02 01 01 41 01 10 00 01 01 42 01 0c 00 00 00
         00 ff 80 01 08 \"RpcError\" ff 81 03 01 01 08 \"RpcError\" 01 ff 82 00 01 01 01 0b \"ErrorString\" 01 0c 00 00 00 08 ff 82 04 01 01 65 00 01 01 \"x\" 00
         00 ff 80 01 08 \"RpcError\" ff 82 04 01 01 65 00 01 01 \"y\" 00",
    );
    let read = super::all(leak::last("S { B:s }"), &split).unwrap();
    assert_eq!(read, [json!({"b": "x"}), json!({"b": "y"})]);
}

#[test]
fn g06_interfaces_that_nobody_asked_for() {
    // struct { A any; B string } with A = RpcError{"e"} in an interface, then nil, then B.
    let of = leak::last("S { B:s }");
    let definitions = "00 7f 03 01 01 01 53 01 ff 80 00 01 02 01 01 41 01 10 00 01 01 42 01 0c 00 00 00
        00 ff 81 03 01 01 08 \"RpcError\" 01 ff 82 00 01 01 01 0b \"ErrorString\" 01 0c 00 00 00";
    for value in [
        "00 ff 80 01 08 \"RpcError\" ff 82 04 01 01 65 00 01 01 78 00",
        "00 ff 80 01 00 01 01 78 00",
        // The type is defined in between, as inside another interface.
        "00 ff 80 01 01 45 ff 83 03 01 02 ff 84 00 00 00 04 ff 84 01 00 01 01 78 00",
    ] {
        let stream = fixed(&format!("{definitions}\n{value}"));
        assert_eq!(one(of, &stream).unwrap(), json!({"b": "x"}), "{value}");
    }
    let split = fixed(&format!(
        "{definitions}\n00 ff 80 01 01 45 ff 83 03 01 02 ff 84 00 00 00"
    ));
    assert!(one(of, &split).unwrap_err().ends_stream());
}
