//! Files, whole or in part (RFC 9110, section 14), never read into memory.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
};

use bytes::Bytes;
use futures_util::{Stream, stream};
use warp::{
    http::{HeaderMap, HeaderValue, Response, StatusCode, header},
    reply,
};

use super::reply::{Answer, Problem};

/// How much of a file is in memory at once, per reader.
const CHUNK: u64 = 256 * 1024;

/// A file to send.
pub(super) struct Content {
    pub(super) file: File,
    /// How much of it counts; a log may grow meanwhile.
    pub(super) size: u64,
    pub(super) content_type: &'static str,
    /// A strong validator, in its quotes.
    pub(super) etag: Option<String>,
}

/// Which bytes are wanted.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    Part { start: u64, end: u64 },
    Unsatisfiable,
}

/// Answers with the file, or the part of it that `Range` asks for, or 304 if the reader has it.
pub(super) fn send(content: Content, headers: &HeaderMap) -> Answer {
    let validator = content.etag;
    if let Some(validator) = &validator
        && matches_any(headers.get(header::IF_NONE_MATCH), validator)
    {
        let mut response = Response::new("".into());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        set(&mut response, header::ETAG, validator);
        return Ok(response);
    }
    let condition = headers
        .get(header::IF_RANGE)
        .is_none_or(|value| validator.as_ref().is_some_and(|validator| value.as_bytes() == validator.as_bytes()));
    let range = headers.get(header::RANGE).and_then(|value| value.to_str().ok()).filter(|_| condition);
    let wanted = range.map_or(Wanted::All, |range| parse(range, content.size));
    let (start, end) = match wanted {
        Wanted::All => (0, content.size),
        Wanted::Part { start, end } => (start, end),
        Wanted::Unsatisfiable => return Ok(unsatisfiable(content.size)),
    };
    let size = content.size;
    let mut response =
        body(content.file, start, end).map_err(|error| Problem::unavailable("the file could not be read", &error))?;
    if wanted != Wanted::All {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        set(&mut response, header::CONTENT_RANGE, &format!("bytes {start}-{}/{size}", end - 1));
    }
    set(&mut response, header::CONTENT_LENGTH, &(end - start).to_string());
    set(&mut response, header::CONTENT_TYPE, content.content_type);
    set(&mut response, header::ACCEPT_RANGES, "bytes");
    if let Some(validator) = validator {
        set(&mut response, header::ETAG, &validator);
    }
    Ok(response)
}

/// Answers with `count` bytes from `from` on, or those of them that exist.
pub(super) fn part(content: Content, from: u64, count: u64) -> Answer {
    let start = from.min(content.size);
    let end = start.saturating_add(count).min(content.size);
    let mut response =
        body(content.file, start, end).map_err(|error| Problem::unavailable("the file could not be read", &error))?;
    set(&mut response, header::CONTENT_LENGTH, &(end - start).to_string());
    set(&mut response, header::CONTENT_TYPE, content.content_type);
    Ok(response)
}

fn matches_any(header: Option<&HeaderValue>, validator: &str) -> bool {
    header.and_then(|value| value.to_str().ok()).is_some_and(|list| {
        list.split(',').map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == validator)
    })
}

fn set(response: &mut reply::Response, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn unsatisfiable(size: u64) -> reply::Response {
    let mut response = Response::new("".into());
    *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
    set(&mut response, header::CONTENT_RANGE, &format!("bytes */{size}"));
    response
}

/// One range only; several in one request are answered with the whole file, as the RFC allows.
fn parse(range: &str, size: u64) -> Wanted {
    let Some((first, last)) = range.strip_prefix("bytes=").and_then(|spec| spec.split_once('-')) else {
        return Wanted::All;
    };
    let bounds = match (first.trim(), last.trim()) {
        ("", suffix) => suffix.parse().ok().map(|length: u64| (size.saturating_sub(length), size)),
        (first, "") => first.parse().ok().map(|first: u64| (first, size)),
        (first, last) => match (first.parse::<u64>(), last.parse::<u64>()) {
            (Ok(first), Ok(last)) if first <= last => Some((first, last.saturating_add(1).min(size))),
            _ => None,
        },
    };
    match bounds {
        Some((start, end)) if start < end => Wanted::Part { start, end },
        Some(_) => Wanted::Unsatisfiable,
        None => Wanted::All,
    }
}

/// A small file as one piece, a larger one piece by piece, read off the async threads.
fn body(mut file: File, start: u64, end: u64) -> io::Result<reply::Response> {
    file.seek(SeekFrom::Start(start))?;
    if end - start <= CHUNK {
        return Ok(Response::new(read(&mut file, end - start)?.into()));
    }
    Ok(warp::Reply::into_response(reply::stream(chunks(file, end - start))))
}

fn read(file: &mut File, length: u64) -> io::Result<Bytes> {
    let mut buffer = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    file.take(length).read_to_end(&mut buffer)?;
    Ok(buffer.into())
}

fn chunks(file: File, length: u64) -> impl Stream<Item = io::Result<Bytes>> + Send + Sync + 'static {
    stream::try_unfold((file, length), |(mut file, left)| async move {
        if left == 0 {
            return Ok::<_, io::Error>(None);
        }
        let (piece, file) = tokio::task::spawn_blocking(move || (read(&mut file, left.min(CHUNK)), file))
            .await
            .map_err(io::Error::other)?;
        let piece = piece?;
        if piece.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let left = left - piece.len() as u64;
        Ok(Some((piece, (file, left))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_as_the_rfc_has_them() {
        let part = |start, end| Wanted::Part { start, end };
        assert_eq!(parse("bytes=0-9", 100), part(0, 10));
        assert_eq!(parse("bytes=90-", 100), part(90, 100));
        assert_eq!(parse("bytes=-10", 100), part(90, 100));
        assert_eq!(parse("bytes=-1000", 100), part(0, 100));
        assert_eq!(parse("bytes=50-1000", 100), part(50, 100));
        assert_eq!(parse("bytes=100-", 100), Wanted::Unsatisfiable);
        assert_eq!(parse("bytes=-0", 100), Wanted::Unsatisfiable);
        for odd in ["bytes=9-1", "lines=1-2", "bytes=a-b", "bytes=0-1,5-6"] {
            assert_eq!(parse(odd, 100), Wanted::All, "{odd}");
        }
    }
}
