//! The plugin contract in Rust: types and host traits generated from `sdk/wit/v1`, and the names by which hooks are found.
//!
//! One world of our own unites all eight hook interfaces so that their types are generated once; no plugin has to export them all.
#![allow(missing_docs, reason = "generated from the WIT, which is documented")]

use flotilla_api::interpretation::Operation;

wasmtime::component::bindgen!({
    inline: "
        package flotilla:host@1.0.0;
        world every-hook {
            import flotilla:interpreter/host@1.0.0;
            import flotilla:interpreter/kube@1.0.0;
            import flotilla:interpreter/last-words@1.0.0;
            export flotilla:interpreter/replicas@1.0.0;
            export flotilla:interpreter/components@1.0.0;
            export flotilla:interpreter/revision@1.0.0;
            export flotilla:interpreter/retention@1.0.0;
            export flotilla:interpreter/reflection@1.0.0;
            export flotilla:interpreter/aggregation@1.0.0;
            export flotilla:interpreter/health@1.0.0;
            export flotilla:interpreter/dependencies@1.0.0;
        }
    ",
    path: "../../sdk/wit/v1",
    world: "flotilla:host/every-hook",
});

pub(crate) use flotilla::interpreter::{host, kube, last_words, types};

/// The package of the contract, without its version.
pub(crate) const PACKAGE: &str = "flotilla:interpreter";
/// The version of the contract that this host speaks.
pub const VERSION: &str = "1.0.0";
/// Major version that this host speaks.
pub(crate) const MAJOR: u64 = 1;
/// Newest minor version that this host speaks.
pub(crate) const MINOR: u64 = 0;

/// The function of a hook's interface that answers.
pub(crate) fn function(operation: Operation) -> &'static str {
    match operation {
        Operation::InterpretReplica | Operation::InterpretComponent => "interpret",
        Operation::ReviseReplica => "revise",
        Operation::Retain => "retain",
        Operation::InterpretStatus => "reflect",
        Operation::AggregateStatus => "aggregate",
        Operation::InterpretHealth => "assess",
        Operation::InterpretDependency => "find",
    }
}

/// An interface name such as `flotilla:interpreter/health@1.0.0`, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InterfaceName<'a> {
    pub package: &'a str,
    pub interface: &'a str,
    pub major: u64,
    pub minor: u64,
}

impl<'a> InterfaceName<'a> {
    /// Reads `namespace:package/interface@major.minor.patch`; `None` for any other import or export name.
    pub fn parse(name: &'a str) -> Option<Self> {
        let (path, version) = name.split_once('@')?;
        let (package, interface) = path.split_once('/')?;
        let mut numbers = version.split(['.', '-', '+']).map(|part| part.parse().ok());
        Some(Self { package, interface, major: numbers.next()??, minor: numbers.next()?? })
    }

    /// Whether this is an interface of our contract, of whatever version.
    pub fn is_ours(&self) -> bool {
        self.package == PACKAGE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interface_names_are_taken_apart() {
        let name = InterfaceName::parse("flotilla:interpreter/health@1.2.3").expect("a versioned interface");
        assert_eq!((name.interface, name.major, name.minor, name.is_ours()), ("health", 1, 2, true));
        assert_eq!(InterfaceName::parse("run"), None);
        assert!(!InterfaceName::parse("wasi:io/poll@0.2.3").expect("a versioned interface").is_ours());
    }
}
