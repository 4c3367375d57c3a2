//! Empty, deterministic stand-ins for WASI, so that components of toolchains that always import it (Go, Python, JavaScript) load.
//!
//! They grant nothing: no file, no socket, no environment, a clock that stands at zero, "random" bytes that are zero. What is
//! written to standard output vanishes; plugins log through the contract's `log`.

use super::Call;
use crate::contract::InterfaceName;
use wasmtime::component::types::{ComponentItem, Type};
use wasmtime::component::{Component, Linker, Resource, ResourceType, Val};
use wasmtime::{StoreContextMut, bail};

/// Host type of all resources of the stubs.
struct Nothing;

/// The guest called `wasi:cli/exit`.
#[derive(Debug, thiserror::Error)]
#[error("the component ended itself")]
pub(crate) struct Exited;

/// Bytes that a stream of the stubs says it takes at once.
const WRITE_BUDGET: u64 = 64 << 10;
/// Longest list of "random" bytes.
const RANDOM_BYTES: u64 = 1 << 20;

/// Whether an import is WASI's, for which a stand-in exists.
pub(crate) fn is_wasi(import: &str) -> bool {
    InterfaceName::parse(import).is_some_and(|name| name.package.starts_with("wasi:"))
}

/// Defines every WASI import of the component.
pub(crate) fn add_stubs(linker: &mut Linker<Call>, component: &Component) -> wasmtime::Result<()> {
    let engine = component.engine().clone();
    for (name, import) in component.component_type().imports(&engine).filter(|(name, _)| is_wasi(name)) {
        let ComponentItem::ComponentInstance(interface) = import.ty else { continue };
        let mut instance = linker.instance(name)?;
        for (item, export) in interface.exports(&engine) {
            match export.ty {
                ComponentItem::Resource(_) => {
                    instance.resource(item, ResourceType::host::<Nothing>(), |_, _| Ok(()))?;
                }
                ComponentItem::ComponentFunc(_) => {
                    let called = item.to_owned();
                    instance.func_new(item, move |store, function, given, results| {
                        let types: Vec<Type> = function.results().collect();
                        answer(store, &called, given, &types, results)
                    })?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Answers a call: a few functions need a sensible answer for a runtime to start, all others get the emptiest value of their type.
fn answer(
    mut store: StoreContextMut<'_, Call>,
    function: &str,
    given: &[Val],
    types: &[Type],
    results: &mut [Val],
) -> wasmtime::Result<()> {
    given.iter().try_for_each(|value| give_back(&mut store, value))?;
    if function == "exit" || function == "exit-with-code" {
        return Err(Exited.into());
    }
    for (result, of) in results.iter_mut().zip(types) {
        *result = match function {
            "[method]output-stream.check-write" => Val::Result(Ok(Some(Box::new(Val::U64(WRITE_BUDGET))))),
            "get-random-bytes" | "get-insecure-random-bytes" => Val::List(vec![Val::U8(0); zeros(given)?]),
            _ if function.starts_with("[method]output-stream.") => succeeded(&mut store, of)?,
            _ => emptiest(&mut store, of)?,
        };
    }
    Ok(())
}

/// Lets go of the handles in a value: the guest lent them for the call.
fn give_back(store: &mut StoreContextMut<'_, Call>, value: &Val) -> wasmtime::Result<()> {
    match value {
        Val::Resource(handle) => handle.resource_drop(&mut *store),
        Val::List(values) | Val::Tuple(values) => values.iter().try_for_each(|value| give_back(store, value)),
        Val::Record(fields) => fields.iter().try_for_each(|(_, value)| give_back(store, value)),
        Val::Option(Some(value)) | Val::Variant(_, Some(value)) => give_back(store, value),
        _ => Ok(()),
    }
}

fn zeros(given: &[Val]) -> wasmtime::Result<usize> {
    match given {
        [Val::U64(count)] if *count <= RANDOM_BYTES => Ok(*count as usize),
        _ => bail!("asked for too many random bytes"),
    }
}

/// `ok` with the emptiest value, for functions whose failure would end the guest.
fn succeeded(store: &mut StoreContextMut<'_, Call>, of: &Type) -> wasmtime::Result<Val> {
    match of {
        Type::Result(of) => {
            let value = of.ok().map(|ok| emptiest(store, &ok)).transpose()?;
            Ok(Val::Result(Ok(value.map(Box::new))))
        }
        of => emptiest(store, of),
    }
}

/// The emptiest value of a type: zero, nothing, the first case, and an error where one can be given.
fn emptiest(store: &mut StoreContextMut<'_, Call>, of: &Type) -> wasmtime::Result<Val> {
    Ok(match of {
        Type::Bool => Val::Bool(false),
        Type::S8 => Val::S8(0),
        Type::U8 => Val::U8(0),
        Type::S16 => Val::S16(0),
        Type::U16 => Val::U16(0),
        Type::S32 => Val::S32(0),
        Type::U32 => Val::U32(0),
        Type::S64 => Val::S64(0),
        Type::U64 => Val::U64(0),
        Type::Float32 => Val::Float32(0.0),
        Type::Float64 => Val::Float64(0.0),
        Type::Char => Val::Char(' '),
        Type::String => Val::String(String::new()),
        Type::List(_) => Val::List(Vec::new()),
        Type::Option(_) => Val::Option(None),
        Type::Flags(_) => Val::Flags(Vec::new()),
        Type::Tuple(tuple) => Val::Tuple(tuple.types().map(|of| emptiest(store, &of)).collect::<Result<_, _>>()?),
        Type::Record(record) => Val::Record(
            record.fields().map(|field| Ok((field.name.to_owned(), emptiest(store, &field.ty)?))).collect::<wasmtime::Result<_>>()?,
        ),
        Type::Enum(cases) => match cases.names().next() {
            Some(first) => Val::Enum(first.to_owned()),
            None => bail!("an enum without cases"),
        },
        Type::Variant(variant) => match variant.cases().next() {
            Some(first) => Val::Variant(first.name.to_owned(), boxed(store, first.ty)?),
            None => bail!("a variant without cases"),
        },
        Type::Result(of) => match of.err() {
            Some(err) => Val::Result(Err(Some(Box::new(emptiest(store, &err)?)))),
            None => Val::Result(Err(None)),
        },
        Type::Own(_) => Val::Resource(Resource::<Nothing>::new_own(0).try_into_resource_any(&mut *store)?),
        _ => bail!("WASI gives no {of:?} here"),
    })
}

fn boxed(store: &mut StoreContextMut<'_, Call>, of: Option<Type>) -> wasmtime::Result<Option<Box<Val>>> {
    of.map(|of| emptiest(store, &of).map(Box::new)).transpose()
}
