//! `labelSelector` as text: the grammar of the real server, and its words where a text does not follow it.

use crate::entry::Facts;
use crate::fields::golang::quoted;
use crate::kinds::labels;

#[derive(Debug, Clone, PartialEq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
    Greater(String, i64),
    Less(String, i64),
}

impl Requirement {
    fn matches(&self, facts: &Facts) -> bool {
        let value = |key: &str| facts.label(key);
        let number = |key: &str| value(key).and_then(|text| text.parse::<i64>().ok());
        match self {
            Self::In(key, values) => value(key).is_some_and(|value| values.iter().any(|wanted| wanted == value)),
            Self::NotIn(key, values) => !value(key).is_some_and(|value| values.iter().any(|wanted| wanted == value)),
            Self::Exists(key) => value(key).is_some(),
            Self::Absent(key) => value(key).is_none(),
            Self::Greater(key, limit) => number(key).is_some_and(|number| number > *limit),
            Self::Less(key, limit) => number(key).is_some_and(|number| number < *limit),
        }
    }
}

/// A `labelSelector` parameter; without requirements it selects everything.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LabelSelector(Vec<Requirement>);

impl LabelSelector {
    /// Reads `app=web,tier in (a,b),!old`.
    ///
    /// # Errors
    /// What the real server says of the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { tokens: tokens(text), at: 0 };
        let mut requirements = Vec::new();
        loop {
            match parser.next() {
                Token::End => return Ok(Self(requirements)),
                Token::Not | Token::Word => {}
                _ => return Err(format!("found '{}', expected: !, identifier, or 'end of string'", parser.literal())),
            }
            let one = parser.requirement().map_err(|problem| format!("unable to parse requirement: {problem}"))?;
            requirements.push(one);
            match parser.next() {
                Token::End => return Ok(Self(requirements)),
                Token::Comma => parser.at += 1,
                _ => return Err(format!("found '{}', expected: ',' or 'end of string'", parser.literal())),
            }
            if !matches!(parser.next(), Token::Not | Token::Word) {
                return Err(format!("found '{}', expected: identifier after ','", parser.literal()));
            }
        }
    }

    /// Whether an object's labels fit.
    pub fn matches(&self, facts: &Facts) -> bool {
        self.0.iter().all(|requirement| requirement.matches(facts))
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Token {
    End,
    Word,
    Comma,
    Open,
    Close,
    Not,
    Equals,
    NotEquals,
    Greater,
    Less,
    /// Two signs that mean nothing together.
    Other,
}

const SIGNS: &[u8] = b"=!(),<>";

/// Signs are read as long as they mean something together.
fn tokens(text: &str) -> Vec<(Token, &str)> {
    let sign = |text: &str| match text {
        ")" => Token::Close,
        "," => Token::Comma,
        "!" => Token::Not,
        "=" | "==" => Token::Equals,
        "!=" => Token::NotEquals,
        "(" => Token::Open,
        ">" => Token::Greater,
        "<" => Token::Less,
        _ => Token::Other,
    };
    let mut rest = text.trim_start_matches([' ', '\t', '\r', '\n']);
    let mut found = Vec::new();
    while let Some(first) = rest.bytes().next() {
        let length = if SIGNS.contains(&first) {
            let two = rest.get(..2).filter(|two| sign(two) != Token::Other);
            two.map_or(1, str::len)
        } else {
            rest.bytes().position(|byte| SIGNS.contains(&byte) || b" \t\r\n".contains(&byte)).unwrap_or(rest.len())
        };
        let (token, after) = rest.split_at(length);
        found.push((if SIGNS.contains(&first) { sign(token) } else { Token::Word }, token));
        rest = after.trim_start_matches([' ', '\t', '\r', '\n']);
    }
    found
}

struct Parser<'a> {
    tokens: Vec<(Token, &'a str)>,
    at: usize,
}

impl Parser<'_> {
    fn next(&self) -> Token {
        self.tokens.get(self.at).map_or(Token::End, |(token, _)| *token)
    }

    fn literal(&self) -> String {
        self.tokens.get(self.at).map_or_else(String::new, |(_, literal)| (*literal).to_owned())
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let negated = self.next() == Token::Not;
        self.at += usize::from(negated);
        if self.next() != Token::Word {
            return Err(format!("found '{}', expected: identifier", self.literal()));
        }
        let key = self.literal();
        check("", &key, labels::key_problems(&key))?;
        self.at += 1;
        if negated {
            return Ok(Requirement::Absent(key));
        }
        let (token, word) = (self.next(), self.literal());
        if matches!(token, Token::End | Token::Comma) {
            return Ok(Requirement::Exists(key));
        }
        self.at += 1;
        let made = match (token, word.as_str()) {
            (Token::Word, "in") => Requirement::In(key.clone(), self.values()?),
            (Token::Word, "notin") => Requirement::NotIn(key.clone(), self.values()?),
            (Token::Equals, _) => Requirement::In(key.clone(), vec![self.value()?]),
            (Token::NotEquals, _) => Requirement::NotIn(key.clone(), vec![self.value()?]),
            (Token::Greater, _) => Requirement::Greater(key.clone(), number(&self.value()?)?),
            (Token::Less, _) => Requirement::Less(key.clone(), number(&self.value()?)?),
            _ => return Err(format!("found '{word}', expected: in, notin, =, ==, !=, gt, lt")),
        };
        if let Requirement::In(_, values) | Requirement::NotIn(_, values) = &made {
            for (index, value) in values.iter().enumerate() {
                check(&format!("values[{index}][{key}]"), value, labels::value_problems(value))?;
            }
        }
        Ok(made)
    }

    fn value(&mut self) -> Result<String, String> {
        match self.next() {
            Token::End | Token::Comma => return Ok(String::new()),
            Token::Word => {}
            _ => return Err(format!("found '{}', expected: identifier", self.literal())),
        }
        self.at += 1;
        Ok(self.tokens[self.at - 1].1.to_owned())
    }

    fn values(&mut self) -> Result<Vec<String>, String> {
        if self.next() != Token::Open {
            return Err(format!("found '{}' expected: '('", self.literal()));
        }
        self.at += 1;
        if !matches!(self.next(), Token::Word | Token::Comma | Token::Close) {
            return Err(format!("found '{}', expected: ',', ')' or identifier", self.literal()));
        }
        let mut values = vec![String::new()];
        loop {
            match self.next() {
                Token::Word if values.last().is_some_and(String::is_empty) => {
                    values.pop();
                    values.push(self.literal());
                }
                Token::Comma => values.push(String::new()),
                Token::Close => break,
                Token::Word => return Err(format!("found '{}', expected: ',' or ')'", self.literal())),
                _ => return Err(format!("found '{}', expected: ',', or identifier", self.literal())),
            }
            self.at += 1;
        }
        self.at += 1;
        values.sort();
        values.dedup();
        Ok(values)
    }
}

