//! Streams that mean harm: each ends as an error, or is read, in bounded time and memory.

use serde_json::{Value as Json, json};

use super::{INT, TIMED, bytes, fixed, one, refused};
use crate::{DecodeError, Decoder, Encoder, schema::leak, types, wire};

#[test]
fn x_hostile_streams_are_refused() {
    let depth = |levels: usize| {
        // type S struct { Next *S; X int }: nobody here knows Next.
        let mut value = bytes("ff 80");
        value.extend(std::iter::repeat_n(1, levels));
        value.extend(std::iter::repeat_n(0, levels + 1));
        value
    };
    let next = "00 7f 03 01 01 01 53 01 ff 80 00 01 02 01 04 \"Next\" 01 ff 80 00 01 01 58 01 04 00 00 00";
    for (case, of, stream, error) in [
        ("X01", INT, "fe".to_owned(), "EOF"),
        ("X01", INT, "03 04".to_owned(), "EOF"),
        ("X02", INT, "00".to_owned(), "empty message"),
        ("X03", INT, "f7 01 01".to_owned(), "out of range"),
        ("X04", INT, "fb 02 00 00 00 00".to_owned(), "at most"),
        ("X04", INT, "fc 40 00 00 00 04 00".to_owned(), "at most"),
        ("X05", INT, "04 ff c8 00 01".to_owned(), "unknown type id"),
        ("X05", INT, "03 00 00 0e".to_owned(), "unknown type id"),
        ("X06", INT, "03 04 01 0e".to_owned(), "non-zero delta"),
        ("X07", types::STRING, "05 0c 00 7f 61 61".to_owned(), "exceeds"),
        ("X07", types::STRING, "0c 0c 00 f8 7f ff*7 61".to_owned(), "exceeds"),
        (
            "X08",
            INT,
            "0a 0f 03 01 02 ff 84 00 00 00 00".to_owned(),
            "duplicate type",
        ),
        (
            "X08",
            INT,
            "0a ff 83 03 01 02 ff 84 00 00 00 0a ff 83 03 01 02 ff 84 00 00 00".to_owned(),
            "duplicate type",
        ),
        (
            "X09",
            INT,
            "0b ff 83 03 01 02 ff 84 00 00 00 07".to_owned(),
            "extra data",
        ),
        (
            "X10",
            types::STRINGS,
            "0d 7f 04 01 02 ff 80 00 01 0c 01 0c 00 00 0c ff 80 00 f8 7f ff*7".to_owned(),
            "exceed",
        ),
        (
            "X11",
            types::RPC_REQUEST,
            format!("{} 05 ff 80 03 00 00", fixed(next).replace("\"Next\"", "\"Seqs\"")),
            "no fields",
        ),
        ("X12", INT, "0a ff 83 03 01 02 ff 84 00 00 00".to_owned(), "EOF"),
        ("X13", types::METRIC_RUN_ARGS, "05 10 00 7f 61 61".to_owned(), "exceeds"),
        ("X13", INT, "03 ff 83 00".to_owned(), "no kind"),
        ("X13", INT, "04 ff 83 0a 00".to_owned(), "out of bounds"),
        (
            "X13",
            INT,
            "0e ff 83 05 01 02 ff 84 00 00 01 01 00 00 00".to_owned(),
            "two kinds",
        ),
        (
            "X18",
            INT,
            "0b ff 83 01 01 00 01 04 01 01 00 00".to_owned(),
            "negative length",
        ),
    ] {
        assert!(
            refused(of, &stream).contains(error),
            "{case} {stream}: {}",
            refused(of, &stream)
        );
    }
    // X15: three million levels of a type that contains itself.
    let of = leak::last("S { X:i64 }");
    let mut stream = bytes(&fixed(next));
    let value = depth(3_000_000);
    crate::put::uint(&mut stream, value.len() as u64);
    stream.extend(value);
    let mut rest = stream.as_slice();
    let error = Decoder::default()
        .next(&mut rest)
        .unwrap()
        .unwrap()
        .decode::<Json>(of)
        .unwrap_err();
    assert!(error.to_string().contains("too deeply"), "{error}");
}

