//! Makes an expression one that cannot match a line break, so that many lines can be searched at once and each
//! match lies in one of them. What ripgrep does; classes lose the line break, and the ends of the text become
//! the ends of a line.

use regex_syntax::hir::{
    Class, ClassBytes, ClassBytesRange, ClassUnicode, ClassUnicodeRange, Hir, HirKind, Literal, Look,
};

use super::pattern::PatternError;

/// The same expression, for one line at a time.
pub(super) fn within_a_line(expression: Hir) -> Result<Hir, PatternError> {
    Ok(match expression.into_kind() {
        HirKind::Empty => Hir::empty(),
        HirKind::Literal(Literal(bytes)) if bytes.contains(&b'\n') => return Err(PatternError::LineBreak),
        HirKind::Literal(Literal(bytes)) => Hir::literal(bytes),
        HirKind::Class(class) => Hir::class(without_line_break(class)),
        HirKind::Look(Look::Start) => Hir::look(Look::StartLF),
        HirKind::Look(Look::End) => Hir::look(Look::EndLF),
        HirKind::Look(look) => Hir::look(look),
        HirKind::Repetition(mut repetition) => {
            repetition.sub = Box::new(within_a_line(*repetition.sub)?);
            Hir::repetition(repetition)
        }
        // Nobody asks what a group matched.
        HirKind::Capture(capture) => within_a_line(*capture.sub)?,
        HirKind::Concat(parts) => Hir::concat(each(parts)?),
        HirKind::Alternation(parts) => Hir::alternation(each(parts)?),
    })
}

/// Whether this byte stands in the expression, by itself and not as one of a class.
pub(super) fn names(expression: &Hir, byte: u8) -> bool {
    match expression.kind() {
        HirKind::Literal(Literal(bytes)) => bytes.contains(&byte),
        HirKind::Empty | HirKind::Class(_) | HirKind::Look(_) => false,
        HirKind::Repetition(repetition) => names(&repetition.sub, byte),
        HirKind::Capture(capture) => names(&capture.sub, byte),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().any(|part| names(part, byte)),
    }
}

fn each(parts: Vec<Hir>) -> Result<Vec<Hir>, PatternError> {
    parts.into_iter().map(within_a_line).collect()
}

fn without_line_break(class: Class) -> Class {
    match class {
        Class::Unicode(mut class) => {
            class.difference(&ClassUnicode::new([ClassUnicodeRange::new('\n', '\n')]));
            Class::Unicode(class)
        }
        Class::Bytes(mut class) => {
            class.difference(&ClassBytes::new([ClassBytesRange::new(b'\n', b'\n')]));
            Class::Bytes(class)
        }
    }
}
