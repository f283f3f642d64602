//! The image: what can be seen without a container engine.

use std::fs;

use rollcage_tests::chart::{Helm, only, root};
use serde_json::json;

/// Instructions of the Dockerfile, continuation lines joined, comments left out.
fn instructions() -> Vec<(String, String)> {
    let text = fs::read_to_string(root().join("deploy/Dockerfile")).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let joined = lines.join("\n").replace("\\\n", " ");
    joined
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(word, rest)| (word.to_owned(), rest.trim().to_owned()))
        .collect()
}

#[test]
fn the_last_stage_is_small_and_nobodys() {
    let all = instructions();
    let last = all.iter().rposition(|(word, _)| word == "FROM").unwrap();
    let stage = &all[last..];
    let only = |word: &str| {
        let found: Vec<&str> = stage
            .iter()
            .filter(|(one, _)| one == word)
            .map(|(_, rest)| rest.as_str())
            .collect();
        assert_eq!(found.len(), 1, "{word}: {found:?}");
        found[0]
    };
    assert_eq!(only("FROM"), "gcr.io/distroless/cc-debian12:nonroot");
    assert_eq!(only("USER"), "65532:65532");
    assert_eq!(only("ENTRYPOINT"), "[\"/usr/local/bin/rollcage\"]");
    // Nothing is run in it, and nothing but the build's results gets into it.
    for (word, rest) in stage {
        assert!(word != "RUN" && word != "ADD", "{word} {rest}");
        assert!(
            word != "COPY" || rest.starts_with("--from=build /src/target/"),
            "{rest}"
        );
    }
    // The plugins are there before the program is built, which takes them in.
    let position = |what: &str| {
        all.iter()
            .position(|(word, rest)| word == "RUN" && rest.contains(what))
            .unwrap()
    };
    assert!(position("cargo xtask plugins") < position("cargo build"));
    assert!(position("cargo build") < position("plugin precompile"));
    // The layer is where the program looks for it, and still root's: no `--chown`.
    let layer = stage
        .iter()
        .find_map(|(word, rest)| Some(rest.strip_prefix("ROLLCAGE_PRECOMPILED_DIR=")?).filter(|_| word == "ENV"));
    let copied = format!("--from=build /src/target/precompiled {}", layer.unwrap());
    assert!(stage.contains(&("COPY".to_owned(), copied)));
}

/// The chart's user, ports and arguments are those of the image.
#[test]
fn the_chart_fits_the_image() {
    let Some(helm) = Helm::find() else { return };
    let all = instructions();
    let has = |word: &str, rest: &str| all.contains(&(word.to_owned(), rest.to_owned()));
    let objects = helm.objects(&json!({}));
    let pod = &only(&objects, "StatefulSet")["spec"]["template"]["spec"];
    let user = format!(
        "{}:{}",
        pod["securityContext"]["runAsUser"], pod["securityContext"]["runAsGroup"]
    );
    assert!(has("USER", &user), "{user}");
    let container = &pod["containers"][0];
    assert!(container["command"].is_null(), "the image's own entry point");
    let ports = container["ports"].as_array().unwrap();
    let ports: Vec<String> = ports.iter().map(|port| port["containerPort"].to_string()).collect();
    assert!(has("EXPOSE", &ports.join(" ")), "{ports:?}");
}
