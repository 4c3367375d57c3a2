//! What an API server can be made to suffer. Holds the wishes; the server asks for them at each request.

use crate::simulation::NodeFaults;
use std::str::FromStr;
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::watch;

/// How a server misbehaves; the default is that it does not.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Faults {
    /// Requests fail without an answer, and watches end.
    pub unreachable: bool,
    /// Each request waits this long first.
    pub latency: Duration,
    /// Writes are refused.
    pub read_only: bool,
    /// This share of the requests (0 to 1) answers 500, evenly spread.
    pub error_rate: f64,
    /// Each request is refused with 429 and told to come back after this long, in whole seconds.
    pub throttled: Option<Duration>,
}

/// All that a member suffers, as a line says it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Suffering {
    /// What requests to it see.
    pub requests: Faults,
    /// What its nodes do.
    pub nodes: NodeFaults,
}

impl FromStr for Suffering {
    type Err = String;

    /// Reads `latency=5s, errors=0.3, throttled=2s, read-only, unreachable, lost@node1, cpu=1@node1`: any of them, or nothing for none.
    fn from_str(line: &str) -> Result<Self, String> {
        let (mut faults, mut nodes) = (Faults::default(), NodeFaults::default());
        for word in line.split([',', ' ', '\n']).map(str::trim).filter(|word| !word.is_empty()) {
            match word.split_once('=') {
                None if word == "unreachable" => faults.unreachable = true,
                None if word == "read-only" => faults.read_only = true,
                None if word == "throttled" => faults.throttled = Some(Duration::from_secs(1)),
                Some(("latency", time)) => faults.latency = duration(time)?,
                Some(("throttled", time)) => faults.throttled = Some(duration(time)?),
                Some(("errors", rate)) => {
                    let rate: Option<f64> = rate.parse().ok();
                    let refuse = || format!("`{word}`: the share of errors is a number from 0 to 1");
                    faults.error_rate = rate.filter(|rate| (0.0..=1.0).contains(rate)).ok_or_else(refuse)?;
                }
                _ if nodes.read(word)? => {}
                _ => {
                    let known = "`unreachable`, `latency=5s`, `errors=0.3`, `throttled=2s`, `read-only`, `lost@NODE`, `cpu=1@NODE`";
                    return Err(format!("`{word}` is no fault; there are {known}"));
                }
            }
        }
        Ok(Self { requests: faults, nodes })
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| format!("`{text}` is no time; write `500ms`, `5s` or `1m`"))?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number * 60)),
        _ => Err(format!("`{text}` is no time; write `500ms`, `5s` or `1m`")),
    }
}

/// The present faults of one server.
#[derive(Debug, Default)]
pub struct FaultState {
    faults: watch::Sender<Faults>,
    owed: Mutex<f64>,
}

impl FaultState {
    /// The present faults.
    pub fn get(&self) -> Faults {
        *self.faults.borrow()
    }

    /// Replaces the faults.
    pub fn set(&self, faults: Faults) {
        self.faults.send_replace(faults);
    }

    /// Wakes when the faults are replaced.
    pub fn subscribe(&self) -> watch::Receiver<Faults> {
        self.faults.subscribe()
    }

    /// Whether this request is one that fails: every `1/rate`-th.
    pub fn fails_now(&self, rate: f64) -> bool {
        let mut owed = self.owed.lock().expect("no code panics while it holds the faults");
        *owed += rate;
        if *owed >= 1.0 {
            *owed -= 1.0;
            return true;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_from_a_line() {
        let read = |line: &str| line.parse::<Suffering>().map(|suffering| suffering.requests);
        let expected = Faults { latency: Duration::from_millis(500), error_rate: 0.3, read_only: true, ..Faults::default() };
        assert_eq!(read("latency=500ms, errors=0.3 read-only\n"), Ok(expected));
        assert_eq!(read("throttled=2s"), Ok(Faults { throttled: Some(Duration::from_secs(2)), ..Faults::default() }));
        assert_eq!(read(""), Ok(Faults::default()));
        assert!(read("latency=soon").unwrap_err().contains("write `500ms`, `5s` or `1m`"));
        assert!(read("broken").unwrap_err().starts_with("`broken` is no fault"));
        assert!(read("errors=2").is_err());
        assert!("lost@node1, pods=3".parse::<Suffering>().is_ok_and(|suffering| suffering.nodes.is_lost("node1")));
    }

    #[test]
    fn an_error_rate_is_spread_evenly() {
        let state = FaultState::default();
        let failed: Vec<_> = (0..6).map(|_| state.fails_now(0.5)).collect();
        assert_eq!(failed, [false, true, false, true, false, true]);
        assert!(!state.fails_now(0.0));
    }
}
