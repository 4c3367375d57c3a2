//! Controllers that are dropped are gone: no task, no watch, no memory.

mod support;

use flotilla_controllers::context::Options;
use flotilla_controllers::gate::WriteGate;
use std::sync::Arc;
use support::{Pair, Recorder, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_controllers_ask_nothing_more_and_leave_nothing_behind() {
    let pair = Pair::start().await;
    let recorder = Recorder::default();
    let api = pair.api(&recorder, "flotilla");
    let fleet = pair.start_controllers(&recorder, api, "flotilla", Options::default()).await;
    pair.apply_web().await;
    pair.member_has("nginx:1").await;
    let context = Arc::downgrade(fleet.context());
    assert!(recorder.open_answers() > 12, "own kinds, templates, definitions and the member are watched: {}", recorder.open_answers());
    drop(fleet);
    until("the context is freed", async || context.upgrade().is_none().then_some(())).await;
    until("all watches are closed", async || (recorder.open_answers() == 0).then_some(())).await;
    let before = recorder.seen().len();
    pair.set_image("nginx:2").await;
    support::user(&pair.member).delete(&support::deployments(), &support::web(), None).await.expect("it is there");
    // Longer than any of the windows in which changes settle, and than the wait for another look at definitions.
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    let after = recorder.seen().split_off(before);
    assert!(after.is_empty(), "{after:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn controllers_whose_term_has_ended_write_nothing_anywhere() {
    let pair = Pair::start().await;
    let recorder = Recorder::default();
    let gate = WriteGate::shut();
    gate.open_until(tokio::time::Instant::now() + std::time::Duration::from_secs(600));
    let api = pair.api(&recorder, "flotilla").behind(gate.clone());
    let fleet = pair.start_controllers(&recorder, api, "flotilla", Options::default()).await;
    pair.apply_web().await;
    pair.member_has("nginx:1").await;
    gate.close();
    let before = recorder.writes().len();
    pair.set_image("nginx:2").await;
    support::user(&pair.member).delete(&support::deployments(), &support::web(), None).await.expect("it is there");
    // They try, and are refused.
    let refused = "code=\"NotLeading\"";
    until("a write is refused", async || fleet.context().control.api.metrics().text(false, None, None).contains(refused).then_some(()))
        .await;
    until("a write to the member is refused", async || {
        let text = fleet.context().control.api.metrics().text(false, None, None);
        text.lines().any(|line| line.contains("cluster=\"member\"") && line.contains(refused)).then_some(())
    })
    .await;
    assert_eq!(recorder.writes().len(), before, "{:?}", recorder.writes().split_off(before));
}