#[test]
fn x16_a_graph_of_types_is_never_a_tree() {
    // T0 { A, B T1 }, T1 { A, B T2 } ... 40 levels, in a field that nobody wants.
    let mut stream = Vec::new();
    for level in 0..40_i64 {
        let mut body = Vec::new();
        crate::put::int(&mut body, -(64 + level));
        body.extend(bytes("03 01 02"));
        crate::put::int(&mut body, 64 + level);
        body.extend(bytes("00 01 02 01 01 41 01"));
        let next = if level == 39 { 2 } else { 65 + level };
        crate::put::int(&mut body, next);
        body.extend(bytes("00 01 01 42 01"));
        crate::put::int(&mut body, if level == 0 { 6 } else { next });
        body.extend(bytes("00 00 00"));
        crate::put::bytes(&mut stream, &body);
    }
    crate::put::bytes(&mut stream, &bytes("ff 80 02 01 78 00"));
    let mut rest = stream.as_slice();
    let read: Json = Decoder::default()
        .next(&mut rest)
        .unwrap()
        .unwrap()
        .decode(leak::last("S { B:s }"))
        .unwrap();
    assert_eq!(read, json!({"b": "x"}));
}

#[test]
fn x17_x19_counts_are_bounded() {
    // A slice of empty structs with more elements than bytes, and as many as a limit allows.
    let of = leak::last("E { }\nS { L:[]E }");
    let head = fixed(
        "00 7f 03 01 02 ff 80 00 00 00
         00 ff 81 02 01 02 ff 82 00 01 ff 80 00 00
         00 ff 83 03 01 02 ff 84 00 01 01 01 01 4c 01 ff 82 00 00 00",
    );
    assert!(refused(of, &format!("{head} {}", fixed("00 ff 84 01 f8 10 00*7"))).contains("exceed"));
    let mut stream = bytes(&head);
    let mut value = bytes("ff 84 01");
    crate::put::uint(&mut value, 1 << 20);
    value.resize(value.len() + (1 << 20) + 1, 0);
    crate::put::bytes(&mut stream, &value);
    let mut rest = stream.as_slice();
    let error = Decoder::default()
        .next(&mut rest)
        .unwrap()
        .unwrap()
        .decode::<Json>(of)
        .unwrap_err();
    assert!(error.to_string().contains("parts"), "{error}");

    // Definitions without end.
    let mut decoder = Decoder::default();
    let mut last = None;
    for id in 64..100_000_i64 {
        let mut body = Vec::new();
        crate::put::int(&mut body, -id);
        body.extend(bytes("03 01 02 04 00 00 00"));
        if let Err(error) = decoder.message(&body) {
            last = Some(error);
            break;
        }
    }
    let error = last.unwrap();
    assert!(
        error.ends_stream() && error.to_string().contains("too many type"),
        "{error}"
    );
}

#[test]
fn x23_self_encoded_bytes_beyond_the_message() {
    let of = leak::last("M { Phase:s StartedAt:*T }");
    assert!(refused(of, &format!("{TIMED} 06 ff 80 02 0f 01 00")).contains("exceeds"));
}

#[test]
fn x11_steps_beyond_the_fields() {
    let of = leak::last("P { P:i32 }");
    let definition = fixed("00 7f 03 01 01 01 50 01 ff 80 00 01 01 01 01 50 01 04 00 00 00");
    for step in ["02", "f8 ff*8", "f8 7f ff*7"] {
        let value = fixed(&format!("00 ff 80 {step} 02 00"));
        assert!(
            refused(of, &format!("{definition} {value}")).contains("out of bounds"),
            "{step}"
        );
    }
    // Without its end, and with more behind it: Go reads both.
    assert_eq!(
        one(of, &format!("{definition} 04 ff 80 01 02")).unwrap(),
        json!({"p": 1})
    );
    assert_eq!(
        one(of, &format!("{definition} 07 ff 80 01 02 00 aa bb")).unwrap(),
        json!({"p": 1})
    );
}

