//! The embedded hub and the kernels: files and links for downloaders, and a listing for people.

use warp::{
    Filter, Rejection,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    reply::Response,
};

use super::{
    Answer, Shared, answer, assets, get,
    html::escaped,
    range::{self, Content},
    reply::{self, Problem},
    with,
};
use crate::{
    model::ByteSize,
    publish::{Entry, Origin, PublishError, newest_first},
};

pub(super) fn routes(
    parts: &Shared,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static + use<> {
    let list = warp::path!("artifacts").and(get()).and(with(parts)).and_then(|parts| answer(list(parts)));
    let file = warp::path!("artifacts" / String)
        .and(get())
        .and(with(parts))
        .and(warp::header::headers_cloned())
        .and_then(|name, parts, headers| answer(file(name, parts, headers)));
    list.or(file).unify().boxed()
}

async fn file(name: String, parts: Shared, headers: HeaderMap) -> Answer {
    let name = percent_encoding::percent_decode_str(&name)
        .decode_utf8()
        .map(|name| name.into_owned())
        .map_err(|_| Problem::not_found("there is no such artifact"))?;
    let served = match parts.hub.directory().open_artifact(&name) {
        Ok(None) => parts.kernels.open_artifact(&name),
        found => found,
    };
    let served = served.map_err(|error| Problem::unavailable("the artifact could not be read", &error))?;
    let Some(served) = served else {
        let nowhere =
            || Problem::not_found(format!("there is no artifact `{name}`: none was published, or it was removed"));
        return elsewhere(&parts, &name).ok_or_else(nowhere);
    };
    let modified = httpdate::fmt_http_date(served.modified.to_system_time());
    let versioned = served.file_name.clone();
    let content =
        Content { file: served.file, size: served.size, content_type: served.content_type, etag: Some(served.etag) };
    let mut response = range::send(content, &headers)?;
    let mut set = |name: header::HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    };
    set(header::LAST_MODIFIED, &modified);
    // A browser saves it instead of showing what a build wrote; a link is saved under the version it means.
    set(header::CONTENT_DISPOSITION, &format!("attachment; filename*=UTF-8''{}", encoded(&versioned)));
    set(header::CACHE_CONTROL, "no-cache");
    Ok(response)
}

/// The way to where a Zero-OS hub has it, if flists go there.
fn elsewhere(parts: &Shared, name: &str) -> Option<Response> {
    let address = parts.hub.zero().filter(|_| name.ends_with(".flist"))?.address_of(name)?;
    let mut response = reply::status(StatusCode::FOUND, reply::text(format!("{address}\n")));
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_str(&address).ok()?);
    Some(response)
}

/// RFC 5987: everything but letters, digits and three marks is escaped.
fn encoded(name: &str) -> String {
    const ESCAPED: percent_encoding::AsciiSet =
        percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');
    percent_encoding::utf8_percent_encode(name, &ESCAPED).to_string()
}

async fn list(parts: Shared) -> Answer {
    let (hub, kernels) = (parts.hub.directory().clone(), parts.kernels.clone());
    let listed = tokio::task::spawn_blocking(move || Ok::<_, PublishError>((hub.list()?, kernels.list()?)))
        .await
        .map_err(|error| Problem::unavailable("the artifacts could not be listed", &error))?;
    let (mut entries, kernels) =
        listed.map_err(|error| Problem::unavailable("the artifacts could not be listed", &error))?;
    entries.extend(kernels);
    newest_first(&mut entries);
    let rows = match entries.as_slice() {
        [] => "<tr><td colspan=\"4\">Nothing has been published yet.</td></tr>\n".to_owned(),
        entries => entries.iter().map(row).collect(),
    };
    Ok(reply::with_type(assets::LISTING.replace("{rows}", &rows).into(), "text/html; charset=utf-8"))
}

fn row(entry: &Entry) -> String {
    let points = entry
        .target
        .as_ref()
        .map(|target| format!(" <span class=\"points\">→ {}</span>", escaped(target)))
        .unwrap_or_default();
    let from = entry.origin.as_ref().map(from_build).unwrap_or_default();
    format!(
        "<tr><td><a href=\"/artifacts/{}\">{}</a>{points}</td><td class=\"number\">{}</td><td><time>{}</time></td><td>{from}</td></tr>\n",
        encoded(&entry.name),
        escaped(&entry.name),
        ByteSize(entry.size).in_words(),
        httpdate::fmt_http_date(entry.modified.to_system_time()),
    )
}

/// The build that made it, by what it was built of.
fn from_build(origin: &Origin) -> String {
    let what = format!("{} {}", origin.repository, origin.git_ref.name());
    format!("<a href=\"/build/{}\">{}</a>", origin.build, escaped(&what))
}
