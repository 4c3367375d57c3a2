//! What Kubernetes adds to the language: quantities, addresses, URLs, regular expressions, sums.
//!
//! A quantity is a double here, a time or duration an int of nanoseconds, an address or a URL its text: they compare as they should.

use super::values;
use crate::fields::golang::nanoseconds;
use ::cel::common::types::{CelBool, CelDouble, CelInt, CelList, CelString};
use ::cel::common::value::Val;
use ::cel::{DeclarationError, Env, ExecutionError, add_member_overload, add_overload, extensions};
use flotilla_api::quantity::Amount;
use regex::Regex;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

/// Everything that an expression may call.
pub(super) static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut environment = Env::stdlib();
    for extension in [extensions::strings, extensions::lists, quantities, times, addresses, urls, texts, lists] {
        environment.add_extension(extension).expect("no function is declared twice");
    }
    Arc::new(environment)
});

type Answer<T> = Result<T, ExecutionError>;

fn wrong(function: &str, message: impl ToString) -> ExecutionError {
    ExecutionError::function_error(function, message)
}

fn quantities(env: &mut Env) -> Result<(), DeclarationError> {
    fn parsed(text: &str) -> Option<f64> {
        text.parse::<Amount>().ok().map(Amount::as_f64)
    }
    fn is_quantity(text: &CelString<'_>) -> CelBool {
        parsed(text.inner()).is_some().into()
    }
    fn quantity(text: &CelString<'_>) -> Answer<CelDouble> {
        const MALFORMED: &str = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
        parsed(text.inner()).map(CelDouble::from).ok_or_else(|| wrong("quantity", MALFORMED))
    }
    fn less(a: &CelDouble, b: &CelDouble) -> CelBool {
        (a.inner() < b.inner()).into()
    }
    fn greater(a: &CelDouble, b: &CelDouble) -> CelBool {
        (a.inner() > b.inner()).into()
    }
    fn compare(a: &CelDouble, b: &CelDouble) -> CelInt {
        a.inner().partial_cmp(b.inner()).map_or(0, |order| order as i64).into()
    }
    fn sign(a: &CelDouble) -> CelInt {
        (if *a.inner() == 0.0 { 0 } else { a.inner().signum() as i64 }).into()
    }
    fn is_integer(a: &CelDouble) -> CelBool {
        (a.inner().fract() == 0.0).into()
    }
    fn as_integer(a: &CelDouble) -> Answer<CelInt> {
        if a.inner().fract() == 0.0 { Ok((*a.inner() as i64).into()) } else { Err(wrong("asInteger", "cannot convert value to integer")) }
    }
    fn as_float(a: &CelDouble) -> CelDouble {
        (*a.inner()).into()
    }
    fn add(a: &CelDouble, b: &CelDouble) -> CelDouble {
        (a.inner() + b.inner()).into()
    }
    fn sub(a: &CelDouble, b: &CelDouble) -> CelDouble {
        (a.inner() - b.inner()).into()
    }
    add_overload!(env, fn is_quantity: (CelString) -> CelBool, name = "isQuantity")?;
    add_overload!(env, fn quantity: (CelString) -> Result<CelDouble>)?;
    add_member_overload!(env, fn less: (CelDouble, CelDouble) -> CelBool, name = "isLessThan")?;
    add_member_overload!(env, fn greater: (CelDouble, CelDouble) -> CelBool, name = "isGreaterThan")?;
    add_member_overload!(env, fn compare: (CelDouble, CelDouble) -> CelInt, name = "compareTo")?;
    add_member_overload!(env, fn sign: (CelDouble) -> CelInt)?;
    add_member_overload!(env, fn is_integer: (CelDouble) -> CelBool, name = "isInteger")?;
    add_member_overload!(env, fn as_integer: (CelDouble) -> Result<CelInt>, name = "asInteger")?;
    add_member_overload!(env, fn as_float: (CelDouble) -> CelDouble, name = "asApproximateFloat")?;
    add_member_overload!(env, fn add: (CelDouble, CelDouble) -> CelDouble)?;
    add_member_overload!(env, fn sub: (CelDouble, CelDouble) -> CelDouble)
}

fn times(env: &mut Env) -> Result<(), DeclarationError> {
    fn timestamp(text: &CelString<'_>) -> Answer<CelInt> {
        values::nanoseconds_of_time(text.inner()).map(CelInt::from).ok_or_else(|| wrong("timestamp", "timestamp is not valid"))
    }
    fn duration(text: &CelString<'_>) -> Answer<CelInt> {
        nanoseconds(text.inner()).map(CelInt::from).ok_or_else(|| wrong("duration", "duration is not valid"))
    }
    add_overload!(env, fn timestamp: (CelString) -> Result<CelInt>)?;
    add_overload!(env, fn duration: (CelString) -> Result<CelInt>)
}

