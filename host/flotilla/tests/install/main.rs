//! An operator installs Flotilla: by chart, by `flotilla init`, line by line as docs/install.md says.

mod chart;
#[path = "../clusters/mod.rs"]
mod clusters;
mod document;
mod pods;
mod rotation;
#[path = "../../src/command/sandbox/admission.rs"]
mod sandbox_admission;

use clusters::{CONTROL, Clusters};

/// Lines of `init` that say something else than this.
fn others<'a>(said: &'a str, put: &str) -> Vec<&'a str> {
    said.lines().filter(|line| !line.ends_with(put)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_init_changes_nothing() {
    let clusters = Clusters::start(0).await;
    let first = clusters.flotilla(&["init"]).await.done();
    assert_eq!(others(&first, " created"), [""; 0]);
    let deployment = ["-n", "flotilla-system", "deployment", "flotilla-controllers"];
    let made = clusters.get(CONTROL, &deployment).await.expect("it was created");
    assert_eq!(made["spec"]["replicas"], 2);
    let second = clusters.flotilla(&["init"]).await.done();
    assert_eq!(others(&second, " unchanged"), [""; 0]);
    assert_eq!(second.lines().count(), first.lines().count());

    // What somebody changed is put right, and told; another image is another Deployment.
    clusters.kubectl(CONTROL, &["-n", "flotilla-system", "scale", "deployment/flotilla-controllers", "--replicas=0"]).await.done();
    let third = clusters.flotilla(&["init", "--image", "example.org/flotilla:2"]).await.done();
    assert_eq!(
        others(&third, " unchanged"),
        ["deployment.apps/flotilla-controllers configured", "deployment.apps/flotilla-webhook configured"]
    );
    let made = clusters.get(CONTROL, &deployment).await.expect("it is there");
    assert_eq!(made["spec"]["replicas"], 2);
    assert_eq!(made["spec"]["template"]["spec"]["containers"][0]["image"], "example.org/flotilla:2");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_printed_can_be_applied() {
    let clusters = Clusters::start(0).await;
    let printed = clusters.flotilla(&["init", "--dry-run"]).await.done();
    assert_eq!(clusters.get(CONTROL, &["namespace", "flotilla-system"]).await, None);
    let said = clusters.apply(CONTROL, &printed).await;
    assert_eq!(others(&said, " created"), [""; 0]);
    let names = clusters.flotilla(&["init", "-o", "name"]).await.done();
    assert_eq!(names.lines().count(), said.lines().count());
}
