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

/// `GET /artifacts/`, with a place for its rows.
pub(crate) const LISTING: &str = include_str!("../../web/listing.html");

/// What both pages need to be allowed, and nothing more: no inline script or style, no other host.
pub(crate) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'";

/// The file of that name below `/assets/`.
pub(crate) fn find(name: &str) -> Option<Asset> {
    let asset = match name {
        "app.css" => Asset { bytes: include_bytes!("../../web/app.css"), content_type: "text/css; charset=utf-8" },
        "icon.svg" => Asset { bytes: include_bytes!("../../web/icon.svg"), content_type: "image/svg+xml" },
        "ansi.js" => script(include_bytes!("../../web/ansi.js")),
        "build.js" => script(include_bytes!("../../web/build.js")),
        "live.js" => script(include_bytes!("../../web/live.js")),
        "log.js" => script(include_bytes!("../../web/log.js")),
        "monitor.js" => script(include_bytes!("../../web/monitor.js")),
        "states.js" => script(include_bytes!("../../web/states.js")),
        "text.js" => script(include_bytes!("../../web/text.js")),
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

    #[test]
    fn every_file_a_page_names_is_served() {
        let mut open: Vec<Asset> = vec![MONITOR, BUILD];
        let mut seen = std::collections::BTreeSet::new();
        while let Some(asset) = open.pop() {
            for name in named(std::str::from_utf8(asset.bytes).unwrap()) {
                if seen.insert(name) {
                    open.push(find(name).unwrap_or_else(|| panic!("{name} is not served")));
                }
            }
        }
        assert!(seen.len() >= 9, "{seen:?}");
    }

    #[test]
    fn the_pages_need_nothing_that_their_policy_forbids() {
        for page in [MONITOR, BUILD] {
            let text = std::str::from_utf8(page.bytes).unwrap();
            assert!(!text.contains("<style") && !text.contains("style=") && !text.contains("onclick"));
            assert_eq!(text.matches("<script").count(), text.matches("<script type=\"module\" src=\"/assets/").count());
            assert!(!text.contains("http://") && !text.contains("https://"));
        }
        for name in ["ansi.js", "build.js", "live.js", "log.js", "monitor.js", "states.js", "text.js"] {
            let text = std::str::from_utf8(find(name).unwrap().bytes).unwrap();
            for forbidden in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
                assert!(!text.contains(forbidden), "{name}: {forbidden}");
            }
        }
    }
}
