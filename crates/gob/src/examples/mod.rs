//! Bytes that Go 1.27 has written, as tests: named after the cases of the conformance list.

mod calls;
mod hostile;

use std::fmt::Write;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::{DecodeError, Decoder, Encoder, Limits, Type, schema::Kind, schema::leak, types, wire};

/// Bytes as people write them: hexadecimal digits, and texts in quotes.
fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (at, part) in text.split('"').enumerate() {
        if at % 2 == 1 {
            bytes.extend_from_slice(part.as_bytes());
            continue;
        }
        for byte in part.split_whitespace() {
            match byte.split_once('*') {
                Some((byte, times)) => {
                    let byte = u8::from_str_radix(byte, 16).unwrap();
                    bytes.extend(std::iter::repeat_n(byte, times.parse().unwrap()));
                }
                None => bytes.push(u8::from_str_radix(byte, 16).unwrap()),
            }
        }
    }
    bytes
}

/// The values of a stream, each as JSON.
fn all(of: Type, stream: &str) -> Result<Vec<Json>, DecodeError> {
    let stream = bytes(stream);
    let mut rest = stream.as_slice();
    let mut decoder = Decoder::new(Limits::default());
    let mut values = Vec::new();
    while let Some(value) = decoder.next(&mut rest)? {
        values.push(value.decode(of)?);
    }
    if !rest.is_empty() || !decoder.at_rest() {
        return Err(DecodeError::stream("unexpected EOF"));
    }
    Ok(values)
}

fn one(of: Type, stream: &str) -> Result<Json, DecodeError> {
    Ok(all(of, stream)?.pop().unwrap())
}

fn written(of: Type, values: &[Json]) -> Vec<u8> {
    let (mut encoder, mut stream) = (Encoder::new(), Vec::new());
    for value in values {
        encoder.value(of, value, &mut stream).unwrap();
    }
    stream
}

fn refused(of: Type, stream: &str) -> String {
    one(of, stream).expect_err(stream).to_string()
}

const INT: Type = Type(Kind::Int(64));
const UINT: Type = Type(Kind::Uint(64));
const FLOAT: Type = Type(Kind::Float);

#[test]
fn g01_scalars() {
    for (of, value, stream) in [
        (INT, json!(7), "03 04 00 0e"),
        (INT, json!(-7), "03 04 00 0d"),
        (INT, json!(64), "04 04 00 ff 80"),
        (INT, json!(-129), "05 04 00 fe 01 01"),
        (INT, json!(i64::MIN), "0b 04 00 f8 ff*8"),
        (UINT, json!(128), "04 06 00 ff 80"),
        (UINT, json!(256), "05 06 00 fe 01 00"),
        (UINT, json!(u64::MAX), "0b 06 00 f8 ff*8"),
        (FLOAT, json!(17.0), "05 08 00 fe 31 40"),
        (FLOAT, json!(-1.5), "05 08 00 fe f8 bf"),
        (types::STRING, json!("hello"), "08 0c 00 05 \"hello\""),
        (types::STRING, json!(""), "03 0c 00 00"),
        (types::BOOL, json!(true), "03 02 00 01"),
        (types::BOOL, json!(false), "03 02 00 00"),
    ] {
        assert_eq!(one(of, stream).unwrap(), value, "{stream}");
        assert_eq!(written(of, &[value]), bytes(stream), "{stream}");
    }
    // Longer than it needs to be.
    assert_eq!(one(INT, "04 04 00 ff 0e").unwrap(), 7);
    assert_eq!(one(types::STRING, "05 0c 00 ff 01 78").unwrap(), "x");
    assert_eq!(one(FLOAT, "08 08 00 fb a0 99 99 b9 3f").unwrap(), f64::from(0.1_f32));
}

#[test]
fn g10_extremes() {
    for value in [
        f64::MAX,
        f64::MIN_POSITIVE,
        -0.0,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
    ] {
        let (mut encoder, mut stream) = (Encoder::new(), Vec::new());
        encoder.value(FLOAT, &value, &mut stream).unwrap();
        let mut rest = stream.as_slice();
        let read: f64 = Decoder::default()
            .next(&mut rest)
            .unwrap()
            .unwrap()
            .decode(FLOAT)
            .unwrap();
        assert_eq!(read.to_bits(), value.to_bits());
    }
    let of = leak::last("F { A:f B:f C:i64 }");
    assert!(written(of, &[json!({"a": -0.0, "b": 1.5, "c": 0})]).ends_with(&bytes("ff 80 02 fe f8 3f 00")));
}

