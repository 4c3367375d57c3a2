//! Cron schedules: when is the next time. Knows nothing of Kubernetes.

use k8s_openapi::jiff::civil::Date;
use k8s_openapi::jiff::tz::TimeZone;
use k8s_openapi::jiff::{Span, Timestamp, ToSpan as _};

/// Beyond this many days without a match there is none: the 29th of February comes at least every eight years.
const FAR: i32 = 366 * 9;

const MONTHS: &[&str] = &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// A schedule in a time zone.
#[derive(Debug, Clone)]
pub struct Schedule {
    times: Times,
    zone: TimeZone,
}

#[derive(Debug, Clone)]
enum Times {
    /// `@every 90s`
    Every(Span),
    /// The bits of each field that match.
    Fields { minutes: u64, hours: u64, days: u64, months: u64, weekdays: u64, any_day: bool, any_weekday: bool },
}

impl Schedule {
    /// Reads `30 4 * * 1-5`, `@daily`, `@every 1h30m`; `None` for what is no schedule. An unknown time zone is taken to be UTC.
    pub fn parse(text: &str, zone: Option<&str>) -> Option<Self> {
        let zone = zone.and_then(|zone| TimeZone::get(zone).ok()).unwrap_or(TimeZone::UTC);
        let times = match text.strip_prefix("@every ") {
            Some(span) => Times::Every(span.trim().parse().ok()?),
            None => fields(described(text).unwrap_or(text))?,
        };
        Some(Self { times, zone })
    }

    /// The first time after `after`.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let Times::Fields { minutes, hours, .. } = self.times else {
            let Times::Every(span) = &self.times else { return None };
            return after.checked_add(*span).ok();
        };
        let from = after.to_zoned(self.zone.clone()).datetime();
        let mut date = from.date();
        let mut earliest = (from.hour(), from.minute() + 1);
        for _ in 0..FAR {
            if self.has_day(date)
                && let Some((hour, minute)) = first_time(hours, minutes, earliest)
            {
                let zoned = date.at(hour, minute, 0, 0).to_zoned(self.zone.clone()).ok()?;
                if zoned.timestamp() > after {
                    return Some(zoned.timestamp());
                }
            }
            earliest = (0, 0);
            date = date.tomorrow().ok()?;
        }
        None
    }

    /// The last time that is after `after` and not after `now`, and how many there were.
    pub fn latest(&self, after: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let mut latest = None;
        let mut time = after;
        // More missed times than this are not counted one by one: begin anew, not far back.
        for missed in 0.. {
            match self.next(time) {
                Some(next) if next <= now => (latest, time) = (Some(next), next),
                _ => break,
            }
            if missed == 100 {
                time = time.max(now.checked_sub(24.hours()).unwrap_or(time));
            }
        }
        latest
    }

    fn has_day(&self, date: Date) -> bool {
        let Times::Fields { days, months, weekdays, any_day, any_weekday, .. } = self.times else { return false };
        let day = has(days, date.day());
        let weekday = has(weekdays, date.weekday().to_sunday_zero_offset());
        // A day of the month and a day of the week are alternatives, unless one of them is any.
        let chosen = if any_day || any_weekday { day && weekday } else { day || weekday };
        has(months, date.month()) && chosen
    }
}

fn described(text: &str) -> Option<&'static str> {
    Some(match text {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        _ => return None,
    })
}

fn has(bits: u64, number: i8) -> bool {
    u32::try_from(number).is_ok_and(|number| bits & (1 << number) != 0)
}

fn first_time(hours: u64, minutes: u64, (hour, minute): (i8, i8)) -> Option<(i8, i8)> {
    let first = |bits: u64, from: i8| (from..60).find(|number| has(bits, *number));
    let in_hour = first(minutes, minute).filter(|_| has(hours, hour)).map(|minute| (hour, minute));
    in_hour.or_else(|| Some((first(hours, hour + 1)?, first(minutes, 0)?)))
}

fn fields(text: &str) -> Option<Times> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [minutes, hours, days, months, weekdays] = words.as_slice() else { return None };
    let is_any = |word: &str| word.starts_with(['*', '?']);
    Some(Times::Fields {
        minutes: field(minutes, 0, 59, &[])?,
        hours: field(hours, 0, 23, &[])?,
        days: field(days, 1, 31, &[])?,
        months: field(months, 1, 12, MONTHS)?,
        weekdays: field(weekdays, 0, 6, DAYS)?,
        any_day: is_any(days),
        any_weekday: is_any(weekdays),
    })
}

fn field(text: &str, least: u32, most: u32, names: &[&str]) -> Option<u64> {
    text.split(',').try_fold(0, |bits, range| Some(bits | self::range(range, least, most, names)?))
}

/// `*`, `3`, `1-5`, `*/2`, `10-40/5`.
fn range(text: &str, least: u32, most: u32, names: &[&str]) -> Option<u64> {
    let number = |word: &str| {
        let named = names.iter().position(|name| name.eq_ignore_ascii_case(word)).and_then(|at| u32::try_from(at).ok());
        named.map(|at| at + least).or_else(|| word.parse().ok())
    };
    let (ends, step) = match text.split_once('/') {
        Some((ends, step)) => (ends, Some(step.parse::<u32>().ok().filter(|step| *step > 0)?)),
        None => (text, None),
    };
    let (first, last) = match ends.split_once('-') {
        _ if matches!(ends, "*" | "?") => (least, most),
        Some((first, last)) => (number(first)?, number(last)?),
        None => (number(ends)?, if step.is_some() { most } else { number(ends)? }),
    };
    let step = usize::try_from(step.unwrap_or(1)).ok()?;
    (least <= first && first <= last && last <= most).then(|| (first..=last).step_by(step).fold(0, |bits, number| bits | 1 << number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(schedule: &str, after: &str, next: &str) {
        let schedule = Schedule::parse(schedule, None).expect("a schedule");
        let found = schedule.next(after.parse().unwrap()).map(|time| time.to_string());
        assert_eq!(found.as_deref(), Some(next));
    }

    #[test]
    fn the_next_time_follows_the_fields() {
        check("*/15 * * * *", "2026-01-01T00:00:00Z", "2026-01-01T00:15:00Z");
        check("30 4 * * *", "2026-01-01T04:30:00Z", "2026-01-02T04:30:00Z");
        check("0 9-17/4 * * mon-fri", "2026-01-02T17:30:00Z", "2026-01-05T09:00:00Z");
        check("0 0 29 2 *", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z");
        check("@hourly", "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z");
        check("@every 90m", "2026-01-01T00:00:00Z", "2026-01-01T01:30:00Z");
    }

    #[test]
    fn two_kinds_of_days_are_alternatives() {
        check("0 0 13 * fri", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
        check("0 0 13 * *", "2026-01-01T00:00:00Z", "2026-01-13T00:00:00Z");
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for text in ["", "* * * *", "60 * * * *", "5-1 * * * *", "*/0 * * * *", "@often"] {
            assert!(Schedule::parse(text, None).is_none(), "{text}");
        }
    }

    #[test]
    fn the_latest_missed_time_counts() {
        let schedule = Schedule::parse("0 * * * *", None).unwrap();
        let latest =
            |after: &str| schedule.latest(after.parse().unwrap(), "2026-01-09T10:30:00Z".parse().unwrap()).map(|time| time.to_string());
        assert_eq!(latest("2026-01-09T10:00:00Z"), None);
        assert_eq!(latest("2026-01-01T00:00:00Z").as_deref(), Some("2026-01-09T10:00:00Z"));
    }
}
