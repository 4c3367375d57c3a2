//! Is this process alive, and is it ready? Pure: from what was observed to checks with reasons.
//!
//! Alive means that restarting would not help. An API server that does not answer, or a member that is away, is no reason to restart.

use crate::gate::Role;
use std::fmt::Write;
use std::time::Duration;
use tokio::time::Instant;

/// A watch that was not heard of for so long, bookmarks included, while the API server answers other requests, is stuck for good: it has
/// begun anew meanwhile ([`crate::lasting::SILENT_AFTER`]).
pub const STUCK_AFTER: Duration = Duration::from_secs(600);

/// One watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// Its resource, as metrics call it.
    pub resource: String,
    /// Whether its task runs.
    pub is_followed: bool,
    /// Whether everything has been seen once.
    pub is_synced: bool,
    /// Whether nothing works before it is synced.
    pub is_required: bool,
    /// When it was last heard of.
    pub heard: Instant,
}

/// What the controllers are doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Activity {
    /// Tasks that should run, and whether they do.
    pub tasks: Vec<(&'static str, bool)>,
    /// Watches of the control plane.
    pub watches: Vec<Watch>,
    /// Watches of members. A member that is away makes nobody dead.
    pub in_members: Vec<Watch>,
}

/// What is known of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Whether it leads.
    pub role: Role,
    /// `None` while the controllers do not run (yet).
    pub activity: Option<Activity>,
    /// When the control plane last answered a request.
    pub answered: Instant,
    /// Whether all plugins have been seen, so that it is known who answers.
    pub are_plugins_loaded: bool,
}

/// One question about a process, and what speaks against it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Its name.
    pub name: &'static str,
    /// Why it fails; `None` when all is well.
    pub failure: Option<String>,
}

fn check(name: &'static str, failures: Vec<String>) -> Check {
    Check { name, failure: (!failures.is_empty()).then(|| failures.join(", ")) }
}

/// Whether the process should live on.
pub fn live(observed: &Observed) -> Vec<Check> {
    let activity = observed.activity.as_ref();
    let tasks = activity.into_iter().flat_map(|activity| &activity.tasks);
    let watches = || activity.into_iter().flat_map(|activity| &activity.watches);
    let ended = tasks.filter(|(_, runs)| !runs).map(|(name, _)| format!("`{name}` has ended"));
    let unfollowed = watches().filter(|watch| !watch.is_followed).map(|watch| format!("the watch of `{}` has ended", watch.resource));
    let stuck = watches().filter_map(|watch| {
        let silent = observed.answered.saturating_duration_since(watch.heard);
        let is_stuck = watch.is_followed && silent >= STUCK_AFTER;
        is_stuck.then(|| format!("the watch of `{}` has been silent for {} s while the API answers", watch.resource, silent.as_secs()))
    });
    let lost = (observed.role == Role::Deposed).then(|| "the lease is lost".to_owned());
    vec![
        check("leader-election", lost.into_iter().collect()),
        check("controllers", ended.collect()),
        check("watches", unfollowed.chain(stuck).collect()),
    ]
}

/// Whether the process does its share: it leads with all caches filled, or it stands by.
pub fn ready(observed: &Observed) -> Vec<Check> {
    let lost = (observed.role == Role::Deposed).then(|| "the lease is lost".to_owned());
    let plugins = (!observed.are_plugins_loaded).then(|| "plugins are still being loaded".to_owned());
    let caches = match (&observed.activity, observed.role) {
        (None, Role::Leader) => vec!["the controllers are starting".to_owned()],
        (None, _) => Vec::new(),
        (Some(activity), _) => {
            let missing = activity.watches.iter().filter(|watch| watch.is_required && !watch.is_synced);
            missing.map(|watch| format!("the cache of `{}` is not filled yet", watch.resource)).collect()
        }
    };
    vec![check("leader-election", lost.into_iter().collect()), check("plugins", plugins.into_iter().collect()), check("caches", caches)]
}

