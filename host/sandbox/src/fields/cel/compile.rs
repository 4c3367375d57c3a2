//! Rules from a schema, and what the API server says of rules that are none.
//!
//! Of types only so much is looked at: whether a field is one that the schema has, and whether a rule plainly answers no boolean.

use super::library::ENVIRONMENT;
use super::values::{Form, escaped};
use super::{Rule, Rules};
use crate::fields::golang::quoted;
use crate::status::{FieldError, FieldReason};
use ::cel::Program;
use ::cel::common::ast::{Expr, IdedExpr, LiteralValue, SourceInfo, operators};
use serde_json::{Value, json};

const FIELD: &str = "x-kubernetes-validations";

/// The rules of a schema; `None` where it has none.
///
/// # Errors
/// What is wrong with its rules. Paths start at the schema.
pub(crate) fn rules(schema: &Value) -> Result<Option<Rules>, Vec<FieldError>> {
    let mut faults = Vec::new();
    written(schema, "", &mut faults);
    if !faults.is_empty() {
        return Err(faults);
    }
    let rules = compiled(schema, "", true, &mut faults);
    if faults.is_empty() { Ok(Some(rules).filter(Rules::any)) } else { Err(faults) }
}

fn own(schema: &Value) -> impl Iterator<Item = (usize, &Value)> {
    schema[FIELD].as_array().into_iter().flatten().enumerate()
}

fn at(path: &str, step: &str) -> String {
    if path.is_empty() { step.to_owned() } else { format!("{path}.{step}") }
}

/// The parts of a schema that may have rules of their own, with their paths.
fn parts<'a>(schema: &'a Value, path: &str) -> Vec<(String, &'a Value)> {
    let properties = schema["properties"].as_object().into_iter().flatten();
    let mut parts: Vec<_> = properties.map(|(name, part)| (at(path, &format!("properties[{name}]")), part)).collect();
    let others = ["additionalProperties", "items"].into_iter().filter(|name| schema[*name].is_object());
    parts.extend(others.map(|name| (at(path, name), &schema[name])));
    parts
}

/// What is wrong with how rules are written down, whatever they say.
fn written(schema: &Value, path: &str, faults: &mut Vec<FieldError>) {
    const REASONS: [&str; 4] = ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];
    for (index, rule) in own(schema) {
        let text = |name: &str| rule[name].as_str().unwrap_or_default().trim();
        let mut add = |reason, field: &str, value: String, detail: String| {
            let field = at(path, &format!("{FIELD}[{index}].{field}"));
            faults.push(FieldError { reason, field, value, detail });
        };
        if text("rule").is_empty() {
            add(FieldReason::Required, "rule", String::new(), "rule is not specified".to_owned());
        }
        if text("message").contains('\n') {
            add(FieldReason::Invalid, "message", quoted(text("message")), "message must not contain line breaks".to_owned());
        }
        let reason = text("reason");
        if !reason.is_empty() && !REASONS.contains(&reason) {
            let supported = REASONS.map(quoted).join(", ");
            add(FieldReason::NotSupported, "reason", quoted(reason), format!("supported values: {supported}"));
        }
        let field_path = text("fieldPath");
        if !field_path.is_empty() && !leads_somewhere(schema, field_path) {
            add(FieldReason::Invalid, "fieldPath", quoted(field_path), "must be a valid path".to_owned());
        }
    }
    for (path, part) in parts(schema, path) {
        written(part, &path, faults);
    }
}

/// Whether a `fieldPath` names a field of the schema.
fn leads_somewhere(schema: &Value, path: &str) -> bool {
    let mut place = schema;
    for step in path.split(['.', '[']).filter(|step| !step.is_empty()) {
        let name = step.trim_end_matches(']').trim_matches(['\'', '"']);
        place = if place["properties"][name].is_object() { &place["properties"][name] } else { &place["additionalProperties"] };
    }
    path.starts_with(['.', '[']) && place.is_object()
}

