//! The cases of go-plugin's wire: each has a test that is named after it, and docs/wire-cases.md says which.

mod list;

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use self::list::{CASES, GROUPS};

/// Cases that have no test yet, and why.
const PENDING: &[(&str, &str)] = &[];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Rust files below a folder, in order.
fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// The cases that a function is named after: `h23` and `h24` of `h23_h24_the_line`.
fn cases_of(name: &str) -> Vec<String> {
    let is_case = |part: &&str| {
        let mut letters = part.chars();
        part.len() == 3
            && letters.next().is_some_and(|letter| "hlyngxa".contains(letter))
            && letters.all(|digit| digit.is_ascii_digit())
    };
    name.split('_').take_while(is_case).map(str::to_uppercase).collect()
}

/// Tests in a file, by the attributes in front of them.
fn tests(text: &str) -> Vec<String> {
    let (mut found, mut is_test) = (Vec::new(), false);
    for line in text.lines().map(str::trim_start) {
        if line.starts_with("#[") {
            is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            continue;
        }
        let function = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        if let Some(name) = function.and_then(|rest| rest.split('(').next())
            && is_test
        {
            found.push(name.to_owned());
        }
        is_test &= line.starts_with("///") || line.starts_with("//") || line.is_empty();
    }
    found
}

/// Every case with its tests, each as `file`, `name`.
fn found() -> BTreeMap<String, BTreeSet<(String, String)>> {
    let root = root();
    let mut files = Vec::new();
    for package in fs::read_dir(root.join("crates")).unwrap() {
        for folder in ["src", "tests"] {
            sources(&package.as_ref().unwrap().path().join(folder), &mut files);
        }
    }
    sources(&root.join("tests/tests"), &mut files);
    let mut cases: BTreeMap<String, BTreeSet<_>> = BTreeMap::new();
    for file in files {
        let shown = file.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
        for name in tests(&fs::read_to_string(&file).unwrap()) {
            for case in cases_of(&name) {
                cases.entry(case).or_default().insert((shown.clone(), name.clone()));
            }
        }
    }
    cases
}

fn page(found: &BTreeMap<String, BTreeSet<(String, String)>>) -> String {
    let mut page = "# Cases of go-plugin's wire\n\n\
        What a host and a plugin have to get right when they speak go-plugin's net/rpc protocol with Argo Rollouts, case by\n\
        case, and the tests that hold us to it. A test is named after its case: `cargo test h07` runs those of H07.\n"
        .to_owned();
    for (letter, title) in GROUPS {
        write!(page, "\n## {title}\n\n| | Case | Tests |\n|---|---|---|\n").unwrap();
        for (case, what) in CASES.iter().filter(|(case, _)| case.starts_with(letter)) {
            let tests: Vec<_> = found.get(*case).into_iter().flatten().collect();
            let shown: Vec<_> = tests
                .iter()
                .map(|(file, name)| format!("[`{name}`](../{file})"))
                .collect();
            let pending = PENDING.iter().find(|(pending, _)| pending == case);
            let shown = match pending {
                Some((_, why)) if shown.is_empty() => format!("none yet: {why}"),
                _ => shown.join(", "),
            };
            writeln!(page, "| {case} | {what} | {shown} |").unwrap();
        }
    }
    page
}

#[test]
fn every_case_has_a_test_of_its_name() {
    let found = found();
    let known: BTreeSet<&str> = CASES.iter().map(|(case, _)| *case).collect();
    assert_eq!((CASES.len(), known.len()), (132, 132));
    let missing: Vec<_> = CASES
        .iter()
        .filter(|(case, _)| !found.contains_key(*case) && PENDING.iter().all(|(pending, _)| pending != case))
        .collect();
    assert!(missing.is_empty(), "cases without a test: {missing:?}");
    let unknown: Vec<_> = found
        .iter()
        .filter(|(case, _)| !known.contains(case.as_str()))
        .collect();
    assert!(unknown.is_empty(), "tests of cases that are none: {unknown:?}");
}

/// The page may lack tests that are new or moved. `ROLLCAGE_BLESS=1` writes it anew.
#[test]
fn the_page_of_the_cases_is_true() {
    let path = root().join("docs/wire-cases.md");
    let found = found();
    if env::var_os("ROLLCAGE_BLESS").is_some() {
        fs::write(&path, page(&found)).unwrap();
    }
    let text = fs::read_to_string(&path).unwrap();
    let rows: BTreeMap<&str, &str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split_once(" | "))
        .collect();
    for (case, what) in CASES {
        let row = rows.get(case).unwrap_or_else(|| panic!("no row of {case}"));
        let (shown, tests) = row.split_once(" | ").unwrap();
        assert_eq!(shown, *what, "{case}");
        if tests.starts_with("none yet") {
            assert!(PENDING.iter().any(|(pending, _)| pending == case), "{case} has tests");
            continue;
        }
        let names = tests.split("[`").skip(1).filter_map(|test| test.split('`').next());
        let exists = |name: &str| found[*case].iter().any(|(_, test)| test == name);
        assert!(
            names.clone().any(exists),
            "{case}: there is none of {:?}; ROLLCAGE_BLESS=1 writes the page anew",
            names.collect::<Vec<_>>()
        );
    }
}

#[test]
fn tests_are_found_by_name() {
    assert_eq!(cases_of("h23_h24_the_line"), ["H23", "H24"]);
    assert_eq!(cases_of("x22"), ["X22"]);
    assert!(cases_of("z01_x").is_empty() && cases_of("h1_x").is_empty() && cases_of("the_h01").is_empty());
    let text = "#[test]\n/// Doc.\nfn h01_a() {\n}\nfn h02_b() {}\n#[tokio::test(flavor = \"x\")]\n#[ignore = \"long\"]\nasync fn h03_c() {";
    assert_eq!(tests(text), ["h01_a", "h03_c"]);
}
