//! Types of themselves, and values in values.

use serde_json::{Value as Json, json};

use super::*;
use crate::schema::leak;

#[test]
fn x14_types_of_themselves() {
    alone(LITTLE, || {
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
            let value = first(of, &stream).unwrap_err();
            assert!(value.to_string().contains("too deeply"), "{value}");
        }
    });
}

#[test]
fn x15_three_million_levels() {
    // The stream itself has three megabytes, and is there a few times.
    alone(32 << 20, || {
        // type S struct { Next *S; X int }: nobody here knows Next.
        let next = "00 7f 03 01 01 01 53 01 ff 80 00 01 02 01 04 \"Next\" 01 ff 80 00 01 01 58 01 04 00 00 00";
        let levels = 3_000_000;
        let mut value = bytes("ff 80");
        value.extend(std::iter::repeat_n(1, levels));
        value.extend(std::iter::repeat_n(0, levels + 1));
        let mut stream = bytes(&fixed(next));
        crate::put::bytes(&mut stream, &value);
        let error = first(leak::last("S { X:i64 }"), &stream).unwrap_err();
        assert!(error.to_string().contains("too deeply"), "{error}");
    });
}

#[test]
fn x16_a_graph_of_types_is_never_a_tree() {
    alone(LITTLE, || {
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
        let read: Json = first(leak::last("S { B:s }"), &stream).unwrap();
        assert_eq!(read, json!({"b": "x"}));
    });
}

#[test]
fn x21_interfaces_in_interfaces_are_dropped_by_their_length() {
    alone(LITTLE, || {
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
        let read: Json = first(leak::last("S { B:s }"), &stream).unwrap();
        assert_eq!(read, json!({"b": "x"}));
    });
}