#[test]
fn g01_structs() {
    let of = leak::last("Point { X:i64 Y:i64 }");
    let definition = "1e 7f 03 01 01 05 \"Point\" 01 ff 80 00 01 02 01 01 58 01 04 00 01 01 59 01 04 00 00 00";
    let stream = format!("{definition} 07 ff 80 01 2c 01 42 00 05 ff 80 02 0a 00 03 ff 80 00");
    let values = [json!({"x": 22, "y": 33}), json!({"y": 5}), json!({})];
    assert_eq!(all(of, &stream).unwrap(), values);
    assert_eq!(written(of, &values), bytes(&stream));
    // Any order is put into Go's; zero and null are not sent.
    assert_eq!(
        written(of, &[json!({"y": 33, "z": 1, "x": 22})]),
        bytes(&format!("{definition} 07 ff 80 01 2c 01 42 00"))
    );
    assert_eq!(
        written(of, &[json!({"x": 0, "y": null})]),
        bytes(&format!("{definition} 03 ff 80 00"))
    );
}

#[test]
fn g01_nested() {
    let of = leak::last("Item { Name:s N:i32 }\nOuter { Title:s Items:[]Item Flag:b }");
    let stream =
        "30 7f 03 01 01 05 \"Outer\" 01 ff 80 00 01 03 01 05 \"Title\" 01 0c 00 01 05 \"Items\" 01 ff 84 00 01 04
        \"Flag\" 01 02 00 00 00
        1a ff 83 02 01 01 0b \"[]main.Item\" 01 ff 84 00 01 ff 82 00 00
        21 ff 81 03 01 01 04 \"Item\" 01 ff 82 00 01 02 01 04 \"Name\" 01 0c 00 01 01 \"N\" 01 04 00 00 00
        11 ff 80 01 01 74 01 02 01 01 61 01 02 00 00 01 01 00";
    let value = json!({"title": "t", "items": [{"name": "a", "n": 1}, {}], "flag": true});
    assert_eq!(one(of, stream).unwrap(), value);
    let ours = written(of, std::slice::from_ref(&value));
    // Our struct has another number; the value is the same.
    assert!(ours.ends_with(&bytes("01 01 74 01 02 01 01 61 01 02 00 00 01 01 00")));
    let mut rest = ours.as_slice();
    let again: Json = Decoder::default().next(&mut rest).unwrap().unwrap().decode(of).unwrap();
    assert_eq!(again, value);
}

#[test]
fn g01_maps_bytes_and_nameless_types() {
    let stream = "0d 7f 04 01 02 ff 80 00 01 0c 01 0c 00 00 08 ff 80 00 01 01 6b 01 76 04 ff 80 00 00";
    assert_eq!(all(types::STRINGS, stream).unwrap(), [json!({"k": "v"}), json!({})]);
    let json_map = match leak::last("M { P:{}B }").0 {
        Kind::Struct(shape) => Type(shape.fields[0].kind),
        _ => unreachable!(),
    };
    assert_eq!(
        one(
            json_map,
            "0e ff 89 04 01 02 ff 8a 00 01 0c 01 0a 00 00 09 ff 8a 00 01 01 \"p\" 02 \"{}\""
        )
        .unwrap(),
        json!({"p": {}})
    );
    let metadata: wire::Metadata = [("k".to_owned(), "v".to_owned())].into();
    let (mut encoder, mut ours) = (Encoder::new(), Vec::new());
    encoder.value(types::STRINGS, &metadata, &mut ours).unwrap();
    assert!(ours.ends_with(&bytes("00 01 01 6b 01 76")));
}

const TIMED: &str =
    "35 7f 03 01 01 01 4d 01 ff 80 00 01 03 01 05 \"Phase\" 01 0c 00 01 09 \"StartedAt\" 01 ff 82 00 01 08
    \"Metadata\" 01 ff 84 00 00 00
    0a ff 81 05 01 02 ff 86 00 00 00
    10 ff 87 05 01 01 04 \"Time\" 01 ff 88 00 00 00
    21 ff 83 04 01 01 11 \"map[string]string\" 01 ff 84 00 01 0c 01 0c 00 00";

#[test]
fn g03_the_messages_number_counts_and_g09_a_zero_time_is_present() {
    let of = leak::last("M { Phase:s StartedAt:*T Metadata:{}s }");
    let stream = format!("{TIMED} 19 ff 80 01 01 53 01 0f 01 00*3 0e dd 25 74 25 00*3 06 ff ff 01 00 00");
    let value = json!({"phase": "S", "startedAt": "2024-01-02T03:04:05.000000006Z", "metadata": {}});
    assert_eq!(one(of, &stream).unwrap(), value);
    let stream = format!("{TIMED} 14 ff 80 02 0f 01 00*12 ff ff 00");
    assert_eq!(one(of, &stream).unwrap(), json!({"startedAt": "0001-01-01T00:00:00Z"}));
    // Version 3, and a byte too few.
    assert!(refused(of, &format!("{TIMED} 14 ff 80 02 0f 03 00*12 ff ff 00")).starts_with("startedAt: Time."));
    assert!(refused(of, &format!("{TIMED} 13 ff 80 02 0e 01 00*12 ff 00")).ends_with("invalid length"));
    let ours = written(of, &[json!({"startedAt": "0001-01-01T00:00:00Z"})]);
    assert!(ours.ends_with(&bytes("02 0f 01 00*14 00")));
}

