//! Decisions as text for people.
//!
//! Says what was decided and why, in the order in which it was; the words of a reason are those of the decision itself.

use crate::preview::{Preview, Reason};
use crate::scheduling::{Decision, Outcome};
use std::fmt::Write;

/// A decision about clusters: one line for each that was chosen or left out, after a line for the whole.
pub fn scheduling(decision: &Decision<'_>) -> String {
    let mut text = match &decision.outcome {
        Outcome::Unchanged => format!("nothing to do: {}\n", decision.trigger),
        Outcome::Scheduled(_) => format!("scheduled: {}\n", decision.trigger),
        Outcome::Failed { why, .. } => format!("{}: {why}\n", why.reason()),
    };
    let clusters = match &decision.outcome {
        Outcome::Unchanged => &[][..],
        Outcome::Scheduled(clusters) | Outcome::Failed { clusters, .. } => clusters,
    };
    let verb = if matches!(decision.outcome, Outcome::Failed { .. }) { "stays" } else { "chosen" };
    clusters.iter().for_each(|target| line(&mut text, verb, &target.name, &replicas(target.replicas)));
    decision.rejected.iter().for_each(|(cluster, why)| line(&mut text, "left out", cluster, &why.to_string()));
    text
}

/// A preview: a block for each template, with what was decided on its way and the Works at the end of it.
pub fn preview(preview: &Preview) -> String {
    let mut text = String::new();
    let mut objects: Vec<&str> = preview.reasons.iter().map(|reason| reason.object.as_str()).collect();
    objects.dedup();
    for object in objects {
        writeln!(text, "{object}").expect("a string takes all");
        let reasons = preview.reasons.iter().filter(|reason| reason.object == object);
        reasons.for_each(|Reason { stage, cluster, message, .. }| {
            line(&mut text, &format!("{stage:?}").to_lowercase(), cluster.as_deref().unwrap_or("-"), message);
        });
        for work in &preview.works {
            let is_of = work.spec.manifests().iter().any(|manifest| manifest.display() == object);
            if let (true, Some(cluster)) = (is_of, crate::render::cluster_of(work)) {
                line(&mut text, "work", cluster, work.metadata.name.as_deref().unwrap_or(""));
            }
        }
    }
    text
}

fn replicas(count: i32) -> String {
    match count {
        0 => "no replicas of its own".to_owned(),
        1 => "1 replica".to_owned(),
        count => format!("{count} replicas"),
    }
}

fn line(text: &mut String, what: &str, who: &str, why: &str) {
    writeln!(text, "  {what:8}  {who}  {why}").expect("a string takes all");
}
