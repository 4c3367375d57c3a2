//! Whether a text is a Cron schedule, in the words of the parser that the real server uses. Computes no times.

/// Bounds of the five fields and the names that may stand for numbers.
const FIELDS: [(u32, u32, &[&str]); 5] = [
    (0, 59, &[]),
    (0, 23, &[]),
    (1, 31, &[]),
    (1, 12, &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]),
    (0, 6, &["sun", "mon", "tue", "wed", "thu", "fri", "sat"]),
];

const DESCRIPTORS: [&str; 7] = ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];

/// Checks `30 4 * * 1-5`, `@daily` and the like.
pub(super) fn check(schedule: &str) -> Result<(), String> {
    if schedule.starts_with('@') {
        let is_known = DESCRIPTORS.contains(&schedule) || schedule.starts_with("@every ");
        return if is_known { Ok(()) } else { Err(format!("unrecognized descriptor: {schedule}")) };
    }
    let fields: Vec<&str> = schedule.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        return Err(format!("expected exactly 5 fields, found {}: [{}]", fields.len(), fields.join(" ")));
    }
    for (field, bounds) in fields.iter().zip(FIELDS) {
        for range in field.split(',').filter(|range| !range.is_empty()) {
            self::range(range, bounds)?;
        }
    }
    Ok(())
}

/// `*`, `3`, `1-5`, `*/2`, `10-40/5`.
fn range(range: &str, (least, most, names): (u32, u32, &[&str])) -> Result<(), String> {
    let parts: Vec<&str> = range.split('/').collect();
    let (ends, step) = match parts.as_slice() {
        [ends] => (*ends, None),
        [ends, step] => (*ends, Some(number(step)?)),
        _ => return Err(format!("too many slashes: {range}")),
    };
    let bounds: Vec<&str> = ends.split('-').collect();
    let (first, last) = match bounds.as_slice() {
        ["*" | "?"] => (least, most),
        [one] => {
            let first = number_or_name(one, names)?;
            (first, if step.is_some() { most } else { first })
        }
        [first, last] => (number_or_name(first, names)?, number_or_name(last, names)?),
        _ => return Err(format!("too many hyphens: {range}")),
    };
    if first < least {
        Err(format!("beginning of range ({first}) below minimum ({least}): {range}"))
    } else if last > most {
        Err(format!("end of range ({last}) above maximum ({most}): {range}"))
    } else if first > last {
        Err(format!("beginning of range ({first}) beyond end of range ({last}): {range}"))
    } else if step == Some(0) {
        Err(format!("step of range should be a positive number: {range}"))
    } else {
        Ok(())
    }
}

fn number_or_name(text: &str, names: &[&str]) -> Result<u32, String> {
    let lower = text.to_lowercase();
    match names.iter().position(|name| *name == lower) {
        // Months count from one, days of the week from zero.
        Some(at) => Ok(at as u32 + u32::from(names.len() == 12)),
        None => number(text),
    }
}

fn number(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("failed to parse int from {text}: strconv.Atoi: parsing \"{text}\": invalid syntax"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules() {
        for right in ["* * * * *", "*/5 0-6 1,15 jan-MAR mon", "@daily", "@every 1h", "0 0 ? * 6"] {
            assert_eq!(check(right), Ok(()), "{right}");
        }
        for (wrong, words) in [
            ("x", "expected exactly 5 fields, found 1: [x]"),
            ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
            ("60 * * * *", "end of range (60) above maximum (59): 60"),
            ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
            ("*/0 * * * *", "step of range should be a positive number: */0"),
            ("a * * * *", "failed to parse int from a: strconv.Atoi: parsing \"a\": invalid syntax"),
            ("@fortnightly", "unrecognized descriptor: @fortnightly"),
        ] {
            assert_eq!(check(wrong), Err(words.to_owned()));
        }
    }
}