#[test]
fn g05_g06_interfaces_in_parts_and_in_each_other() {
    let rpc_error = |stream: &str| {
        let stream = bytes(stream);
        let mut rest = stream.as_slice();
        let mut decoder = Decoder::default();
        let mut texts = Vec::new();
        while let Some(value) = decoder.next(&mut rest).unwrap() {
            assert_eq!(value.interface(), Some("RpcError"));
            texts.push(
                value
                    .decode::<wire::RpcError>(types::TYPES_RPC_ERROR)
                    .unwrap()
                    .error_string,
            );
        }
        texts
    };
    let stream =
        "30 10 00 08 \"RpcError\" 7f 03 01 01 08 \"RpcError\" 01 ff 80 00 01 01 01 0b \"ErrorString\" 01 0c 00 00 00
        07 ff 80 04 01 01 65 00
        12 10 00 08 \"RpcError\" ff 80 04 01 01 65 00";
    assert_eq!(rpc_error(stream), ["e", "e"]);
    // A wrong length means nothing.
    assert_eq!(rpc_error(&stream.replace("ff 80 04 01", "ff 80 7f 01")), ["e", "e"]);
    // Interface in an interface, in a field that nobody wants.
    let inner = "1c 10 00 01 49 7f 03 01 01 05 \"Inner\" 01 ff 80 00 01 01 01 01 56 01 10 00 00 00
        3c ff 80 30 01 08 \"RpcError\" ff 81 03 01 01 08 \"RpcError\" 01 ff 82 00 01 01 01 0b \"ErrorString\" 01 0c 00 00 00
        08 ff 82 04 01 01 65 00 00";
    let stream = bytes(inner);
    let mut rest = stream.as_slice();
    let mut decoder = Decoder::default();
    let value = decoder.next(&mut rest).unwrap().unwrap();
    assert_eq!(value.interface(), Some("I"));
    // No field is known here; but the types in between are read when one is.
    let error = value.decode::<Json>(leak::last("Other { X:s }")).unwrap_err();
    assert!(error.to_string().contains("no fields matched"), "{error}");
    assert!(!error.ends_stream());
}