fn compiled(schema: &Value, path: &str, is_resource: bool, faults: &mut Vec<FieldError>) -> Rules {
    let is_resource = is_resource || schema["x-kubernetes-embedded-resource"] == Value::Bool(true);
    let mut rules = Vec::new();
    for (index, rule) in own(schema) {
        match compiled_rule(schema, rule, is_resource) {
            Ok(rule) => rules.push(rule),
            Err((field, value, detail)) => {
                let field = at(path, &format!("{FIELD}[{index}].{field}"));
                faults.push(FieldError { reason: FieldReason::Invalid, field, value, detail });
            }
        }
    }
    let mut below = |name: &str| {
        let part = &schema[name];
        part.is_object().then(|| Box::new(compiled(part, &at(path, name), false, faults)))
    };
    let (additional, items) = (below("additionalProperties"), below("items"));
    let properties = schema["properties"].as_object().into_iter().flatten();
    let properties = properties.filter(|(name, _)| !(is_resource && *name == "metadata")).map(|(name, part)| {
        let path = at(path, &format!("properties[{name}]"));
        (name.clone(), compiled(part, &path, false, faults))
    });
    let keys = schema["x-kubernetes-list-map-keys"].as_array();
    Rules {
        own: rules,
        form: Form::of(schema, is_resource),
        type_name: schema["type"].as_str().unwrap_or_default().to_owned(),
        properties: properties.filter(|(_, rules)| rules.any()).collect(),
        additional: additional.filter(|rules| rules.any()),
        items: items.filter(|rules| rules.any()),
        keys: keys.map(|keys| keys.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
    }
}

/// Field, value and words of what is wrong with a rule.
type Fault = (&'static str, String, String);

fn compiled_rule(schema: &Value, rule: &Value, is_resource: bool) -> Result<Rule, Fault> {
    let text = |name: &str| rule[name].as_str().unwrap_or_default().trim();
    let wrong = |field, words: String| {
        let shown = json!({"Rule": text("rule"), "Message": text("message"), "MessageExpression": text("messageExpression"),
            "Reason": rule["reason"], "FieldPath": text("fieldPath"), "OptionalOldSelf": rule["optionalOldSelf"]});
        (field, shown.to_string(), words)
    };
    let program = |field, source: &str| {
        let program = ENVIRONMENT.compile(source).map_err(|error| wrong(field, failed(&error.to_string())))?;
        let mut types = Types { source: program.source_info(), bound: vec![("self".to_owned(), Some(schema))], is_resource, schema };
        if rule["optionalOldSelf"] != Value::Bool(true) {
            types.bound.push(("oldSelf".to_owned(), Some(schema)));
        }
        match types.fault(program.expression()) {
            Some(fault) => Err(wrong(field, failed(&fault))),
            None => Ok(program),
        }
    };
    let main = program("rule", text("rule"))?;
    if answers_no_boolean(main.expression()) {
        return Err(wrong("rule", "cel expression must evaluate to a bool".to_owned()));
    }
    let expression = text("messageExpression");
    let message_expression = if expression.is_empty() { None } else { Some(program("messageExpression", expression)?) };
    Ok(Rule {
        compares: mentions_old(&main),
        program: main,
        text: text("rule").to_owned(),
        message: text("message").to_owned(),
        message_expression,
        reason: match text("reason") {
            "FieldValueDuplicate" => FieldReason::Duplicate,
            "FieldValueForbidden" => FieldReason::Forbidden,
            "FieldValueRequired" => FieldReason::Required,
            _ => FieldReason::Invalid,
        },
        field_path: text("fieldPath").to_owned(),
        is_old_optional: rule["optionalOldSelf"] == Value::Bool(true),
    })
}

fn failed(problem: &str) -> String {
    format!("compilation failed: {}", problem.replace("\n| ", "\n | "))
}

fn mentions_old(program: &Program) -> bool {
    program.references().has_variable("oldSelf")
}

fn answers_no_boolean(expression: &IdedExpr) -> bool {
    const ARITHMETIC: [&str; 6] =
        [operators::ADD, operators::SUBSTRACT, operators::MULTIPLY, operators::DIVIDE, operators::MODULO, operators::NEGATE];
    match &expression.expr {
        Expr::Call(call) => ARITHMETIC.contains(&call.func_name.as_str()) || ["size", "string", "int"].contains(&call.func_name.as_str()),
        Expr::Literal(literal) => !matches!(literal, LiteralValue::Boolean(_)),
        Expr::List(_) | Expr::Map(_) => true,
        _ => false,
    }
}

/// What the schema says of the variables in scope.
struct Types<'a> {
    source: &'a SourceInfo,
    /// Variables, innermost last; `None` for one of which nothing is known.
    bound: Vec<(String, Option<&'a Value>)>,
    is_resource: bool,
    schema: &'a Value,
}

impl<'a> Types<'a> {
    /// The first field in an expression that its schema does not have.
    fn fault(&mut self, expression: &IdedExpr) -> Option<String> {
        match &expression.expr {
            Expr::Select(select) => self.fault(&select.operand).or_else(|| self.undefined(expression, &select.operand, &select.field)),
            Expr::Call(call) => call.target.iter().map(|target| &**target).chain(&call.args).find_map(|part| self.fault(part)),
            Expr::List(list) => list.elements.iter().find_map(|element| self.fault(element)),
            Expr::Comprehension(loop_) => {
                let fault = self.fault(&loop_.iter_range);
                let item = self.schema_of(&loop_.iter_range).map(|schema| &schema["items"]).filter(|items| items.is_object());
                let length = self.bound.len();
                self.bound.push((loop_.iter_var.clone(), item));
                self.bound.extend(loop_.iter_var2.iter().map(|name| (name.clone(), None)));
                let fault = fault.or_else(|| [&loop_.loop_cond, &loop_.loop_step].into_iter().find_map(|part| self.fault(part)));
                self.bound.truncate(length);
                fault
            }
            _ => None,
        }
    }

    fn undefined(&self, expression: &IdedExpr, operand: &IdedExpr, field: &str) -> Option<String> {
        let schema = self.schema_of(operand)?;
        let (of, properties) = (schema["type"].as_str(), &schema["properties"]);
        let is_struct = of == Some("object") && properties.is_object() && !schema["additionalProperties"].is_object();
        let is_root = self.is_resource && std::ptr::eq(schema, self.schema);
        let is_given = is_root && ["apiVersion", "kind", "metadata"].contains(&field);
        if !is_struct || is_given || field_of(schema, field).is_some() {
            return None;
        }
        Some(self.located(expression, &format!("undefined field '{field}'")))
    }

    fn schema_of(&self, expression: &IdedExpr) -> Option<&'a Value> {
        match &expression.expr {
            Expr::Ident(name) => self.bound.iter().rev().find(|(bound, _)| bound == name)?.1,
            Expr::Select(select) if !select.test => {
                let schema = self.schema_of(&select.operand)?;
                field_of(schema, &select.field).or_else(|| Some(&schema["additionalProperties"]).filter(|values| values.is_object()))
            }
            _ => None,
        }
    }

    /// A message with the line that it is about, and a mark below.
    fn located(&self, expression: &IdedExpr, message: &str) -> String {
        let start = self.source.offset_for(expression.id).map_or(0, |(start, _)| start as usize);
        let before = &self.source.source[..start.min(self.source.source.len())];
        let (line, column) = (before.matches('\n').count(), before.rsplit('\n').next().map_or(0, |last| last.chars().count()));
        let text = self.source.source.lines().nth(line).unwrap_or_default();
        format!("ERROR: <input>:{}:{}: {message}\n | {text}\n | {}^", line + 1, column + 1, ".".repeat(column))
    }
}

fn field_of<'a>(schema: &'a Value, field: &str) -> Option<&'a Value> {
    let properties = schema["properties"].as_object()?;
    properties.iter().find_map(|(name, property)| (escaped(name) == field).then_some(property))
}
