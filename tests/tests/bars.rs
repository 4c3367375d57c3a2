//! Every bar of the benchmarks is used by the benchmark it is set for, and every bar that a benchmark names is there.

use regex::Regex;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Part of `limits.toml`, and where its benchmark is.
const BENCHMARKS: [(&str, &str); 5] = [
    ("decisions", "host/core/benches/decisions.rs"),
    ("hooks", "host/interpreter/benches/hooks.rs"),
    ("fleet", "tests/benches/fleet.rs"),
    ("isolation", "tests/benches/isolation.rs"),
    ("scale", "tests/benches/scale/main.rs"),
];

fn read(path: &str) -> String {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the workspace").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn bars_are_those_that_benchmarks_name() {
    let limits: toml::Table = read("tests/benches/limits.toml").parse().expect("`limits.toml` is TOML");
    let named = Regex::new(r#"\bBar\("([^"]+)"\)"#).expect("an expression");
    for (benchmark, path) in BENCHMARKS {
        let bars = limits[benchmark].as_table().expect("a table of bars");
        let bars: BTreeSet<String> = bars.keys().cloned().collect();
        let names: BTreeSet<String> = named.captures_iter(&read(path)).map(|found| found[1].to_owned()).collect();
        assert_eq!(bars, names, "`limits.toml` on the left, {path} on the right");
    }
    let known: BTreeSet<&str> = BENCHMARKS.iter().map(|(benchmark, _)| *benchmark).collect();
    assert_eq!(limits.keys().map(String::as_str).collect::<BTreeSet<_>>(), known);
}

#[test]
fn a_bar_is_a_number_and_a_unit() {
    let limits: toml::Table = read("tests/benches/limits.toml").parse().expect("`limits.toml` is TOML");
    for (name, bar) in limits.values().filter_map(toml::Value::as_table).flatten() {
        let number = bar.as_str().and_then(|bar| bar.split(' ').next()?.parse::<f64>().ok());
        assert!(number.is_some_and(|number| number > 0.0), "`{name}` is {bar}");
    }
}
