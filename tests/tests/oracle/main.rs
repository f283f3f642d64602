//! The same input, once through Rollcage and once through Argo Rollouts and the Go libraries that it uses.

#[cfg(test)]
mod analysis;
#[cfg(test)]
mod conditions;
#[cfg(test)]
mod jsonpath;
#[cfg(test)]
mod yaml;

/// Each is a row of `docs/compatibility.md`; a claim of compatibility bears few.
#[test]
fn there_are_few_kinds_of_differences() {
    let all = analysis::DIFFERENCES + conditions::DIFFERENCES + jsonpath::DIFFERENCES;
    assert!(all <= 10, "{all}");
}
