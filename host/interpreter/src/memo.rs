//! Remembers answers: a question whose arguments have not changed is not asked again.
//!
//! Keys are digests of plugin, settings, hook and all arguments as they are handed over; an answer that used the time is never
//! given to this module.

use crate::answers::Given;
use lru::LruCache;
use sha2::{Digest, Sha256};
use std::sync::{Arc, Mutex, PoisonError};

/// Digest of a question.
pub(crate) type Key = [u8; 32];

/// Bytes that all remembered answers may take, about.
const BUDGET: usize = 32 << 20;
/// What an entry costs beside its answer.
const ENTRY: usize = 256;
/// An answer above this share of the budget is not worth what it pushes out.
const LARGEST: usize = 128;

/// A bounded memory of answers; the least recently used go first.
pub struct Memo {
    budget: usize,
    answers: Mutex<Answers>,
}

struct Answers {
    by_question: LruCache<Key, Remembered>,
    weight: usize,
}

struct Remembered {
    answer: Arc<Given>,
    weight: usize,
}

impl Default for Memo {
    fn default() -> Self {
        Self::with_budget(BUDGET)
    }
}

impl Memo {
    /// A memory of so many bytes; with none it remembers nothing, which is for measurements.
    pub fn with_budget(budget: usize) -> Self {
        Self { budget, answers: Mutex::new(Answers { by_question: LruCache::unbounded(), weight: 0 }) }
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Arc<Given>> {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.by_question.get(key).map(|remembered| Arc::clone(&remembered.answer))
    }

    /// Remembers an answer.
    pub(crate) fn put(&self, key: Key, answer: Arc<Given>) {
        let weight = answer.weight() + ENTRY;
        if weight > self.budget / LARGEST {
            return;
        }
        let mut guard = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let answers = &mut *guard;
        answers.weight += weight;
        if let Some(old) = answers.by_question.put(key, Remembered { answer, weight }) {
            answers.weight -= old.weight;
        }
        while answers.weight > self.budget {
            let Some((_, oldest)) = answers.by_question.pop_lru() else { break };
            answers.weight -= oldest.weight;
        }
    }
}

/// A question on its way to becoming a key. Each part is preceded by its length, so that no two questions run together.
pub(crate) struct Question(Sha256);

impl Question {
    pub fn new(plugin: &Key, operation: u8) -> Self {
        Self(Sha256::new().chain_update(plugin).chain_update([operation]))
    }

    pub fn part(mut self, text: &str) -> Self {
        self.0.update((text.len() as u64).to_le_bytes());
        self.0.update(text);
        self
    }

    /// A part that may be absent, which is different from empty.
    pub fn optional_part(mut self, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.part(text),
            None => {
                self.0.update(u64::MAX.to_le_bytes());
                self
            }
        }
    }

    pub fn number(mut self, number: i64) -> Self {
        self.0.update(number.to_le_bytes());
        self
    }

    pub fn key(self) -> Key {
        self.0.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Question::new(&[0; 32], 0).part(text).key()
    }

    fn answer(text: &str) -> Arc<Given> {
        Arc::new(Given::Invalid(text.to_owned()))
    }

    #[test]
    fn an_answer_is_remembered_for_its_question_only() {
        let memo = Memo::default();
        memo.put(key("a"), answer("x"));
        assert_eq!(memo.get(&key("a")), Some(answer("x")));
        assert_eq!(memo.get(&key("b")), None);
    }

    #[test]
    fn parts_do_not_run_together() {
        let parts = |a: &str, b: &str| Question::new(&[0; 32], 0).part(a).part(b).key();
        assert_ne!(parts("ab", "c"), parts("a", "bc"));
        let optional = |b| Question::new(&[0; 32], 0).part("a").optional_part(b).key();
        assert_ne!(optional(None), optional(Some("")));
    }

    #[test]
    fn the_least_recently_used_go_first() {
        let memo = Memo::with_budget(BUDGET);
        let count = LARGEST + 1;
        for number in 0..count {
            memo.put(key(&number.to_string()), answer(&"x".repeat(BUDGET / LARGEST - ENTRY)));
        }
        assert_eq!(memo.get(&key("0")), None, "the first made room");
        assert!(memo.get(&key("1")).is_some() && memo.get(&key(&(count - 1).to_string())).is_some());
        memo.put(key("huge"), answer(&"x".repeat(BUDGET / LARGEST)));
        assert_eq!(memo.get(&key("huge")), None);
    }
}
