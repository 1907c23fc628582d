//! What axe (axe/, with its licence) finds wrong for people who cannot see, or cannot use a mouse.

use serde_json::Value;

use crate::browser::Page;

const AXE: &str = include_str!("axe/axe.min.js");

/// Everything serious in the page as it is now, one line each.
pub(crate) async fn faults(page: &Page) -> Vec<String> {
    page.value(&format!("(() => {{ if (!window.axe) {{ {AXE} }} return true; }})()")).await;
    page.value("void (window.found = null, axe.run(document).then((found) => { window.found = found.violations; }))")
        .await;
    page.until("window.found !== null && window.found !== undefined").await;
    let found = page
        .value(
            "window.found.filter(({ impact }) => impact === 'serious' || impact === 'critical').flatMap(({ id, nodes }) => \
             nodes.map((node) => `${id}: ${node.html.slice(0, 160)} ${node.failureSummary.slice(0, 300)}`))",
        )
        .await;
    found.as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect()
}

/// The same in both colour schemes, and on a phone; `what` names the page.
pub(crate) async fn assert_accessible(page: &Page, what: &str) {
    for (scheme, width) in [("light", 1280), ("dark", 1280), ("dark", 360), ("light", 2560)] {
        let features = serde_json::json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        page.devtools("Emulation.setEmulatedMedia", features).await;
        page.resize(width, 900).await;
        assert_eq!(faults(page).await, Vec::<String>::new(), "{what}, {scheme}, {width} px");
        let overflow: Value = page.value("document.scrollingElement.scrollWidth - innerWidth").await;
        assert!(overflow.as_i64().unwrap() <= 0, "{what} is {overflow} px too wide at {width} px");
    }
}
