//! What the service builds from what, as a table for the person who started it.

use std::fmt::Write;

use crate::catalog::{Catalog, Pipeline, Planned, Severity};

/// One line a recipe, and one a problem.
pub(super) fn describe(catalog: &Catalog) -> String {
    let mut rows = vec![["REPOSITORY", "REF", "SCRIPT", "IMAGE", "ARTIFACT"].map(str::to_owned)];
    for watched in catalog.watched() {
        let refs = watched.refs();
        for planned in &watched.recipes {
            let recipe = planned.recipe();
            let artifact = match planned {
                Planned::Ready(_) => format!("{}/{}", recipe.archives, recipe.artifact),
                Planned::Refused { .. } => "refused: not granted".to_owned(),
            };
            rows.push([
                watched.repository.to_string(),
                refs.clone(),
                recipe.script.to_string(),
                recipe.baseimage.to_string(),
                artifact,
            ]);
        }
    }
    rows.extend(catalog.pipelines().iter().map(pipeline));
    let mut text = if rows.len() > 1 { table(&rows) } else { "Nothing is watched yet.\n".to_owned() };
    let problems = catalog.problems().iter().filter(|problem| problem.severity == Severity::Error).count();
    if problems > 0 {
        let _ = writeln!(text, "{problems} problem(s) in the configuration repository: see /monitor");
    }
    text
}

fn pipeline(pipeline: &Pipeline) -> [String; 5] {
    [
        pipeline.repository.to_string(),
        pipeline.refs(),
        pipeline.script.to_string(),
        pipeline.base.to_string(),
        format!("/target/{}", pipeline.artifact),
    ]
}

fn table(rows: &[[String; 5]]) -> String {
    let mut widths = [0; 5];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in rows {
        let line: String = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}  ")).collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
