//! When certificates of the webhook are replaced: pure, from what is held and the time to one step.
//!
//! API servers trust a new authority before anything is signed by it, and an old one for as long as something signed by it may be served.

use k8s_openapi::jiff::{SignedDuration, Timestamp};

/// How long an authority lives.
pub const AUTHORITY_LIFE: SignedDuration = SignedDuration::from_hours(24 * 730);
/// How long a serving certificate lives.
pub const SERVING_LIFE: SignedDuration = SignedDuration::from_hours(24 * 90);
/// A serving certificate that lives no longer than this is replaced.
const SERVING_REST: SignedDuration = SignedDuration::from_hours(24 * 30);
/// An authority that lives no longer than this is replaced: whatever it signed has ended long before it does.
const AUTHORITY_REST: SignedDuration = SignedDuration::from_hours(24 * 180);
/// How long API servers and replicas have to notice what is new.
const OVERLAP: SignedDuration = SignedDuration::from_hours(24);

/// From when until when a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    /// Its beginning.
    pub from: Timestamp,
    /// Its end.
    pub until: Timestamp,
}

/// What is held. What cannot be read is not held.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Held {
    /// The authorities that are trusted, the newest first.
    pub authorities: Vec<Term>,
    /// Whether the key of the newest is there.
    pub has_key: bool,
    /// The certificate that is served.
    pub serving: Option<Term>,
    /// Whether it is signed by the newest authority.
    pub is_of_newest: bool,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing yet.
    Keep,
    /// A new certificate is signed by the newest authority.
    RenewServing,
    /// A new authority is trusted beside those that are.
    RotateAuthority,
    /// Only the newest authority is trusted from now on.
    DropOld,
}

/// The next step.
pub fn decide(held: &Held, now: Timestamp) -> Step {
    let rest = |term: Term| term.until.duration_since(now);
    let age = |term: Term| now.duration_since(term.from);
    let Some(newest) = held.authorities.first().copied().filter(|newest| held.has_key && rest(*newest) > AUTHORITY_REST) else {
        return Step::RotateAuthority;
    };
    match held.serving {
        None => Step::RenewServing,
        Some(serving) if !held.is_of_newest => {
            // Waiting helps nobody once what is served ends before the wait does.
            let is_due = age(newest) >= OVERLAP || rest(serving) < OVERLAP;
            if is_due { Step::RenewServing } else { Step::Keep }
        }
        Some(serving) if rest(serving) < SERVING_REST => Step::RenewServing,
        Some(serving) if held.authorities.len() > 1 && age(serving) >= OVERLAP => Step::DropOld,
        Some(_) => Step::Keep,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    /// Valid since so many hours, for so many more days.
    fn term(hours: i64, days: i64) -> Term {
        Term { from: NOW - SignedDuration::from_hours(hours), until: NOW + SignedDuration::from_hours(24 * days) }
    }

    fn held(authorities: &[Term], serving: Term, is_of_newest: bool) -> Held {
        Held { authorities: authorities.to_vec(), has_key: true, serving: Some(serving), is_of_newest }
    }

    #[test]
    fn one_step_after_the_other() {
        let (young, old, ending) = (term(2, 729), term(9000, 400), term(9000, 180));
        let cases = [
            ("nothing is there", Held::default(), Step::RotateAuthority),
            ("nobody has the key", Held { has_key: false, ..held(&[old], term(50, 60), true) }, Step::RotateAuthority),
            ("all is well", held(&[old], term(50, 60), true), Step::Keep),
            ("what is served cannot be read", Held { serving: None, ..held(&[old], term(0, 0), true) }, Step::RenewServing),
            ("what is served ends in 30 days", held(&[old], term(50, 30), true), Step::Keep),
            ("… in less", held(&[old], term(50, 29), true), Step::RenewServing),
            ("the authority ends", held(&[ending], term(50, 60), true), Step::RotateAuthority),
            ("a new one is there for an hour", held(&[young, ending], term(50, 60), false), Step::Keep),
            ("… but what is served ends today", held(&[young, ending], term(50, 0), false), Step::RenewServing),
            ("… for a day", held(&[term(24, 729), ending], term(50, 60), false), Step::RenewServing),
            ("it has signed what is served for an hour", held(&[term(25, 729), ending], term(1, 90), true), Step::Keep),
            ("… for a day", held(&[term(48, 729), ending], term(24, 89), true), Step::DropOld),
            ("the old one is gone", held(&[term(48, 729)], term(24, 89), true), Step::Keep),
        ];
        for (case, held, expected) in cases {
            assert_eq!(decide(&held, NOW), expected, "{case}");
        }
    }
}