/// Whether all is well, and the text that says so: one line for each check that fails, with `verbose` for all.
pub fn told(checks: &[Check], verbose: bool) -> (bool, String) {
    let is_well = checks.iter().all(|check| check.failure.is_none());
    if is_well && !verbose {
        return (true, "ok".to_owned());
    }
    let mut text = String::new();
    for check in checks {
        let written = match &check.failure {
            Some(why) => writeln!(text, "[-]{} failed: {why}", check.name),
            None if verbose => writeln!(text, "[+]{} ok", check.name),
            None => Ok(()),
        };
        written.expect("a String takes any text");
    }
    (is_well, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(resource: &str, heard: Instant) -> Watch {
        Watch { resource: resource.into(), is_followed: true, is_synced: true, is_required: true, heard }
    }

    fn leader(activity: Option<Activity>, answered: Instant) -> Observed {
        Observed { role: Role::Leader, activity, answered, are_plugins_loaded: true }
    }

    #[track_caller]
    fn says(checks: &[Check], verbose: bool, expected: &str) {
        assert_eq!(told(checks, verbose).1, expected);
    }

    #[test]
    fn a_leader_at_work_is_alive_and_ready() {
        let now = Instant::now();
        let activity = Activity { tasks: vec![("bindings", true)], watches: vec![watch("works", now)], ..Activity::default() };
        let observed = leader(Some(activity), now);
        assert_eq!(told(&live(&observed), false), (true, "ok".into()));
        says(&live(&observed), true, "[+]leader-election ok\n[+]controllers ok\n[+]watches ok\n");
        says(&ready(&observed), true, "[+]leader-election ok\n[+]plugins ok\n[+]caches ok\n");
    }

    #[test]
    fn a_task_that_ended_is_named() {
        let now = Instant::now();
        let ended = Watch { is_followed: false, ..watch("works", now) };
        let activity = Activity { tasks: vec![("bindings", false), ("templates", true)], watches: vec![ended], ..Activity::default() };
        let observed = leader(Some(activity), now);
        says(&live(&observed), false, "[-]controllers failed: `bindings` has ended\n[-]watches failed: the watch of `works` has ended\n");
        assert!(!told(&live(&observed), false).0);
    }

    #[test]
    fn a_silent_watch_is_stuck_only_while_the_api_answers() {
        let start = Instant::now();
        let activity = Activity { watches: vec![watch("works", start)], ..Activity::default() };
        let observed = leader(Some(activity.clone()), start + STUCK_AFTER);
        says(&live(&observed), false, "[-]watches failed: the watch of `works` has been silent for 600 s while the API answers\n");
        assert!(told(&live(&leader(Some(activity.clone()), start + STUCK_AFTER - Duration::from_secs(1))), false).0);
        assert!(told(&live(&leader(Some(activity), start)), false).0, "nothing answers: a restart would not help");
    }

    #[test]
    fn whoever_lost_the_lease_is_neither_alive_nor_ready() {
        let observed = Observed { role: Role::Deposed, ..leader(None, Instant::now()) };
        says(&live(&observed), false, "[-]leader-election failed: the lease is lost\n");
        says(&ready(&observed), false, "[-]leader-election failed: the lease is lost\n");
    }

    #[test]
    fn a_standby_is_ready_and_a_leader_when_its_caches_are_filled() {
        let now = Instant::now();
        let standby = Observed { role: Role::Standby, ..leader(None, now) };
        assert!(told(&ready(&standby), false).0 && told(&live(&standby), false).0);
        says(&ready(&leader(None, now)), false, "[-]caches failed: the controllers are starting\n");
        let unfilled = |is_required| Watch { is_synced: false, is_required, ..watch("works", now) };
        let observed = |watch| leader(Some(Activity { watches: vec![watch], ..Activity::default() }), now);
        says(&ready(&observed(unfilled(true))), false, "[-]caches failed: the cache of `works` is not filled yet\n");
        assert!(told(&ready(&observed(unfilled(false))), false).0, "a kind of templates that cannot be watched concerns nobody else");
        let loading = Observed { are_plugins_loaded: false, ..leader(Some(Activity::default()), now) };
        says(&ready(&loading), false, "[-]plugins failed: plugins are still being loaded\n");
    }
}
