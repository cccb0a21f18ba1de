//! What the hub may answer: the file, elsewhere, no, or later.

use axum::http::{Method, StatusCode};
use bot::models::Pulled;

use super::{
    tester::{TINY, Tester, tiny},
    the_fake::{Fault, Refusal, Seen, sha256},
};

#[tokio::test]
async fn a_file_comes_whole_with_what_is_known_of_it() {
    let tester = Tester::new().await;
    let Pulled::Fetched(held) = tester.pull().await.unwrap() else { panic!("it was not here") };
    assert!(tester.is_whole());
    let record = held.record.unwrap();
    assert_eq!((record.repository.as_str(), record.file.as_str()), ("crew/tiny-GGUF", "tiny.gguf"));
    assert_eq!((record.sha256, record.size), (sha256(&tester.bytes), tester.bytes.len() as u64));
    assert_eq!(record.commit.as_deref(), Some("0123456789abcdef0123456789abcdef01234567"));
    assert_eq!(tester.listing(), ["crew--tiny-GGUF--tiny.gguf", "crew--tiny-GGUF--tiny.gguf.json"]);
    let requests = tester.hub.seen().len();
    assert!(matches!(tester.pull().await.unwrap(), Pulled::WasHere(_)));
    assert_eq!(tester.hub.seen().len(), requests, "what is here is not asked for");
}

#[tokio::test]
async fn the_token_goes_to_the_hub_and_nowhere_else() {
    let tester = Tester::new().await;
    tester.hub.wants_token("hf_secret");
    assert!(tester.refusal().await.contains("set HF_TOKEN to it"));
    // Renamed repositories are redirected on the hub itself, where the token goes along.
    tester.hub.put("new/tiny-GGUF/tiny.gguf", tester.bytes.clone());
    tester.hub.refuses([Refusal::Renamed("/new/tiny-GGUF/resolve/main/tiny.gguf")]);
    tester.pull_with(&tester.client(Some("hf_secret")), |_| {}).await.unwrap();
    assert!(tester.is_whole());
    let seen = tester.hub.seen();
    let (hub, elsewhere): (Vec<Seen>, Vec<Seen>) = seen.into_iter().skip(1).partition(|seen| seen.at_hub);
    assert!(hub.iter().all(|seen| seen.token.as_deref() == Some("Bearer hf_secret")), "{hub:?}");
    assert!(!elsewhere.is_empty() && elsewhere.iter().all(|seen| seen.token.is_none()), "{elsewhere:?}");
    assert_eq!(hub[1].path, "new/tiny-GGUF/resolve/main/tiny.gguf");
    assert_eq!(hub[0].method, Method::HEAD);
}

#[tokio::test]
async fn another_host_that_the_hub_leads_to_gets_no_token_before_anything_is_known() {
    let tester = Tester::new().await;
    let elsewhere = format!("{}/{TINY}", tester.hub.elsewhere()).leak();
    tester.hub.always_refuses(Refusal::To(elsewhere));
    // That server says length and etag, as a plain mirror does: then the length is all that can be compared.
    tester.pull_with(&tester.client(Some("hf_secret")), |_| {}).await.unwrap();
    assert!(tester.is_whole());
    assert!(tester.hub.seen().iter().filter(|seen| !seen.at_hub).all(|seen| seen.token.is_none()));
}

#[tokio::test]
async fn a_refusal_says_what_to_do() {
    let check = async |refusal: Refusal, requests: usize, parts: &[&str]| {
        let tester = Tester::new().await;
        tester.hub.always_refuses(refusal);
        let sentence = tester.refusal().await;
        for part in parts {
            assert!(sentence.contains(part), "\"{part}\" is missing: {sentence}");
        }
        assert_eq!(tester.hub.seen().len(), requests, "{sentence}");
        assert_eq!((tester.file(), tester.part()), (None, None));
    };
    let status = |code, headers: &[(&'static str, &'static str)]| {
        Refusal::Status(StatusCode::from_u16(code).unwrap(), headers.to_vec())
    };
    let gated = [("x-error-code", "GatedRepo")];
    check(status(401, &gated), 1, &["HUB does not give crew/tiny-GGUF/tiny.gguf to everybody (401", "HF_TOKEN"]).await;
    check(status(403, &gated), 1, &["(403", "accept its terms on http://HUB/crew/tiny-GGUF"]).await;
    // The second request asks what there is, and gets the same answer.
    check(status(401, &[("x-error-code", "RepoNotFound")]), 2, &["HUB has no repository crew/tiny-GGUF"]).await;
    check(status(404, &[]), 2, &["HUB has no repository crew/tiny-GGUF that it shows"]).await;
    check(status(429, &[]), 3, &["HUB wants fewer requests (429); wait some minutes"]).await;
    check(status(429, &[("retry-after", "3600")]), 1, &["wait 3600 seconds"]).await;
    check(status(503, &[]), 3, &["HUB does not work at present (503", "HF_ENDPOINT"]).await;
    check(status(418, &[]), 1, &["HUB answered 418", "is HF_ENDPOINT right?"]).await;
    check(status(200, &[]), 1, &["without the file's size"]).await;
    check(Refusal::Renamed("/round/and/round"), 9, &["leads on and on"]).await;
    check(Refusal::To("file:///etc/passwd"), 1, &["neither https nor http"]).await;
}

