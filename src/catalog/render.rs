//! Problems as a person reads them in a terminal. The only door to annotate-snippets.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::problem::{Place, Problem, Severity};

/// Every problem with its place, its line with the stretch marked, and what to change.
pub fn render(problems: &[Problem], colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    problems.iter().map(|problem| renderer.render(&[group(problem)]) + "\n").collect::<Vec<_>>().join("\n")
}

fn group(problem: &Problem) -> Group<'_> {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let group = level.primary_title(problem.message.as_str());
    let group = match &problem.place {
        Some(place) => group.element(snippet(&problem.path, place)),
        None => group.element(annotate_snippets::Origin::path(problem.path.as_str())),
    };
    group.element(Level::HELP.message(problem.help.as_str()))
}

fn snippet<'a>(path: &'a str, place: &'a Place) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let start = byte_of(&place.text, place.column - 1);
    let end = byte_of(&place.text, place.column - 1 + place.length);
    Snippet::source(place.text.as_str())
        .path(path)
        .line_start(place.line)
        .annotation(AnnotationKind::Primary.span(start..end))
}

/// Where the character with this index begins; the end of the text if it has fewer.
fn byte_of(text: &str, characters: usize) -> usize {
    text.char_indices().nth(characters).map_or(text.len(), |(byte, _)| byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marked_stretch_counts_characters_not_bytes() {
        let place = Place { line: 7, column: 5, length: 3, text: "é: [abc]".into() };
        let problem = Problem::at("acme/tool/main.yaml", place, "not a name", "write a name");
        let text = render(&[problem], false);
        assert!(text.contains("error: not a name"), "{text}");
        assert!(text.contains("acme/tool/main.yaml:7:5"), "{text}");
        assert!(text.contains("7 | é: [abc]\n  |     ^^^"), "{text}");
        assert!(text.contains("help: write a name"), "{text}");
    }

    #[test]
    fn a_problem_of_the_whole_file_names_the_file() {
        let text = render(&[Problem::of_file("main.yaml", "too shallow", "move it").as_warning()], false);
        assert!(text.contains("warning: too shallow") && text.contains("--> main.yaml"), "{text}");
    }
}
