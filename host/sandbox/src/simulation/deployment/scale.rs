//! How many pods each ReplicaSet of a Deployment may have: during a rollout, and when only the number changes.

use super::super::action::{Action, Target};
use super::super::kind::REPLICA_SET;
use super::revision::{DESIRED, MAX, Set};
use super::{COMPONENT, Rollout};
use k8s_openapi::api::apps::v1::DeploymentSpec;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::json;

/// The number that an int-or-percent means of `total`.
pub fn resolve(value: Option<&IntOrString>, total: i32, round_up: bool) -> i32 {
    match value {
        None => 0,
        Some(IntOrString::Int(number)) => *number,
        Some(IntOrString::String(text)) => {
            let percent: i64 = text.trim_end_matches('%').parse().unwrap_or(0);
            let hundredfold = percent * i64::from(total);
            i32::try_from(if round_up { (hundredfold + 99).div_euclid(100) } else { hundredfold.div_euclid(100) }).unwrap_or(i32::MAX)
        }
    }
}

/// `maxSurge` and `maxUnavailable` in pods; never both 0 in a rolling update, or it could not move.
pub fn fenceposts(spec: &DeploymentSpec, desired: i32) -> (i32, i32) {
    let strategy = spec.strategy.clone().unwrap_or_default();
    if strategy.type_.as_deref() == Some("Recreate") {
        return (0, 0);
    }
    let rolling = strategy.rolling_update.unwrap_or_default();
    let surge = resolve(rolling.max_surge.as_ref(), desired, true);
    let unavailable = resolve(rolling.max_unavailable.as_ref(), desired, false);
    let unavailable = if surge == 0 && unavailable == 0 { 1 } else { unavailable };
    (surge, unavailable.min(desired))
}

