//! Group `policy.karmada.io/v1alpha1`: which objects go where, and what is changed on the way.
//!
//! Start at [`PropagationSpec`] and [`OverrideSpec`]; each is shared by a namespaced kind and a cluster-scoped one.

mod failover;
mod overrides;
mod placement;
mod propagation;

pub use failover::*;
pub use overrides::*;
pub use placement::*;
pub use propagation::*;

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads a policy as users write it: a field that is null counts as absent, as it does when an API server takes the policy. The values
/// of overriders are left as they are.
pub fn read<T: DeserializeOwned>(policy: &Value) -> Result<T, serde_json::Error> {
    serde_json::from_value(without_nulls(policy))
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let present = fields.iter().filter(|(_, value)| !value.is_null());
            let kept = |(key, value): (&String, &Value)| {
                let value = if key == "value" { value.clone() } else { without_nulls(value) };
                (key.clone(), value)
            };
            Value::Object(present.map(kept).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_nulls).collect()),
        other => other.clone(),
    }
}
