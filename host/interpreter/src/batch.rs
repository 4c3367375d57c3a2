//! Answers one line of `flotilla interpret --batch`: a question in JSON, an answer in JSON.
//!
//! The shape is that of Karmada's interpreter webhook, so that its users feel at home; prints nothing and never fails.

use crate::layers::Chain;
use flotilla_api::interpretation::{Answer, ErrorClass, Health, HookError, Interpreter, Operation};
use flotilla_api::object::Object;
use flotilla_api::work::AggregatedStatusItem;
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Deserialize)]
struct Line {
    request: Request,
}

/// A question with all its arguments.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Request {
    pub operation: String,
    pub object: Object,
    pub observed_object: Option<Object>,
    #[serde(default)]
    pub replicas: i64,
    pub aggregated_status: Option<Vec<AggregatedStatusItem>>,
}

/// Why there is no answer: a hook's error, or a line that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unanswered {
    pub class: String,
    pub message: String,
}

/// Answers one line.
pub fn answer(chain: &Chain, line: &str) -> Value {
    let answered = read(line).and_then(|(operation, request)| ask(chain, operation, &request));
    answered.unwrap_or_else(|why| json!({"error": {"class": why.class, "message": why.message}}))
}

fn read(line: &str) -> Result<(Operation, Request), Unanswered> {
    let Line { request } = serde_json::from_str(line).map_err(|why| bad_request(why.to_string()))?;
    let operation = request.operation.parse().map_err(bad_request)?;
    match request.object.is_object() {
        true => Ok((operation, request)),
        false => Err(bad_request("`request.object` is not an object".to_owned())),
    }
}

/// Asks the chain; the answer has the keys of Karmada's webhook responses.
pub(crate) fn ask(chain: &Chain, operation: Operation, request: &Request) -> Result<Value, Unanswered> {
    let object = &request.object;
    match operation {
        Operation::InterpretReplica => {
            let demand = answered(operation, object, chain.replicas(object))?;
            let mut answer = Map::from_iter([("replicas".to_owned(), demand.replicas.into())]);
            if let Some(requirements) = demand.requirements {
                answer.insert("replicaRequirements".to_owned(), json!(requirements));
            }
            Ok(Value::Object(answer))
        }
        Operation::InterpretComponent => Ok(json!({"components": answered(operation, object, chain.components(object))?})),
        Operation::ReviseReplica => Ok(json!({"object": answered(operation, object, chain.revise(object, request.replicas))?})),
        Operation::Retain => {
            let observed =
                request.observed_object.as_ref().ok_or_else(|| bad_request("Retain needs `request.observedObject`".to_owned()))?;
            Ok(json!({"object": answered(operation, object, chain.retain(object, observed))?}))
        }
        Operation::InterpretStatus => Ok(json!({"rawStatus": answered(operation, object, chain.reflect(object))?})),
        Operation::AggregateStatus => {
            let items = request.aggregated_status.as_deref();
            Ok(json!({"object": answered(operation, object, chain.aggregate(object, items))?}))
        }
        Operation::InterpretHealth => match answered(operation, object, chain.health(object))? {
            Health::Healthy => Ok(json!({"healthy": true})),
            Health::Unhealthy(why) => Ok(json!({"healthy": false, "message": why})),
            Health::Unknown(why) => Err(Unanswered {
                class: ErrorClass::PluginFailed.to_string(),
                message: format!("the health of {} is unknown: {why}", object.display()),
            }),
        },
        Operation::InterpretDependency => Ok(json!({"dependencies": answered(operation, object, chain.dependencies(object))?})),
    }
}

fn answered<T>(operation: Operation, object: &Object, asked: Result<Option<Answer<T>>, HookError>) -> Result<T, Unanswered> {
    match asked {
        Ok(Some(answer)) => Ok(answer.value),
        Ok(None) => Err(Unanswered {
            class: ErrorClass::NoInterpreter.to_string(),
            message: format!("no plugin answers {operation} for {}", object.gvk()),
        }),
        Err(error) => Err(Unanswered { class: error.class.to_string(), message: error.message }),
    }
}

fn bad_request(message: String) -> Unanswered {
    Unanswered { class: "BadRequest".to_owned(), message }
}