#[tokio::test]
async fn what_does_not_fit_is_not_begun() {
    let tester = Tester::new().await;
    tester.hub.lies_about_the_size(1 << 60);
    let sentence = tester.refusal().await;
    let folder = tester.folder();
    assert!(sentence.starts_with(&format!("{} has room for ", folder.path().display())), "{sentence}");
    assert!(sentence.contains("crew/tiny-GGUF/tiny.gguf needs 1.15 EB more; make room"), "{sentence}");
    assert!(tester.hub.ranges().is_empty());
}

#[tokio::test]
async fn a_wrong_token_is_not_called_a_missing_one() {
    let tester = Tester::new().await;
    tester.hub.wants_token("hf_secret");
    let error = tester.pull_with(&tester.client(Some("hf_old")), |_| {}).await.unwrap_err().to_string();
    assert!(error.contains("does not take the token in HF_TOKEN") && !error.contains("hf_old"), "{error}");
}

#[tokio::test]
async fn a_file_that_is_not_there_is_told_with_those_that_are() {
    let tester = Tester::new().await;
    tester.hub.put("crew/tiny-GGUF/other.gguf", "x");
    tester.hub.refuses([Refusal::Status(StatusCode::NOT_FOUND, vec![("x-error-code", "EntryNotFound")])]);
    let sentence = tester.refusal().await;
    assert_eq!(sentence, "crew/tiny-GGUF on HUB has no tiny.gguf, but other.gguf, tiny.gguf");
}

#[tokio::test]
async fn nobody_there_is_told_with_a_mirror() {
    let tester = Tester::new().await;
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let patience = tester.client(None).patience;
    let hub = bot::models::Hub::new(&format!("http://{gone}"), None, patience).unwrap();
    let error = tester.pull_with(&hub, |_| {}).await.unwrap_err().to_string();
    assert_eq!(error, format!("{gone} cannot be reached; look at the connection, or name a mirror in HF_ENDPOINT"));
}

#[tokio::test]
async fn trouble_that_passes_is_waited_for() {
    let tester = Tester::new().await;
    let status = |status| Refusal::Status(status, vec![("retry-after", "1")]);
    tester.hub.refuses([status(StatusCode::SERVICE_UNAVAILABLE), status(StatusCode::TOO_MANY_REQUESTS)]);
    tester.pull().await.unwrap();
    assert!(tester.is_whole());
}

#[tokio::test]
async fn an_address_that_is_good_no_longer_is_fetched_anew() {
    let tester = Tester::new().await;
    tester.hub.faults([Fault::Cut(100_000), Fault::Status(StatusCode::FORBIDDEN)]);
    tester.pull().await.unwrap();
    assert!(tester.is_whole());
    let from = Some("bytes=100000-".to_owned());
    assert_eq!(tester.hub.ranges(), [None, from.clone(), from]);
}

#[tokio::test]
async fn no_sentence_holds_the_signature_of_an_address() {
    let tester = Tester::new().await;
    tester.hub.always(Fault::Cut(0));
    let mut said = Vec::new();
    let error = tester.pull_with(&tester.client(None), |event| said.push(format!("{event:?}"))).await.unwrap_err();
    said.push(format!("{:#} {:?}", anyhow::Error::from(error), tiny()));
    assert!(said.iter().all(|line| !line.contains("signature")), "{said:?}");
}
