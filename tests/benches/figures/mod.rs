//! What a benchmark measured, beside its bars in `limits.toml`. Every benchmark includes this file; all print the same
//! columns, each line as soon as it is known: some runs take minutes.
#![allow(dead_code, reason = "each benchmark uses its part")]

use std::fmt::Display;

/// The name of a bar in the benchmark's part of `limits.toml`.
pub struct Bar(pub &'static str);

/// The figures of one run.
pub struct Figures {
    bars: toml::Table,
}

impl Figures {
    /// None yet, of the benchmark that has this part of `limits.toml`.
    pub fn of(benchmark: &str) -> Self {
        let limits: toml::Table = include_str!("../limits.toml").parse().expect("`limits.toml` is TOML");
        let bars = limits[benchmark].as_table().expect("each benchmark has its part of `limits.toml`").clone();
        print([benchmark, "measured", "bar", "ratio", ""]);
        Self { bars }
    }

    /// Prints a figure that must not be more than its bar, in the unit of the bar.
    pub fn held(&self, what: impl Display, measured: f64, bar: &Bar) {
        let text = self.bars[bar.0].as_str().expect("a bar is a text: a number, a blank and a unit");
        let (most, unit) = text.split_once(' ').unwrap_or((text, ""));
        let most: f64 = most.parse().expect("a bar begins with a number");
        let verdict = if measured <= most { "met" } else { "missed" };
        print([&what.to_string(), &figure(measured, unit), text, &format!("{:.2}", measured / most), verdict]);
    }

    /// Prints a figure without a bar.
    pub fn seen(&self, what: impl Display, measured: f64, unit: &str) {
        print([&what.to_string(), &figure(measured, unit), "", "", ""]);
    }
}

fn print([what, measured, bar, ratio, verdict]: [&str; 5]) {
    let line = format!("{what:<68} {measured:>12} {bar:>9} {ratio:>6}  {verdict}");
    println!("{}", line.trim_end());
}

/// Whether the command line asks for it: `cargo bench --workspace --bench hooks -- health` measures a part.
pub fn is_wanted(what: &str) -> bool {
    std::env::args().skip(1).find(|argument| !argument.starts_with('-')).is_none_or(|part| what.contains(&part))
}

/// A number from the environment; a bad one ends the run.
pub fn number(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).map_or(otherwise, |text| text.parse().unwrap_or_else(|error| panic!("`{variable}={text}`: {error}")))
}

fn figure(measured: f64, unit: &str) -> String {
    format!("{measured:.2} {unit}").trim_end().to_owned()
}
