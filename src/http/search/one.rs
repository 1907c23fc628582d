//! Search in the log of one build, while it grows and after.

use std::{
    io,
    time::{Duration, Instant},
};

use tokio::task::spawn_blocking;

use super::{
    SearchQuery, Turns,
    feed::{self, Feed, HitDocument, Stop},
};
use crate::{
    http::{
        Answer, Shared, build_id,
        query::{number, switch},
        reply::Problem,
        report,
    },
    logs::{Direction, Search},
};

/// How long a search works before it looks whether anybody still reads.
const STRETCH: Duration = Duration::from_millis(20);

/// How long a search may take.
const LONGEST: Duration = Duration::from_secs(60);

pub(super) async fn search(id: String, parts: Shared, query: SearchQuery, turns: Turns) -> Answer {
    if query.repository.is_some() || query.branch.is_some() {
        return Err(Problem::bad_request("a build has one repository and branch: leave them out, or ask `/search`"));
    }
    let (pattern, direction, limit) = (query.pattern().await?, direction(&query)?, query.limit()?);
    let build = report::find(&parts, build_id(&id)?).await?;
    let turn = turns.take().await?;
    let logs = parts.logs.clone();
    let opened = spawn_blocking(move || logs.search(build.id, pattern, direction)).await.map_err(io::Error::other);
    let search = opened.flatten().map_err(|error| Problem::unavailable("the log could not be read", &error))?;
    if search.is_none() {
        report::without_log(&parts, &build)?;
    }
    Ok(feed::answer(async move |feed| {
        let _turn = turn;
        match search {
            Some(search) => run(search, limit, &feed).await,
            None => Ok(()),
        }
    }))
}

fn direction(query: &SearchQuery) -> Result<Direction, Problem> {
    let from = number("from", query.from.as_deref(), 1)?;
    let is_backward = switch("backward", query.backward.as_deref())?.unwrap_or(false);
    Ok(if is_backward { Direction::Backward(from.unwrap_or(u64::MAX)) } else { Direction::Forward(from.unwrap_or(1)) })
}

async fn run(mut search: Search, limit: usize, feed: &Feed) -> Result<(), Stop> {
    let (mut left, mut worked) = (limit, Duration::ZERO);
    loop {
        let stretch = spawn_blocking(move || {
            let (since, mut found) = (Instant::now(), Vec::new());
            let mut more = true;
            while more && found.is_empty() && since.elapsed() < STRETCH {
                more = search.advance(left, &mut found)?;
            }
            io::Result::Ok((search, found, more, since.elapsed()))
        });
        let (going, found, more, took) = stretch.await.map_err(io::Error::other).flatten()?;
        feed.send(found.iter().map(HitDocument::from)).await?;
        (search, left, worked) = (going, left - found.len(), worked + took);
        if !more || left == 0 {
            return Ok(());
        }
        if worked > LONGEST {
            return Err(Stop::TooLong);
        }
    }
}
