//! What is declared and what is read, in an author's terms.
