//! Who we are at the hub, and what becomes of a token that has ended.

use autobuilder::publish::zero_hub::Again;
use secrecy::{ExposeSecret, SecretString};

use super::{
    MAIN,
    common::{
        bench::{Bench, archive, jwt, order},
        hub::{Act, Call, USER},
    },
};

fn secret(text: &str) -> SecretString {
    text.into()
}

#[tokio::test]
async fn a_token_that_makes_us_somebody_else_is_told_before_anything_is_sent() {
    let bench = Bench::with(|config| config.user = "somebody".into()).await;
    let error = bench.ours.preflight().await.unwrap_err();
    let words = error.to_string();
    assert!(words.contains(USER) && words.contains("somebody") && error.again() == Again::Never, "{words}");
    let order = order(MAIN, 1);
    bench.publish(&archive("one", 10), &order, 1).await.unwrap_err();
    bench.hub.look(|hub| assert_eq!(hub.count(Call::Upload), 0));
    // A member may publish under the name of its organisation.
    let bench = Bench::with(|config| config.user = "acme".into()).await;
    assert_eq!(bench.ours.preflight().await.unwrap(), "acme");
    assert_eq!(bench.ours.address_of("a b.flist").unwrap(), format!("{}/acme/a%20b.flist", bench.hub.url()));
}

#[tokio::test]
async fn an_ended_token_is_renewed_once_and_the_new_one_is_used() {
    let (old, new) = (jwt(USER, -60), jwt(USER, 3600));
    let bench = Bench::with(|config| config.token = secret(&old)).await;
    bench.hub.accept(&new, USER);
    bench.hub.next(Call::Refresh, Act::Answer(200, new.clone()));
    let first = order(MAIN, 1);
    bench.publish(&archive("one", 10), &first, 1).await.unwrap();
    bench.publish(&archive("two", 10), &order(MAIN, 2), 2).await.unwrap();
    bench.hub.look(|hub| {
        let renewals: Vec<_> = hub.seen.iter().filter(|seen| seen.call == Call::Refresh).collect();
        assert_eq!(renewals.len(), 1);
        assert_eq!(renewals[0].headers["authorization"], format!("bearer {old}"));
        assert!(!renewals[0].headers.contains_key("cookie"));
        let used = hub.seen.iter().filter(|seen| seen.call != Call::Refresh);
        assert!(used.clone().all(|seen| seen.headers["authorization"] == format!("bearer {new}")));
    });
}

#[tokio::test]
async fn a_token_revoked_in_the_middle_is_renewed_and_the_upload_repeated() {
    let (old, new) = (jwt(USER, 3600), jwt(USER, 7200));
    let bench = Bench::with(|config| config.token = secret(&old)).await;
    bench.hub.accept(&old, USER);
    bench.hub.accept(&new, USER);
    bench.hub.next(Call::Upload, Act::Answer(403, r#"{"message": "invalid token"}"#.into()));
    bench.hub.next(Call::Refresh, Act::Answer(200, new));
    bench.publish(&archive("one", 10), &order(MAIN, 1), 1).await.unwrap();
    bench.hub.look(|hub| assert_eq!((hub.count(Call::Upload), hub.count(Call::Refresh)), (2, 1)));
}

#[tokio::test]
async fn whatever_is_no_token_never_takes_the_place_of_one() {
    let old = jwt(USER, -60);
    let bench = Bench::with(|config| config.token = secret(&old)).await;
    let order = order(MAIN, 1);
    bench.keep(&archive("one", 10), &order, 1).unwrap();
    for (status, answer) in [
        (401, "Unauthorized\n".to_owned()),
        (200, "Unauthorized\n".to_owned()),
        (200, "<html>v1.2.3</html>".to_owned()),
        (200, String::new()),
        (200, jwt(USER, -10)),
        (401, jwt(USER, 3600)),
    ] {
        bench.hub.next(Call::Refresh, Act::Answer(status, answer.clone()));
        let (error, again) = bench.fails(&order).await;
        assert!(again == Again::Never && error.contains("hub.token"), "{answer}: {error}");
        assert!(!error.contains(&old) && (answer.is_empty() || !error.contains(answer.trim())), "{error}");
        let asked = bench.hub.look(|hub| hub.seen.last().unwrap().headers["authorization"].clone());
        assert_eq!(asked, format!("bearer {old}"), "after {answer:?}");
    }
    // Where it is renewed may be away as well as the hub: that passes.
    bench.hub.next(Call::Refresh, Act::Answer(503, String::new()));
    assert_eq!(bench.fails(&order).await.1, Again::Later(None));
}

#[tokio::test]
async fn a_token_of_the_hub_itself_is_never_sent_to_be_renewed() {
    let bench = Bench::with(|config| config.token = secret("bm90LWEtdG9rZW4")).await;
    let error = bench.ours.preflight().await.unwrap_err();
    assert!(error.to_string().contains("invalid signature"), "{error}");
    assert!(!format!("{:?} {error:?}", bench.config).contains(bench.config.token.expose_secret()));
    bench.hub.look(|hub| assert_eq!(hub.count(Call::Refresh), 0));
}
