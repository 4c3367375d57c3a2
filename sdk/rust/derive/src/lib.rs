//! `#[derive(Fields)]` and `#[derive(ToJson)]`: a struct as the fields that a hook reads, and as JSON that it answers.
//!
//! They never look at types: what a field's type reads and writes is the business of `flotilla_sdk::Fields` and `ToJson`.

mod attributes;

use attributes::{Field, Place};
use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{DeriveInput, Generics, Result, parse_macro_input, parse_quote};

/// Makes a struct the fields that a hook reads.
///
/// A field's place is its name in camelCase (`ready_replicas` is `readyReplicas`) below the struct's own place. Attributes:
///
/// * `#[fields(rename = "clusterIP")]`: another key;
/// * `#[fields(path = "/metadata/annotations/shop.example.com~1zone")]`: a JSON pointer from the struct's own place, so that
///   one flat struct can name fields from all over an object;
/// * `#[fields(flatten)]`: the fields of this struct lie where the outer struct's do;
/// * `#[fields(default)]`, on a field or on the struct: absent and `null` read as the type's default.
#[proc_macro_derive(Fields, attributes(fields))]
pub fn fields(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    reading(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}

/// Makes a struct a value that a hook answers. Fields have the places that `derive(Fields)` gives them; those that are absent
/// (`None`) are left out, and with `#[fields(omit_zero)]`, on a field or on the struct, 0, `false`, `""` and empty lists and maps, too.
#[proc_macro_derive(ToJson, attributes(fields))]
pub fn to_json(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    writing(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}

/// The struct's generics, with the bound that each type parameter needs.
fn bounded(generics: &Generics, bound: TokenStream) -> Generics {
    let mut res = generics.clone();
    for parameter in res.type_params_mut() {
        parameter.bounds.push(parse_quote!(#bound));
    }
    res
}

fn reading(input: &DeriveInput) -> Result<TokenStream> {
    let fields = attributes::fields(input)?;
    let declared = fields.iter().map(|Field { kind, place, .. }| match place {
        Place::At(keys) => {
            let pointer = attributes::pointer(keys);
            quote!(<#kind as ::flotilla_sdk::Fields>::fields(&::flotilla_sdk::join(at, #pointer), into))
        }
        Place::Flat => quote!(<#kind as ::flotilla_sdk::Fields>::fields(at, into)),
    });
    let read = fields.iter().map(|Field { name, kind, place, default, .. }| match place {
        Place::Flat => quote!(#name: <#kind as ::flotilla_sdk::Fields>::read(value, at)?),
        Place::At(keys) if *default => {
            quote!(#name: ::flotilla_sdk::field::<::core::option::Option<#kind>>(value, at, &[#(#keys),*])?.unwrap_or_default())
        }
        Place::At(keys) => quote!(#name: ::flotilla_sdk::field::<#kind>(value, at, &[#(#keys),*])?),
    });
    let name = &input.ident;
    let generics = bounded(&input.generics, quote!(::flotilla_sdk::Fields));
    let (implement, arguments, condition) = generics.split_for_impl();
    Ok(quote! {
        impl #implement ::flotilla_sdk::Fields for #name #arguments #condition {
            fn fields(at: &str, into: &mut ::std::vec::Vec<::std::string::String>) {
                #(#declared;)*
            }
            fn read(value: ::flotilla_sdk::Value<'_>, at: &::flotilla_sdk::Path<'_>) -> ::flotilla_sdk::Result<Self> {
                ::core::result::Result::Ok(Self { #(#read,)* })
            }
        }
    })
}

fn writing(input: &DeriveInput) -> Result<TokenStream> {
    let fields = attributes::fields(input)?;
    if let Some(field) = fields.iter().find(|field| matches!(&field.place, Place::At(keys) if keys.len() > 1)) {
        return Err(syn::Error::new(field.name.span(), "`ToJson` writes one object: put the fields of another into a struct of its own"));
    }
    let members = fields.iter().map(|field| match (&field.name, &field.place) {
        (name, Place::Flat) => quote!(::flotilla_sdk::ToJson::write_members(&self.#name, into);),
        (name, Place::At(key)) => {
            let left_out = left_out(field);
            quote! {
                if !#left_out {
                    ::flotilla_sdk::write_key(#(#key)*, into);
                    ::flotilla_sdk::ToJson::write(&self.#name, into);
                }
            }
        }
    });
    let changes = fields.iter().map(|field| match (&field.name, &field.place) {
        (name, Place::Flat) => quote!(::flotilla_sdk::ToJson::change(&self.#name, at, into);),
        (name, Place::At(keys)) => {
            let (left_out, pointer) = (left_out(field), attributes::pointer(keys));
            quote! {
                let at_field = ::flotilla_sdk::join(at, #pointer);
                if #left_out {
                    ::flotilla_sdk::ToJson::change(&(), &at_field, into);
                } else {
                    ::flotilla_sdk::ToJson::change(&self.#name, &at_field, into);
                }
            }
        }
    });
    let name = &input.ident;
    let generics = bounded(&input.generics, quote!(::flotilla_sdk::ToJson));
    let (implement, arguments, condition) = generics.split_for_impl();
    Ok(quote! {
        impl #implement ::flotilla_sdk::ToJson for #name #arguments #condition {
            fn write(&self, into: &mut ::std::string::String) {
                into.push('{');
                ::flotilla_sdk::ToJson::write_members(self, into);
                into.push('}');
            }
            fn write_members(&self, into: &mut ::std::string::String) {
                #(#members)*
            }
            fn change(&self, at: &str, into: &mut ::flotilla_sdk::Changes) {
                #(#changes)*
            }
        }
    })
}

/// Whether a field is not written.
fn left_out(field: &Field) -> TokenStream {
    let question = format_ident!("{}", if field.omit_zero { "is_zero" } else { "is_absent" });
    let name = &field.name;
    quote!(::flotilla_sdk::ToJson::#question(&self.#name))
}
