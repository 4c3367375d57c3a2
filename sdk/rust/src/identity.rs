//! Who a plugin is: written into the binary, so that nothing else has to say it.

/// Makes a plugin of a type: exports the hooks that it names and writes the plugin's identity into the binary, as the custom
/// section `flotilla:plugin`. Once for each crate.
///
/// `targets` are the kinds that it serves, as `group/version/Kind` (`v1/Pod` for the core group). `version` may follow `name`; it
/// is the crate's by default. `hooks` are those of `replicas`, `components`, `revision`, `retention`, `reflection`, `aggregation`,
/// `health` and `dependencies` whose traits the type has.
#[macro_export]
macro_rules! plugin {
    (name: $name:literal, targets: $targets:tt, plugin: $plugin:ty, hooks: $hooks:tt $(,)?) => {
        $crate::plugin! {
            name: $name, version: env!("CARGO_PKG_VERSION"), targets: $targets, plugin: $plugin, hooks: $hooks,
        }
    };
    (
        name: $name:literal, version: $version:expr,
        targets: [$target:literal $(, $more:literal)* $(,)?],
        plugin: $plugin:ty, hooks: [$($hook:ident),+ $(,)?] $(,)?
    ) => {
        const _: () = {
            const IDENTITY: &str = concat!(
                "{\"name\":\"", $name, "\",\"version\":\"", $version,
                "\",\"targets\":[\"", $target, "\"", $(",\"", $more, "\"",)* "],\"sdk\":\"", $crate::sdk_version!(), "\"}",
            );
            #[cfg(target_arch = "wasm32")]
            #[unsafe(link_section = "flotilla:plugin")]
            #[used]
            static SECTION: [u8; IDENTITY.len()] = $crate::bytes(IDENTITY);
            #[cfg(not(target_arch = "wasm32"))]
            const _: [u8; IDENTITY.len()] = $crate::bytes(IDENTITY);
        };
        #[allow(dead_code)]
        type FlotillaPlugin = $crate::bindings::Exported<$plugin>;
        $( $crate::export_hook!($hook); )+
    };
}

/// Which SDK a plugin was built with: `flotilla-sdk 0.1.0`.
#[doc(hidden)]
#[macro_export]
macro_rules! sdk_version {
    () => {
        "flotilla-sdk 0.1.0"
    };
}

/// Exports one hook of the type `FlotillaPlugin`.
#[doc(hidden)]
#[macro_export]
macro_rules! export_hook {
    (replicas) => {
        $crate::bindings::replicas::export_replicas!(FlotillaPlugin);
    };
    (components) => {
        $crate::bindings::components::export_components!(FlotillaPlugin);
    };
    (revision) => {
        $crate::bindings::revision::export_revision!(FlotillaPlugin);
    };
    (retention) => {
        $crate::bindings::retention::export_retention!(FlotillaPlugin);
    };
    (reflection) => {
        $crate::bindings::reflection::export_reflection!(FlotillaPlugin);
    };
    (aggregation) => {
        $crate::bindings::aggregation::export_aggregation!(FlotillaPlugin);
    };
    (health) => {
        $crate::bindings::health::export_health!(FlotillaPlugin);
    };
    (dependencies) => {
        $crate::bindings::dependencies::export_dependencies!(FlotillaPlugin);
    };
    ($other:ident) => {
        compile_error!(concat!(
            "unknown hook `",
            stringify!($other),
            "`, known are replicas, components, revision, retention, reflection, aggregation, health, dependencies",
        ));
    };
}

/// A text as an array: what a link section is made of.
pub const fn bytes<const N: usize>(text: &str) -> [u8; N] {
    let from = text.as_bytes();
    let mut res = [0; N];
    let mut i = 0;
    while i < N {
        res[i] = from[i];
        i += 1;
    }
    res
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_sdk_names_its_own_version() {
        assert_eq!(sdk_version!(), concat!("flotilla-sdk ", env!("CARGO_PKG_VERSION")));
    }
}
