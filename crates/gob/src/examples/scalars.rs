//! Values that are no structs.

use serde_json::{Value as Json, json};

use super::{
    FLOAT, INT, JSON, UINT, all, bytes,
    golden::{MAP_OF_BYTES, MAPS},
    one, refused, written,
};
use crate::{Decoder, Encoder, Type, schema::Kind, schema::leak, types, wire};

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
        (JSON, json!({}), "05 0a 00 02 \"{}\""),
    ] {
        assert_eq!(one(of, stream).unwrap(), value, "{stream}");
        assert_eq!(written(of, &[value]), bytes(stream), "{stream}");
    }
    // Bytes are read where they are JSON.
    assert!(refused(JSON, "05 0a 00 02 \"hi\"").starts_with("no JSON"));
    // Longer than it needs to be.
    assert_eq!(one(INT, "04 04 00 ff 0e").unwrap(), 7);
    assert_eq!(one(types::STRING, "05 0c 00 ff 01 78").unwrap(), "x");
    assert_eq!(one(FLOAT, "08 08 00 fb a0 99 99 b9 3f").unwrap(), f64::from(0.1_f32));
}

#[test]
fn g01_maps_of_texts_and_bytes() {
    assert_eq!(all(types::STRINGS, MAPS).unwrap(), [json!({"k": "v"}), json!({})]);
    let json_map = match leak::last("M { P:{}B }").0 {
        Kind::Struct(shape) => Type(shape.fields[0].kind),
        _ => unreachable!(),
    };
    assert_eq!(one(json_map, MAP_OF_BYTES).unwrap(), json!({"p": {}}));
    let metadata: wire::Metadata = [("k".to_owned(), "v".to_owned())].into();
    let (mut encoder, mut ours) = (Encoder::new(), Vec::new());
    encoder.value(types::STRINGS, &metadata, &mut ours).unwrap();
    assert!(ours.ends_with(&bytes("00 01 01 6b 01 76")));
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
    for (of, value) in [
        (INT, json!(i64::MAX)),
        (INT, json!(i64::MIN)),
        (UINT, json!(u64::MAX)),
        (Type(Kind::Int(32)), json!(i32::MIN)),
    ] {
        let mut rest = &written(of, std::slice::from_ref(&value))[..];
        let read: Json = Decoder::default().next(&mut rest).unwrap().unwrap().decode(of).unwrap();
        assert_eq!(read, value);
    }
    // In a struct the sign of a zero is lost, as all of it is.
    let of = leak::last("F { A:f B:f C:i64 }");
    assert!(written(of, &[json!({"a": -0.0, "b": 1.5, "c": 0})]).ends_with(&bytes("ff 80 02 fe f8 3f 00")));
}

#[test]
fn g11_texts_need_not_be_utf8() {
    assert_eq!(one(types::STRING, "06 0c 00 03 61 00 ff").unwrap(), "a\0\u{fffd}");
    assert_eq!(
        one(
            types::STRINGS,
            "0d 7f 04 01 02 ff 80 00 01 0c 01 0c 00 00 08 ff 80 00 01 01 ff 01 fe"
        )
        .unwrap(),
        json!({"\u{fffd}": "\u{fffd}"})
    );
    let read: String = {
        let mut rest = &written(types::STRING, &[json!("a\0ü")])[..];
        Decoder::default()
            .next(&mut rest)
            .unwrap()
            .unwrap()
            .decode(types::STRING)
            .unwrap()
    };
    assert_eq!(read, "a\0ü");
}