#[test]
fn skipped_interfaces_are_skipped() {
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

#[test]
fn g02_g07_numbers_and_definitions_in_any_order() {
    let of = leak::last("Item { Name:s }\nOuter { Items:[]Item }");
    // Children first, far numbers, in reverse.
    let stream = "15 fe 02 57 03 01 01 01 49 01 fe 02 58 00 01 01 01 04 \"Name\" 01 0c 00 00 00
        10 fe 02 5b 02 01 02 fe 02 5c 00 01 fe 02 58 00 00
        17 fe 02 5d 03 01 01 01 4f 01 fe 02 5e 00 01 01 01 05 \"Items\" 01 fe 02 5c 00 00 00
        0c fe 02 5e 01 02 01 01 61 00 01 01 62 00 00";
    let stream = fixed(stream);
    assert_eq!(
        one(of, &stream).unwrap(),
        json!({"items": [{"name": "a"}, {"name": "b"}]})
    );
}

/// Corrects the lengths of messages, one a line.
fn fixed(stream: &str) -> String {
    let mut corrected = String::new();
    for line in stream.lines() {
        let (_, rest) = line.trim().split_once(' ').unwrap();
        writeln!(corrected, "{:02x} {rest}", bytes(rest).len()).unwrap();
    }
    corrected
}

#[test]
fn g08_what_is_left_out() {
    let of = leak::last("In { A:i64 }\nS { N:i32 P:*i32 B:*b T:*s L:[]s M:{}s J:B St:In Ps:*In Tm:T Pt:*T F:f Q:u64 }");
    let body = |value: Json| {
        let stream = written(of, &[value]);
        let mut rest = stream.as_slice();
        let mut last = rest;
        while let Some(range) = crate::frame(rest, &Limits::default()).unwrap() {
            last = &rest[range.clone()];
            rest = &rest[range.end..];
        }
        // Behind the type's number.
        last[2..].to_vec()
    };
    // A struct is always there.
    assert_eq!(body(json!({})), bytes("08 00 00"));
    let zero =
        json!({"n": 0, "p": 0, "b": false, "t": "", "l": [], "f": -0.0, "q": 0, "ps": null, "tm": null, "pt": null});
    assert_eq!(body(zero), bytes("08 00 00"));
    assert_eq!(body(json!({"m": {}})), bytes("06 00 02 00 00"));
    assert_eq!(body(json!({"ps": {}})), bytes("08 00 01 00 00"));
    assert_eq!(body(json!({"st": {"a": 0}})), bytes("08 00 00"));
    assert_eq!(body(json!({"l": ["", "x"]})), bytes("05 02 00 01 78 03 00 00"));
    assert_eq!(body(json!({"m": {"": ""}})), bytes("06 01 00 00 02 00 00"));
    assert_eq!(body(json!({"j": null})), bytes("07 04 \"null\" 01 00 00"));
}

#[test]
fn g12_g13_what_does_not_fit() {
    let of = leak::last("P { P:i32 }");
    let typed = |id: &str, value: &str| {
        fixed(&format!(
            "00 7f 03 01 01 01 50 01 ff 80 00 01 01 01 01 50 01 {id} 00 00 00\n00 ff 80 {value}"
        ))
    };
    assert_eq!(one(of, &typed("04", "01 02 00")).unwrap(), json!({"p": 1}));
    // 2^40
    assert!(refused(of, &typed("04", "01 fa 02 00*5 00")).contains("out of range"));
    for id in ["06", "08", "0a", "0c", "10", "ff 80"] {
        // Whether there is such a value or not.
        assert!(refused(of, &typed(id, "00")).contains("wrong type"), "{id}");
    }
    assert!(refused(of, &typed("ff c8", "00")).contains("unknown type id"));
    assert!(refused(leak::last("P { Q:s }"), &typed("ff c8", "00")).contains("no fields matched"));
    // A self-encoding type where a struct, a text is wanted.
    for wanted in ["In { A:s }\nP { P:In }", "P { P:s }", "P { P:[]s }", "P { P:{}s }"] {
        let stream = format!("{} {}", fixed("00 ff 87 05 01 02 ff 88 00 00 00"), typed("ff 88", "00"));
        assert!(refused(leak::last(wanted), &stream).contains("wrong type"), "{wanted}");
    }
}

#[test]
fn g14_g15_more_and_fewer_fields() {
    let full = leak::last("In { A:s Z:[]i32 }\nS { X:{}In N:In T:*T K:s L:[]s }");
    let stream = written(
        full,
        &[
            json!({"x": {"k": {"a": "b", "z": [1]}}, "n": {"a": "c"}, "t": "2024-01-02T03:04:05Z", "k": "v", "l": ["m"]}),
        ],
    );
    let read = |of: Type| -> Result<Json, DecodeError> {
        let mut rest = stream.as_slice();
        Decoder::default().next(&mut rest).unwrap().unwrap().decode(of)
    };
    assert_eq!(read(leak::last("S { New:s K:s }")).unwrap(), json!({"k": "v"}));
    assert_eq!(
        read(leak::last("In { Other:s }\nS { N:In }")).unwrap(),
        json!({"n": {}})
    );
    assert!(
        read(leak::last("S { Other:s }"))
            .unwrap_err()
            .to_string()
            .contains("no fields matched")
    );
    assert!(read(leak::last("S { k:s }")).is_err(), "names are matched exactly");
}

#[test]
fn g11_texts_need_not_be_utf8() {
    assert_eq!(one(types::STRING, "06 0c 00 03 61 00 ff").unwrap(), "a\0\u{fffd}");
}

#[test]
fn a_type_of_ours_that_is_no_object() {
    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(default)]
    struct Ours {
        port: Option<Json>,
        size: Option<Json>,
        raw: Option<Json>,
    }
    let of = leak::last(
        "intstr.IntOrString { Type:i64 IntVal:i32 StrVal:s }\nresource.Quantity { Format=inline:s }
         meta.FieldsV1 { Raw=-:B }\nS { Port:*intstr.IntOrString Size:*resource.Quantity Raw:*meta.FieldsV1 }",
    );
    for (written_as, read_as) in [
        (
            json!({"port": 0, "size": "64Mi", "raw": {"f": {}}}),
            json!({"port": 0, "size": "0", "raw": {"f": {}}}),
        ),
        (
            json!({"port": "http", "size": null, "raw": null}),
            json!({"port": "http", "size": null, "raw": null}),
        ),
        (json!({"port": ""}), json!({"port": "", "size": null, "raw": null})),
    ] {
        let stream = written(of, &[written_as]);
        let mut rest = stream.as_slice();
        let read: Ours = Decoder::default().next(&mut rest).unwrap().unwrap().decode(of).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), read_as);
    }
}
