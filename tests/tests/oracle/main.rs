//! The same input, once through Rollcage and once through Argo Rollouts and the Go libraries that it uses.

#[cfg(test)]
mod analysis;
#[cfg(test)]
mod conditions;
#[cfg(test)]
mod jsonpath;
#[cfg(test)]
mod yaml;

/// A claim of compatibility bears few differences, and hides none.
#[test]
fn there_are_few_kinds_of_differences_and_each_is_documented() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/compatibility.md");
    let page = std::fs::read_to_string(page).expect("the page is there");
    let all: Vec<_> = analysis::documented_differences()
        .chain(conditions::documented_differences())
        .chain(jsonpath::documented_differences())
        .collect();
    assert!(all.len() <= 10, "{all:?}");
    for row in all {
        assert!(page.contains(&format!("| {row} |")), "{row}");
    }
}
