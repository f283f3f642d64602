//! Types of ours that look otherwise in JSON.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::{bytes, written};
use crate::{Decoder, schema::leak};

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

#[test]
fn g20_quantities_are_formats_alone() {
    let of = leak::last("resource.Quantity { Format=inline:s }\nS { Limits:{}resource.Quantity }");
    for (amount, format) in [("100m", "DecimalSI"), ("64Mi", "BinarySI"), ("2E6", "DecimalExponent")] {
        let stream = written(of, &[json!({"limits": {"cpu": amount}})]);
        let mut value = bytes("01 01 03 \"cpu\" 01");
        crate::put::bytes(&mut value, format.as_bytes());
        value.extend([0, 0]);
        assert!(stream.ends_with(&value), "{amount}: {stream:02x?}");
        let mut rest = stream.as_slice();
        let read: Json = Decoder::default().next(&mut rest).unwrap().unwrap().decode(of).unwrap();
        assert_eq!(read, json!({"limits": {"cpu": "0"}}));
    }
}
