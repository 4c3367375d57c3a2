//! Durations as kubectl prints them (`k8s.io/apimachinery/pkg/util/duration`). Reads no clock.

use crate::kinds::reach::text;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Unix seconds of an RFC 3339 time, with or without a fraction.
pub fn seconds(timestamp: &str) -> Option<i64> {
    OffsetDateTime::parse(timestamp, &Rfc3339).ok().map(OffsetDateTime::unix_timestamp)
}

/// A number of seconds, the less precise the longer: `119s`, `2m`, `3h5m`, `4d1h`, `2y`.
pub fn human(seconds: i64) -> String {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    const YEAR: i64 = 365 * DAY;
    match seconds {
        ..-1 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        120..600 => pair(seconds, (MINUTE, "m"), (1, "s")),
        600..10_800 => format!("{}m", seconds / MINUTE),
        10_800..28_800 => pair(seconds, (HOUR, "h"), (MINUTE, "m")),
        28_800..172_800 => format!("{}h", seconds / HOUR),
        172_800..691_200 => pair(seconds, (DAY, "d"), (HOUR, "h")),
        691_200..63_072_000 => format!("{}d", seconds / DAY),
        63_072_000..252_288_000 => pair(seconds, (YEAR, "y"), (DAY, "d")),
        _ => format!("{}y", seconds / YEAR),
    }
}

/// Two units, the smaller one left out when there are none of it.
fn pair(seconds: i64, (large, large_name): (i64, &str), (small, small_name): (i64, &str)) -> String {
    match seconds % large / small {
        0 => format!("{}{large_name}", seconds / large),
        rest => format!("{}{large_name}{rest}{small_name}", seconds / large),
    }
}

/// How long ago a timestamp was; `<unknown>` for none.
pub(super) fn since(timestamp: &str, now: i64) -> String {
    seconds(timestamp).map_or_else(|| "<unknown>".to_owned(), |then| human(now - then))
}

/// How long ago an object was created.
pub(super) fn of(object: &Value, now: i64) -> Value {
    json!(since(text(object, "/metadata/creationTimestamp"), now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_lose_precision_as_they_grow() {
        for (seconds, text) in [
            (-5, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (125, "2m5s"),
            (599, "9m59s"),
            (600, "10m"),
            (3 * 3600 - 1, "179m"),
            (3 * 3600, "3h"),
            (7 * 3600 + 65, "7h1m"),
            (8 * 3600 + 65, "8h"),
            (47 * 3600, "47h"),
            (48 * 3600, "2d"),
            (50 * 3600, "2d2h"),
            (8 * 86_400, "8d"),
            (2 * 365 * 86_400, "2y"),
            (2 * 365 * 86_400 + 86_400, "2y1d"),
            (9 * 365 * 86_400 + 86_400, "9y"),
        ] {
            assert_eq!(human(seconds), text);
        }
    }

    #[test]
    fn times_without_a_value_are_unknown() {
        assert_eq!(since("", 0), "<unknown>");
        assert_eq!(since("1970-01-01T00:00:01.5Z", 3), "2s");
    }
}
