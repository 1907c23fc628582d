//! Windows into a log, by line numbers: what a page shows of a log that is too long to be loaded.

use std::{borrow::Cow, ops::Not};

use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;
use warp::{Filter, Rejection, reply::Response};

use super::{
    Answer, Shared, answer, build_id, get,
    query::number,
    reply::{self, Problem},
    report, with,
};
use crate::logs::{Line, Lines, Place, Window};

/// How many lines come if nobody says.
const COUNT: u64 = 1_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LinesQuery {
    from: Option<String>,
    around: Option<String>,
    tail: Option<String>,
    count: Option<String>,
}

#[derive(Serialize)]
struct LinesDocument<'a> {
    total: u64,
    /// Whether the build has ended, so that nothing follows.
    complete: bool,
    size: u64,
    lines: Vec<LineDocument<'a>>,
}

#[derive(Serialize)]
struct LineDocument<'a> {
    number: u64,
    offset: u64,
    text: Cow<'a, str>,
    /// Whether only its beginning is shown, of how many bytes.
    #[serde(skip_serializing_if = "Not::not")]
    cut: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Not::not")]
    open: bool,
}

impl<'a> From<&'a Line> for LineDocument<'a> {
    fn from(line: &'a Line) -> Self {
        let cut = line.length > line.bytes.len() as u64;
        Self {
            number: line.number,
            offset: line.offset,
            text: String::from_utf8_lossy(&line.bytes),
            cut,
            bytes: cut.then_some(line.length),
            open: line.open,
        }
    }
}

pub(super) fn routes(
    parts: &Shared,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static + use<> {
    warp::path!("build" / String / "lines")
        .and(get())
        .and(with(parts))
        .and(warp::query())
        .and_then(|id, parts, query| answer(lines(id, parts, query)))
        .boxed()
}

async fn lines(id: String, parts: Shared, query: LinesQuery) -> Answer {
    let window = window(&query)?;
    // The build before its log: what has ended by now writes nothing more.
    let build = report::find(&parts, build_id(&id)?).await?;
    let logs = parts.logs.clone();
    let read = spawn_blocking(move || logs.lines(build.id, window)).await.map_err(std::io::Error::other).flatten();
    let failed = |error| Problem::unavailable("the log could not be read", &error);
    let Lines { total, size, lines } = match read.map_err(failed)? {
        Some(lines) => lines,
        None => report::without_log(&parts, &build).map(|()| Lines::default())?,
    };
    let lines = lines.iter().map(LineDocument::from).collect();
    reply::json(&LinesDocument { total, complete: build.ending().is_some(), size, lines })
}

fn window(query: &LinesQuery) -> Result<Window, Problem> {
    let count = number("count", query.count.as_deref(), 0)?.unwrap_or(COUNT);
    let from = number("from", query.from.as_deref(), 1)?;
    let around = number("around", query.around.as_deref(), 1)?;
    let tail = number("tail", query.tail.as_deref(), 0)?;
    match (from, around, tail) {
        (from, None, None) => Ok(Window { place: Place::From(from.unwrap_or(1)), count }),
        (None, Some(middle), None) => Ok(Window { place: Place::Around(middle), count }),
        (None, None, Some(tail)) => Ok(Window { place: Place::End, count: tail }),
        _ => Err(Problem::bad_request("give only one of `from`, `around` and `tail`: each says where the lines lie")),
    }
}
