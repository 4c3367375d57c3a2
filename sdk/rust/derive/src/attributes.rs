//! What the author wrote: the struct's fields, each with its place and its options.

use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Error, Fields, Ident, LitStr, Result, Type};

/// A field of the author's struct.
pub struct Field {
    pub name: Ident,
    pub kind: Type,
    pub place: Place,
    pub default: bool,
    pub omit_zero: bool,
}

/// Where a field lies in the object.
pub enum Place {
    /// Where these keys lead to from the struct's own place.
    At(Vec<String>),
    /// Its own fields are the struct's, too.
    Flat,
}

#[derive(Default)]
struct Options {
    place: Option<Place>,
    default: bool,
    omit_zero: bool,
}

pub fn fields(input: &DeriveInput) -> Result<Vec<Field>> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new(input.span(), "`Fields` can be derived for structs only"));
    };
    let Fields::Named(named) = &data.fields else {
        return Err(Error::new(input.span(), "`Fields` needs a struct with named fields"));
    };
    let all = options(&input.attrs)?;
    let mut res = Vec::new();
    for field in &named.named {
        let name = field.ident.clone().expect("named above");
        let options = options(&field.attrs)?;
        let place = options.place.unwrap_or_else(|| Place::At(vec![camel_case(&name)]));
        let (default, omit_zero) = (options.default || all.default, options.omit_zero || all.omit_zero);
        res.push(Field { name, kind: field.ty.clone(), place, default, omit_zero });
    }
    Ok(res)
}

fn options(attributes: &[Attribute]) -> Result<Options> {
    let mut res = Options::default();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("fields")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("rename") {
                res.place = Some(Place::At(vec![meta.value()?.parse::<LitStr>()?.value()]));
            } else if meta.path.is_ident("path") {
                res.place = Some(Place::At(checked(&meta.value()?.parse()?)?));
            } else if meta.path.is_ident("flatten") {
                res.place = Some(Place::Flat);
            } else if meta.path.is_ident("default") {
                res.default = true;
            } else if meta.path.is_ident("omit_zero") {
                res.omit_zero = true;
            } else {
                return Err(meta.error("unknown option, known are `rename`, `path`, `flatten`, `default`, `omit_zero`"));
            }
            Ok(())
        })?;
    }
    Ok(res)
}

/// The keys of a JSON pointer.
fn checked(pointer: &LitStr) -> Result<Vec<String>> {
    let text = pointer.value();
    let problem = if !text.starts_with('/') {
        "a path starts with `/`"
    } else if text.split('/').skip(1).any(str::is_empty) {
        "a path has no empty segments"
    } else if text.split('/').any(|segment| segment == "*") {
        "`*` is written as `Vec<…>` or `BTreeMap<String, …>`"
    } else {
        return Ok(text.split('/').skip(1).map(|segment| segment.replace("~1", "/").replace("~0", "~")).collect());
    };
    Err(Error::new(pointer.span(), problem))
}

/// The JSON pointer of keys.
pub fn pointer(keys: &[String]) -> String {
    keys.iter().map(|key| format!("/{}", key.replace('~', "~0").replace('/', "~1"))).collect()
}

/// `ready_replicas` → `readyReplicas`.
fn camel_case(name: &Ident) -> String {
    let name = name.to_string();
    let mut res = String::new();
    for (i, word) in name.trim_start_matches("r#").split('_').filter(|word| !word.is_empty()).enumerate() {
        let (first, rest) = word.split_at(1);
        res.push_str(&if i == 0 { first.to_owned() } else { first.to_uppercase() });
        res.push_str(rest);
    }
    res
}
