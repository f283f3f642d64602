//! `/debug/plugins`: what it says, and to whom.

use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream, UdpSocket};

use serde_json::{Value, json};

use super::support::{Api, Controller, entry, target};

/// This machine's address on a network; none is asked.
fn address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

#[test]
fn the_registry_is_shown_on_this_machine_alone() {
    let mut api = Api::new();
    api.up();
    let port = target();
    let mut good = entry("acme/web", port);
    good["env"] = json!({"PLANTED": "planted-environment"});
    let absent =
        json!({"name": "acme/absent", "location": "http://user:planted-password@127.0.0.1:9/x.wasm?planted=query"});
    api.config_map("rollcage-config", &json!([good, absent]));
    api.run("denied", &json!({}), "acme/web", 9);
    let debug = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut controller = Controller::start(&api, &["--debugPort", &debug.to_string()]);
    let page = || -> Value {
        let (code, text) = Controller::get(debug, "/debug/plugins");
        assert!(matches!(code, 0 | 200), "{code}");
        assert!(!text.contains("planted"), "{text}");
        serde_json::from_str(&text).unwrap_or_default()
    };
    let plugin = |name: &str| -> Value {
        let page = page();
        let plugins = page["plugins"].as_array().cloned().unwrap_or_default();
        plugins
            .into_iter()
            .find(|plugin| plugin["id"]["name"] == name)
            .unwrap_or_default()
    };
    controller.wait_for("one serves", |_| plugin("acme/web")["state"] == "Ready");
    let web = plugin("acme/web");
    assert_eq!(web["runtime"], "wasm", "{web}");
    assert_eq!(web["breaker"], "closed", "{web}");
    assert_eq!(web["servingDigest"].as_str().map(str::len), Some(64), "{web}");
    assert_eq!(web["serving"]["waiting"], 0, "{web}");
    assert!(
        web["serving"]["memory"].is_u64() && web["serving"]["idleInstances"].is_u64(),
        "{web}"
    );
    assert!(web["since"].is_string(), "{web}");
    controller.wait_for("the other one says why not", |_| {
        plugin("acme/absent")["failure"]["cause"]
            .as_str()
            .is_some_and(|cause| cause.contains("refused"))
    });
    assert!(plugin("acme/absent")["serving"].is_null());
    // Another address of the loopback interface, and one of a network.
    let elsewhere = [Some(Ipv4Addr::new(127, 0, 0, 2).into()), address()];
    for address in elsewhere.into_iter().flatten() {
        assert!(TcpStream::connect((address, debug)).is_err(), "{address} answers");
    }
    assert_eq!(Controller::get(controller.metrics, "/debug/plugins").0, 404);
    // What nothing grants is counted without the name that was asked for.
    let denied =
        r#"rollcage_plugin_http_requests_total{code="denied",host="none",kind="MetricProvider",plugin="acme/web"} "#;
    controller.wait_for("it is counted", |controller| {
        Controller::get(controller.metrics, "/metrics").1.contains(denied)
    });

    // A port that is taken ends nothing.
    let mut other = Controller::start(&api, &["--debugPort", &debug.to_string(), "--leader-elect=false"]);
    other.wait_for("it says so", |controller| {
        controller.log().contains("/debug/plugins is not served")
    });
    other.wait_for("it is ready", |controller| controller.probe("/readyz").0 == 200);
}
