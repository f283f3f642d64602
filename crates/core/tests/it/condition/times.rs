//! Times of a range query.

use rollcage_core::condition::time;

use super::now;

#[test]
fn what_stands_for_a_time() {
    for (expression, expected) in [
        ("now()", "2026-08-17T12:00:00Z"),
        (r#"now() - duration("1h")"#, "2026-08-17T11:00:00Z"),
        (r#"now() + duration("90s") * 2"#, "2026-08-17T12:03:00Z"),
        (
            r#"date("2023-08-14 00:00:00", "2006-01-02 15:04:05", "UTC") - duration("1h")"#,
            "2023-08-13T23:00:00Z",
        ),
        (r#"date("2023-08-14T00:00:00+02:00")"#, "2023-08-13T22:00:00Z"),
        (r#"now().Truncate(duration("24h"))"#, "2026-08-17T00:00:00Z"),
        (r#"isNaN(1) ? now() : now() - duration("5m")"#, "2026-08-17T11:55:00Z"),
    ] {
        assert_eq!(
            time(expression, now()).map(|time| time.to_string()),
            Ok(expected.to_owned()),
            "{expression}"
        );
    }
}

#[test]
fn what_does_not() {
    for (expression, message) in [
        ("hello", "unknown name hello"),
        ("now() -- ?", r#"unexpected token Operator("?")"#),
        ("result", "unknown name result"),
        ("asInt(1)", "unknown name asInt"),
        (r#"duration("1h")"#, "expected time.Time, but got time.Duration"),
        ("1", "expected time.Time, but got int"),
        (
            r#"now() - duration("1x")"#,
            r#"time: unknown unit "x" in duration "1x""#,
        ),
        (r#"date("yesterday")"#, "invalid date yesterday"),
    ] {
        assert_eq!(
            time(expression, now()).unwrap_err().to_string(),
            message,
            "{expression}"
        );
    }
}
