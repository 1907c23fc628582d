//! The page's own files, held in the binary: the page works offline and never asks a third party.

/// A file below `/assets/`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asset {
    /// Its content.
    pub(crate) bytes: &'static [u8],
    /// Its media type.
    pub(crate) content_type: &'static str,
}

/// `GET /monitor`.
pub(crate) const MONITOR: Asset = html(include_bytes!("../../web/monitor.html"));

/// `GET /build/<id>`.
pub(crate) const BUILD: Asset = html(include_bytes!("../../web/build.html"));

/// `GET /repo/<org>/<repo>`.
pub(crate) const REPOSITORY: Asset = html(include_bytes!("../../web/repository.html"));

/// Errors, with places for their title and their sentence.
pub(crate) const PROBLEM: &str = include_str!("../../web/problem.html");

/// `GET /artifacts/`, with a place for its rows.
pub(crate) const LISTING: &str = include_str!("../../web/listing.html");

/// What the pages need to be allowed, and nothing more: no inline script or style, no other host.
pub(crate) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'";

/// The file of that name below `/assets/`.
pub(crate) fn find(name: &str) -> Option<Asset> {
    let asset = match name {
        "app.css" => style(include_bytes!("../../web/app.css")),
        "build.css" => style(include_bytes!("../../web/build.css")),
        "icon.svg" => Asset { bytes: include_bytes!("../../web/icon.svg"), content_type: "image/svg+xml" },
        "again.js" => script(include_bytes!("../../web/again.js")),
        "ansi.js" => script(include_bytes!("../../web/ansi.js")),
        "build.js" => script(include_bytes!("../../web/build.js")),
        "catalog.js" => script(include_bytes!("../../web/catalog.js")),
        "facts.js" => script(include_bytes!("../../web/facts.js")),
        "filters.js" => script(include_bytes!("../../web/filters.js")),
        "list.js" => script(include_bytes!("../../web/list.js")),
        "live.js" => script(include_bytes!("../../web/live.js")),
        "log.js" => script(include_bytes!("../../web/log.js")),
        "log-choose.js" => script(include_bytes!("../../web/log-choose.js")),
        "log-find.js" => script(include_bytes!("../../web/log-find.js")),
        "log-keys.js" => script(include_bytes!("../../web/log-keys.js")),
        "log-layout.js" => script(include_bytes!("../../web/log-layout.js")),
        "log-range.js" => script(include_bytes!("../../web/log-range.js")),
        "log-row.js" => script(include_bytes!("../../web/log-row.js")),
        "log-scale.js" => script(include_bytes!("../../web/log-scale.js")),
        "log-search.js" => script(include_bytes!("../../web/log-search.js")),
        "log-source.js" => script(include_bytes!("../../web/log-source.js")),
        "log-tail.js" => script(include_bytes!("../../web/log-tail.js")),
        "log-view.js" => script(include_bytes!("../../web/log-view.js")),
        "monitor.js" => script(include_bytes!("../../web/monitor.js")),
        "plot.js" => script(include_bytes!("../../web/plot.js")),
        "pushes.js" => script(include_bytes!("../../web/pushes.js")),
        "repository.js" => script(include_bytes!("../../web/repository.js")),
        "rows.js" => script(include_bytes!("../../web/rows.js")),
        "states.js" => script(include_bytes!("../../web/states.js")),
        "text.js" => script(include_bytes!("../../web/text.js")),
        "timeline.js" => script(include_bytes!("../../web/timeline.js")),
        _ => return None,
    };
    Some(asset)
}

const fn html(bytes: &'static [u8]) -> Asset {
    Asset { bytes, content_type: "text/html; charset=utf-8" }
}

const fn script(bytes: &'static [u8]) -> Asset {
    Asset { bytes, content_type: "text/javascript; charset=utf-8" }
}

const fn style(bytes: &'static [u8]) -> Asset {
    Asset { bytes, content_type: "text/css; charset=utf-8" }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every `/assets/…` and `./….js` a file names.
    fn named(text: &str) -> Vec<&str> {
        let mut names = Vec::new();
        for (start, end) in [("\"/assets/", '"'), ("from './", '\'')] {
            let after = text.split(start).skip(1);
            names.extend(after.filter_map(|rest| rest.split_once(end)).map(|(name, _)| name));
        }
        names
    }

    /// Every file that the pages name, or that one of those names.
    fn all_named() -> std::collections::BTreeSet<&'static str> {
        let mut open: Vec<Asset> = vec![MONITOR, BUILD, REPOSITORY];
        let mut seen = std::collections::BTreeSet::new();
        while let Some(asset) = open.pop() {
            for name in named(std::str::from_utf8(asset.bytes).unwrap()) {
                if seen.insert(name) {
                    open.push(find(name).unwrap_or_else(|| panic!("{name} is not served")));
                }
            }
        }
        seen
    }

    #[test]
    fn every_file_a_page_names_is_served() {
        let seen = all_named();
        for name in ["app.css", "build.css", "ansi.js", "live.js", "log-source.js", "monitor.js", "plot.js"] {
            assert!(seen.contains(name), "{name} is not among {seen:?}");
        }
    }

    #[test]
    fn every_file_of_the_pages_is_named_by_one_of_them() {
        let seen = all_named();
        for file in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/web")).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            assert!(name.ends_with(".html") || seen.contains(&*name), "no page needs web/{name}");
        }
    }

    #[test]
    fn the_pages_need_nothing_that_their_policy_forbids() {
        for page in [MONITOR, BUILD, REPOSITORY] {
            let text = std::str::from_utf8(page.bytes).unwrap();
            assert!(!text.contains("<style") && !text.contains("style=") && !text.contains("onclick"));
            let ours = ["<script type=\"module\" src=\"/assets/", "<script src=\"/assets/"];
            assert_eq!(
                text.matches("<script").count(),
                ours.map(|ours| text.matches(ours).count()).iter().sum::<usize>()
            );
            assert!(!text.contains("http://") && !text.contains("https://"));
        }
        for name in all_named().into_iter().filter(|name| name.ends_with(".js")) {
            let text = std::str::from_utf8(find(name).unwrap().bytes).unwrap();
            for forbidden in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
                assert!(!text.contains(forbidden), "{name}: {forbidden}");
            }
        }
    }
}