fn number(text: &str) -> Result<i64, String> {
    let refuse = |_| format!("values[0]: Invalid value: {}: for 'Gt', 'Lt' operators, the value must be an integer", quoted(text));
    text.parse().map_err(refuse)
}

fn check(path: &str, value: &str, problems: Vec<String>) -> Result<(), String> {
    let path = if path.is_empty() { "<nil>" } else { path };
    let said: Vec<String> = problems.iter().map(|problem| format!("{path}: Invalid value: {}: {problem}", quoted(value))).collect();
    match said.as_slice() {
        [] => Ok(()),
        [one] => Err(one.clone()),
        all => Err(format!("[{}]", all.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Entry;
    use serde_json::{Value, json};

    fn selects(selector: &str, labels: Value) -> bool {
        LabelSelector::parse(selector).unwrap().matches(&Entry::unstored(&json!({"metadata": {"labels": labels}}), None).facts)
    }

    #[test]
    fn label_selectors_of_every_operator() {
        let labels = || json!({"app": "web", "n": "5"});
        for selector in ["app=web", "app==web", "app in (db,web),n", "app notin (db)", "x!=y", "!x", "n>4,n<6", "", "app = web"] {
            assert!(selects(selector, labels()), "{selector}");
        }
        for selector in ["app=db", "app!=web", "app notin (web)", "!app", "n>5", "x", "x in (y)"] {
            assert!(!selects(selector, labels()), "{selector}");
        }
        assert!(selects("!x", Value::Null));
    }

    #[test]
    fn what_is_no_selector_is_refused_in_the_words_of_the_real_server() {
        let problem = |text: &str| LabelSelector::parse(text).unwrap_err();
        assert_eq!(problem("a b"), "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt");
        assert_eq!(problem("a in b"), "unable to parse requirement: found 'b' expected: '('");
        assert_eq!(problem("a=b=c"), "found '=', expected: ',' or 'end of string'");
        assert_eq!(problem("a,"), "found '', expected: identifier after ','");
        assert_eq!(problem("(a)"), "found '(', expected: !, identifier, or 'end of string'");
    }
}
