//! The way back: from a member's object to its Work, from Works to their binding, from the binding to the template.
//!
//! Each step says what is to be written, or `None` when nothing differs. Nothing is written where an answer is missing.
//! Source: controlplane.md §1.7, interpreter.md §1.3.

pub mod binding;
pub mod member;
pub mod template;

pub use binding::binding_status;
pub use member::{Report, reflect, work_status};
pub use template::template_status;
