//! What a benchmark measured, beside its bars in `limits.toml`. Every benchmark includes this file; all print the same table.
#![allow(dead_code, reason = "each benchmark uses its part")]

use comfy_table::{CellAlignment, Table, presets};
use std::fmt::Display;

/// The name of a bar in the benchmark's part of `limits.toml`.
pub struct Bar(pub &'static str);

/// The figures of one run.
pub struct Figures {
    bars: toml::Table,
    rows: Table,
}

impl Figures {
    /// None yet, of the benchmark that has this part of `limits.toml`.
    pub fn of(benchmark: &str) -> Self {
        let limits: toml::Table = include_str!("../limits.toml").parse().expect("`limits.toml` is TOML");
        let bars = limits[benchmark].as_table().expect("each benchmark has its part of `limits.toml`").clone();
        let mut rows = Table::new();
        rows.load_style(presets::NOTHING).set_header([benchmark, "measured", "bar", "ratio", ""]);
        Self { bars, rows }
    }

    /// Adds a figure that must not be more than its bar, in the unit of the bar.
    pub fn held(&mut self, what: impl Display, measured: f64, bar: &Bar) {
        let text = self.bars[bar.0].as_str().expect("a bar is a text: a number, a blank and a unit");
        let (most, unit) = text.split_once(' ').unwrap_or((text, ""));
        let most: f64 = most.parse().expect("a bar begins with a number");
        let verdict = if measured <= most { "met" } else { "missed" };
        self.row([what.to_string(), figure(measured, unit), text.to_owned(), format!("{:.2}", measured / most), verdict.to_owned()]);
    }

    /// Adds a figure without a bar.
    pub fn seen(&mut self, what: impl Display, measured: f64, unit: &str) {
        self.row([what.to_string(), figure(measured, unit), String::new(), String::new(), String::new()]);
    }

    fn row(&mut self, cells: [String; 5]) {
        self.rows.add_row(cells);
    }
}

/// Prints what there is, also when a benchmark ends early.
impl Drop for Figures {
    fn drop(&mut self) {
        for (number, column) in self.rows.column_iter_mut().enumerate() {
            let alignment = if (1..=3).contains(&number) { CellAlignment::Right } else { CellAlignment::Left };
            column.set_padding((0, 2)).set_cell_alignment(alignment);
        }
        self.rows.to_string().lines().for_each(|line| println!("{}", line.trim_end()));
    }
}

/// Whether the command line asks for it: `cargo bench --workspace --bench hooks -- health` measures a part.
pub fn is_wanted(what: &str) -> bool {
    std::env::args().skip(1).find(|argument| !argument.starts_with('-')).is_none_or(|part| what.contains(&part))
}

fn figure(measured: f64, unit: &str) -> String {
    format!("{measured:.2} {unit}").trim_end().to_owned()
}