#[test]
fn x14_types_of_themselves() {
    let of = leak::last("P { P:[]i32 M:{}s X:i32 }");
    // 64 is []64, 65 is map[string]65, 66 is P.
    let definitions = |p: &str, m: &str| {
        fixed(&format!(
            "00 7f 02 01 02 ff 80 00 01 ff 80 00 00
             00 ff 81 04 01 02 ff 82 00 01 0c 01 ff 82 00 00
             00 ff 83 03 01 02 ff 84 00 01 03 01 01 {p} 01 ff 80 00 01 01 {m} 01 ff 82 00 01 01 58 01 04 00 00 00"
        ))
    };
    // Neither is ours.
    assert!(refused(of, &format!("{} 03 ff 84 00", definitions("50", "4e"))).contains("wrong type"));
    assert!(refused(of, &format!("{} 03 ff 84 00", definitions("51", "4d"))).contains("wrong type"));
    // Where nobody wants them their depth is bounded.
    for (from, level) in [("01", "01"), ("02", "01 00")] {
        let levels = |count| [from, &vec![level; count].join(" ")].join(" ");
        let deep = format!("00 ff 84 {} 00 00", levels(100_000));
        let mut stream = bytes(&definitions("51", "4e"));
        crate::put::bytes(&mut stream, &bytes(deep.split_once(' ').unwrap().1));
        let mut rest = stream.as_slice();
        let value = Decoder::default()
            .next(&mut rest)
            .unwrap()
            .unwrap()
            .decode::<Json>(of)
            .unwrap_err();
        assert!(value.to_string().contains("too deeply"), "{value}");
    }
}

#[test]
fn x20_a_type_that_never_comes() {
    let skipped =
        "00 7f 03 01 01 01 50 01 ff 80 00 01 02 01 01 51 01 ff c8 00 01 01 50 01 04 00 00 00\n00 ff 80 02 02 00";
    assert!(refused(leak::last("P { P:i32 }"), &fixed(skipped)).contains("undefined"));
    // Deeper than one looks in advance.
    let deeper = "00 7f 03 01 01 01 50 01 ff 80 00 01 02 01 01 51 01 ff 82 00 01 01 50 01 04 00 00 00
        00 ff 81 02 01 02 ff 82 00 01 ff c8 00 00
        00 ff 80 01 01 00 01 02 00";
    assert!(refused(leak::last("P { P:i32 }"), &fixed(deeper)).contains("undefined"));
}

#[test]
fn x21_interfaces_in_interfaces_are_dropped_by_their_length() {
    // struct { A any; B string }, and ten thousand of struct { V any } in A.
    let head = "00 7f 03 01 01 01 53 01 ff 80 00 01 02 01 01 41 01 10 00 01 01 42 01 0c 00 00 00
        00 ff 81 03 01 01 01 49 01 ff 82 00 01 01 01 01 56 01 10 00 00 00";
    let mut value = vec![0];
    for _ in 0..10_000 {
        let mut outer = bytes("01 49 ff 82");
        let mut inner = vec![1];
        inner.extend(value);
        inner.push(0);
        crate::put::bytes(&mut outer, &inner);
        value = outer;
    }
    let mut message = bytes("ff 80 01");
    message.extend(value);
    message.extend(bytes("01 01 78 00"));
    let mut stream = bytes(&fixed(head));
    crate::put::bytes(&mut stream, &message);
    let mut rest = stream.as_slice();
    let read: Json = Decoder::default()
        .next(&mut rest)
        .unwrap()
        .unwrap()
        .decode(leak::last("S { B:s }"))
        .unwrap();
    assert_eq!(read, json!({"b": "x"}));
}

#[test]
fn x24_a_text_of_50_mb_is_never_waited_for() {
    let mut encoder = Encoder::new();
    let mut stream = Vec::new();
    let head = wire::Response {
        error: "x".repeat(50 << 20),
        ..Default::default()
    };
    encoder.value(types::RPC_RESPONSE, &head, &mut stream).unwrap();
    // The definition, and the first bytes of the value.
    let mut rest = &stream[..200];
    let error = Decoder::default().next(&mut rest).unwrap_err();
    assert!(
        matches!(error, DecodeError::TooLong { limit: 16_777_216, .. }),
        "{error}"
    );
    assert!(error.ends_stream());
}
