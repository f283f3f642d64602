//! Argo's built-in providers, and the plugins that stand for two of them.

use serde_json::json;

use crate::{plugins::error, world::World};

#[tokio::test]
async fn prometheus_and_web_are_plugins() {
    let world = World::new();
    let prometheus = world.plugins.serve("rollcage/prometheus");
    prometheus.then_err(error("no data"));
    let web = world.plugins.serve("rollcage/web");
    world
        .run(
            "r",
            json!({
                "args": [{"name": "host", "value": "shop"}],
                "metrics": [
                    {"name": "p", "interval": "1m", "provider": {"prometheus": {"query": "up{host=\"{{args.host}}\"}"}}},
                    {"name": "w", "successCondition": "result > 1", "provider": {"web": {"url": "http://{{args.host}}/"}}}
                ]
            }),
        )
        .await;
    world.pass("r").await;
    assert_eq!(
        prometheus.asked()[0].metric["provider"],
        json!({"plugin": {"rollcage/prometheus": {"query": "up{host=\"shop\"}"}}})
    );
    assert_eq!(
        web.asked()[0].metric,
        json!({"name": "w", "successCondition": "result > 1", "provider": {"plugin": {"rollcage/web": {"url": "http://shop/"}}}})
    );
    // Argo introduces the words of plugins, not those of its own providers.
    assert_eq!(
        world.status("r")["metricResults"][0]["measurements"][0]["message"],
        "no data"
    );
}

#[tokio::test]
async fn the_others_say_so() {
    let world = World::new();
    for key in [
        "kayenta",
        "datadog",
        "wavefront",
        "newRelic",
        "cloudWatch",
        "graphite",
        "influxdb",
        "skywalking",
    ] {
        let name = key.to_lowercase();
        let metric = json!({"name": "m", "consecutiveErrorLimit": 0, "provider": {key: {"query": "x"}}});
        world.run(&name, json!({"metrics": [metric]})).await;
        world.play(&name).await;
        let text = format!("provider {key} is not built in: use a plugin");
        assert_eq!(world.phases(&name)[1], ("Error".to_owned(), text.clone()));
        assert!(
            world.phases(&name)[0]
                .1
                .ends_with(&format!("\"Error Message: {text}\""))
        );
    }
}