impl Rollout<'_> {
    /// Whether the Deployment's number changed since an active ReplicaSet was last scaled.
    pub fn is_scaling(&self) -> bool {
        let desired = Some(i64::from(self.desired));
        self.all().filter(|set| set.replicas > 0).any(|set| set.number(DESIRED).is_some() && set.number(DESIRED) != desired)
    }

    /// Gives the new ReplicaSet what the surge leaves room for; true when that changed.
    pub fn scale_new(&mut self) -> bool {
        let Some(new) = self.new.clone() else { return false };
        if new.replicas == self.desired {
            return false;
        }
        let total: i32 = self.all().map(|set| set.replicas).sum();
        let room = if self.is_recreate() { self.desired } else { (self.desired + self.surge - total).max(0) };
        let replicas = new.replicas.saturating_add(room).min(self.desired);
        self.scale_set(&new, replicas)
    }

    /// Takes from the old ReplicaSets what is not needed: pods that do not work first, then as many as may be missing.
    pub fn scale_down_old(&mut self) -> bool {
        let old_total: i32 = self.old.iter().map(|set| set.replicas).sum();
        let Some(new) = self.new.clone().filter(|_| old_total > 0) else { return false };
        let least = self.desired - self.unavailable;
        let spare = old_total + new.replicas - least - (new.replicas - new.available());
        if spare <= 0 {
            return false;
        }
        let mut changed = self.take_from_old(spare, |set| set.replicas - set.available());
        let available: i32 = self.all().map(Set::available).sum();
        changed |= self.take_from_old(available - least, |set| set.replicas);
        changed
    }

    /// Takes up to `spare` pods from the old ReplicaSets, the oldest first, from each what `from` says; true when it took any.
    fn take_from_old(&mut self, spare: i32, from: impl Fn(&Set) -> i32) -> bool {
        let mut taken = 0;
        for set in self.old.clone() {
            let count = from(&set).clamp(0, (spare - taken).max(0)).min(set.replicas);
            if count > 0 {
                self.scale_set(&set, set.replicas - count);
                taken += count;
            }
        }
        taken > 0
    }

    /// Scales all old ReplicaSets to 0; true when that changed any.
    pub fn scale_old_to_zero(&mut self) -> bool {
        let mut changed = false;
        for set in self.old.clone() {
            changed |= self.scale_set(&set, 0);
        }
        changed
    }

    /// Follows a change of the Deployment's number without a rollout: the one ReplicaSet that is in use gets all; several share.
    pub fn scale(&mut self) {
        let active: Vec<Set> = self.all().filter(|set| set.replicas > 0).cloned().collect();
        let only = match active.as_slice() {
            [] => self.new.clone().or_else(|| self.old.last().cloned()),
            [one] => Some(one.clone()),
            _ => None,
        };
        if let Some(only) = only {
            if only.replicas != self.desired {
                self.scale_set(&only, self.desired);
            }
        } else if self.is_saturated() {
            self.scale_old_to_zero();
        } else if !active.is_empty() && !self.is_recreate() {
            self.share(active);
        }
    }

    fn is_saturated(&self) -> bool {
        self.new.as_ref().is_some_and(|new| {
            let wanted = Some(i64::from(self.desired));
            new.number(DESIRED) == wanted && new.replicas == self.desired && new.available() == self.desired
        })
    }

    /// Divides what is to be added (or taken) in proportion to what the ReplicaSets have; the largest gets the rest.
    fn share(&mut self, mut active: Vec<Set>) {
        let total: i32 = active.iter().map(|set| set.replicas).sum();
        let allowed = if self.desired > 0 { self.desired + self.surge } else { 0 };
        let to_add = allowed - total;
        let newer_first = to_add > 0;
        active.sort_by(|a, b| {
            let by_age = a.object.metadata.creation_timestamp.cmp(&b.object.metadata.creation_timestamp);
            b.replicas.cmp(&a.replicas).then(if newer_first { by_age.reverse() } else { by_age })
        });
        let mut added = 0;
        let mut sizes: Vec<i32> = Vec::with_capacity(active.len());
        for set in &active {
            let part = self.proportion(set, to_add, added);
            added += part;
            sizes.push(set.replicas + part);
        }
        sizes[0] = (sizes[0] + to_add - added).max(0);
        for (set, size) in active.iter().zip(sizes) {
            self.scale_set_and_note(set, size);
        }
    }

    fn proportion(&self, set: &Set, to_add: i32, added: i32) -> i32 {
        if set.replicas == 0 || to_add == 0 || to_add == added {
            return 0;
        }
        let fraction = self.fraction(set);
        let left = to_add - added;
        if to_add > 0 { fraction.min(left) } else { fraction.max(left) }
    }

    fn fraction(&self, set: &Set) -> i32 {
        if self.desired == 0 {
            return -set.replicas;
        }
        let before = set.number(MAX).filter(|max| *max > 0).unwrap_or_else(|| i64::from(self.status.replicas.unwrap_or(0)));
        if before == 0 {
            return 0;
        }
        let size = i64::from(set.replicas) * i64::from(self.desired + self.surge);
        let rounded = (2 * size + before).div_euclid(2 * before);
        i32::try_from(rounded).unwrap_or(i32::MAX) - set.replicas
    }

    /// Gives a ReplicaSet `replicas` pods; true when that changed.
    fn scale_set(&mut self, set: &Set, replicas: i32) -> bool {
        set.replicas != replicas && self.scale_set_and_note(set, replicas)
    }

    /// The same, and notes the Deployment's number on it even where its own did not change.
    fn scale_set_and_note(&mut self, set: &Set, replicas: i32) -> bool {
        let max = self.desired + self.surge;
        let noted = set.number(DESIRED) == Some(i64::from(self.desired)) && set.number(MAX) == Some(i64::from(max));
        let changed = set.replicas != replicas;
        if noted && !changed {
            return false;
        }
        let patch = json!({
            "metadata": {"annotations": {DESIRED: self.desired.to_string(), MAX: max.to_string()}},
            "spec": {"replicas": replicas},
        });
        let mut action = Action::patch(Target::new(&REPLICA_SET, &set.object.metadata), patch);
        if changed {
            let direction = if replicas > set.replicas { "up" } else { "down" };
            let message = format!("Scaled {direction} replica set {} from {} to {replicas}", set.name(), set.replicas);
            action = action.saying(self.about().normal(COMPONENT, "ScalingReplicaSet", message));
        }
        self.actions.push(action);
        for known in self.old.iter_mut().chain(&mut self.new).filter(|known| known.name() == set.name()) {
            known.replicas = replicas;
        }
        changed
    }
}