fn addresses(env: &mut Env) -> Result<(), DeclarationError> {
    fn address(text: &str) -> Option<IpAddr> {
        text.parse().ok()
    }
    fn network(text: &str) -> Option<(IpAddr, u8)> {
        let (start, length) = text.split_once('/')?;
        let (start, length) = (address(start)?, length.parse().ok()?);
        (length <= if start.is_ipv4() { 32 } else { 128 }).then_some((start, length))
    }
    fn bits(address: IpAddr) -> u128 {
        match address {
            IpAddr::V4(address) => u128::from(u32::from(address)) << 96,
            IpAddr::V6(address) => address.into(),
        }
    }
    fn is_ip(text: &CelString<'_>) -> CelBool {
        address(text.inner()).is_some().into()
    }
    fn ip(text: &CelString<'_>) -> Answer<CelString<'static>> {
        let found = address(text.inner()).ok_or_else(|| wrong("ip", format!("IP Address {:?} parse error", text.inner())))?;
        Ok(found.to_string().into())
    }
    fn family(text: &CelString<'_>) -> CelInt {
        (if address(text.inner()).is_some_and(|address| address.is_ipv6()) { 6 } else { 4 }).into()
    }
    fn is_loopback(text: &CelString<'_>) -> CelBool {
        address(text.inner()).is_some_and(|address| address.is_loopback()).into()
    }
    fn is_cidr(text: &CelString<'_>) -> CelBool {
        network(text.inner()).is_some().into()
    }
    fn cidr(text: &CelString<'_>) -> Answer<CelString<'static>> {
        let found = network(text.inner()).ok_or_else(|| wrong("cidr", "network address parse error during conversion from string"))?;
        Ok(format!("{}/{}", found.0, found.1).into())
    }
    fn prefix_length(text: &CelString<'_>) -> CelInt {
        network(text.inner()).map_or(0, |(_, length)| i64::from(length)).into()
    }
    fn contains_ip(text: &CelString<'_>, inner: &CelString<'_>) -> CelBool {
        let inside = network(text.inner()).zip(address(inner.inner())).is_some_and(|((start, length), address)| {
            let differing = (bits(start) ^ bits(address)).leading_zeros();
            start.is_ipv4() == address.is_ipv4() && differing >= u32::from(length)
        });
        inside.into()
    }
    add_overload!(env, fn is_ip: (CelString) -> CelBool, name = "isIP")?;
    add_overload!(env, fn ip: (CelString) -> Result<CelString>)?;
    add_member_overload!(env, fn family: (CelString) -> CelInt)?;
    add_member_overload!(env, fn is_loopback: (CelString) -> CelBool, name = "isLoopback")?;
    add_overload!(env, fn is_cidr: (CelString) -> CelBool, name = "isCIDR")?;
    add_overload!(env, fn cidr: (CelString) -> Result<CelString>)?;
    add_member_overload!(env, fn prefix_length: (CelString) -> CelInt, name = "prefixLength")?;
    add_member_overload!(env, fn contains_ip: (CelString, CelString) -> CelBool, name = "containsIP")
}

fn urls(env: &mut Env) -> Result<(), DeclarationError> {
    /// Scheme, host with its port, path.
    fn parts(text: &str) -> Option<(&str, &str, &str)> {
        if text.contains(char::is_whitespace) {
            return None;
        }
        if text.starts_with('/') {
            return Some(("", "", text.split(['?', '#']).next().unwrap_or_default()));
        }
        let (scheme, rest) = text.split_once("://")?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (host, path) = rest.split_at(end);
        let host = host.rsplit('@').next().unwrap_or_default();
        (!scheme.is_empty()).then_some((scheme, host, path.split(['?', '#']).next().unwrap_or_default()))
    }
    fn part<'a>(text: &'a CelString<'_>, pick: impl Fn((&'a str, &'a str, &'a str)) -> &'a str) -> CelString<'static> {
        parts(text.inner()).map_or("", pick).to_owned().into()
    }
    fn is_url(text: &CelString<'_>) -> CelBool {
        parts(text.inner()).is_some().into()
    }
    fn url(text: &CelString<'_>) -> Answer<CelString<'static>> {
        let wrong = || wrong("url", format!("URL parse error during conversion from string: parse {:?}", text.inner()));
        parts(text.inner()).map(|_| text.inner().to_owned().into()).ok_or_else(wrong)
    }
    fn scheme(text: &CelString<'_>) -> CelString<'static> {
        part(text, |(scheme, ..)| scheme)
    }
    fn host(text: &CelString<'_>) -> CelString<'static> {
        part(text, |(_, host, _)| host)
    }
    fn hostname(text: &CelString<'_>) -> CelString<'static> {
        part(text, |(_, host, _)| host.rsplit_once(':').map_or(host, |(name, _)| name))
    }
    fn port(text: &CelString<'_>) -> CelString<'static> {
        part(text, |(_, host, _)| host.rsplit_once(':').map_or("", |(_, port)| port))
    }
    fn path(text: &CelString<'_>) -> CelString<'static> {
        part(text, |(.., path)| path)
    }
    add_overload!(env, fn is_url: (CelString) -> CelBool, name = "isURL")?;
    add_overload!(env, fn url: (CelString) -> Result<CelString>)?;
    add_member_overload!(env, fn scheme: (CelString) -> CelString, name = "getScheme")?;
    add_member_overload!(env, fn host: (CelString) -> CelString, name = "getHost")?;
    add_member_overload!(env, fn hostname: (CelString) -> CelString, name = "getHostname")?;
    add_member_overload!(env, fn port: (CelString) -> CelString, name = "getPort")?;
    add_member_overload!(env, fn path: (CelString) -> CelString, name = "getEscapedPath")
}

fn texts(env: &mut Env) -> Result<(), DeclarationError> {
    fn regex(pattern: &CelString<'_>) -> Answer<Regex> {
        Regex::new(pattern.inner()).map_err(|error| wrong("find", error))
    }
    fn find(text: &CelString<'_>, pattern: &CelString<'_>) -> Answer<CelString<'static>> {
        Ok(regex(pattern)?.find(text.inner()).map_or(String::new(), |found| found.as_str().to_owned()).into())
    }
    fn find_all(text: &CelString<'_>, pattern: &CelString<'_>) -> Answer<CelList<'static>> {
        let boxed = |found: regex::Match| Box::new(CelString::from(found.as_str().to_owned())) as Box<dyn Val>;
        let found: Vec<Box<dyn Val>> = regex(pattern)?.find_iter(text.inner()).map(boxed).collect();
        Ok(found.into())
    }
    add_member_overload!(env, fn find: (CelString, CelString) -> Result<CelString>)?;
    add_member_overload!(env, fn find_all: (CelString, CelString) -> Result<CelList>, name = "findAll")
}

fn lists(env: &mut Env) -> Result<(), DeclarationError> {
    fn contains(list: &CelList<'_>, item: &dyn Val) -> bool {
        list.inner().iter().any(|one| one.equals(item))
    }
    fn sum(list: &CelList<'_>) -> CelInt {
        list.inner().iter().filter_map(|item| item.downcast_ref::<CelInt>()).map(|item| *item.inner()).sum::<i64>().into()
    }
    fn is_sorted(list: &CelList<'_>) -> CelBool {
        let in_order = |pair: &[Box<dyn Val + '_>]| {
            let order = pair[0].as_comparer().map(|first| first.compare(pair[1].as_ref()));
            matches!(order, Some(Ok(order)) if order.is_le())
        };
        list.inner().windows(2).all(in_order).into()
    }
    fn sets_contains(list: &CelList<'_>, part: &CelList<'_>) -> CelBool {
        part.inner().iter().all(|item| contains(list, item.as_ref())).into()
    }
    fn intersects(list: &CelList<'_>, other: &CelList<'_>) -> CelBool {
        other.inner().iter().any(|item| contains(list, item.as_ref())).into()
    }
    fn equivalent(list: &CelList<'_>, other: &CelList<'_>) -> CelBool {
        let within = |a: &CelList<'_>, b: &CelList<'_>| a.inner().iter().all(|item| contains(b, item.as_ref()));
        (within(list, other) && within(other, list)).into()
    }
    add_member_overload!(env, fn sum: (CelList) -> CelInt)?;
    add_member_overload!(env, fn is_sorted: (CelList) -> CelBool, name = "isSorted")?;
    add_overload!(env, fn sets_contains: (CelList, CelList) -> CelBool, name = "sets.contains")?;
    add_overload!(env, fn intersects: (CelList, CelList) -> CelBool, name = "sets.intersects")?;
    add_overload!(env, fn equivalent: (CelList, CelList) -> CelBool, name = "sets.equivalent")
}
