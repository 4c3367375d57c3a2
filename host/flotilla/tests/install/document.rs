//! docs/install.md is run, line by line, one way of installing after the other.

use crate::clusters::{CONTROL, CONTROLLERS, Clusters, is_real, needs_real_servers, ran, root};
use crate::pods::{Pods, helm, review_in_sandbox};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

/// The ways, which are headings of the third level; sections under other such headings belong to every way.
const WAYS: [&str; 3] = ["Elsewhere", "With helm", "Without helm"];
/// Between installing and the first use, the script waits until pods run.
const UNTIL_PODS_RUN: &str = "touch \"$STATE/installed\"\nuntil test -e \"$STATE/running\"; do sleep 0.1; done\n";

/// The shell lines of a way, in their order.
fn script(document: &str, way: &str) -> String {
    let (mut script, mut is_code, mut is_wanted) = (String::new(), false, true);
    for line in document.lines() {
        match line {
            "```sh" => is_code = true,
            "```" => is_code = false,
            _ if is_code && is_wanted => script.push_str(&format!("{line}\n")),
            _ if is_code => {}
            _ => {
                if line == "## Join a cluster" && way != WAYS[0] {
                    script.push_str(UNTIL_PODS_RUN);
                }
                if let Some(heading) = line.strip_prefix("### ") {
                    is_wanted = !WAYS.contains(&heading) || heading == way;
                } else if line.starts_with("## ") {
                    is_wanted = true;
                }
            }
        }
    }
    script
}

/// A folder with `flotilla` as users would have it.
fn programs(folder: &Path) -> String {
    let bin = folder.join("bin");
    std::fs::create_dir(&bin).expect("made");
    let program = env!("CARGO_BIN_EXE_flotilla");
    let extra = CONTROLLERS.join(" ");
    let text = format!("#!/bin/sh\nif [ \"$1\" = controllers ]; then set -- \"$@\" {extra}; fi\nexec {program} \"$@\"\n");
    let path = bin.join("flotilla");
    std::fs::write(&path, text).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("set");
    bin.display().to_string()
}

async fn check(way: &str, helm: Option<&Path>) {
    let document = std::fs::read_to_string(root().join("docs/install.md")).expect("it is in the checkout");
    let clusters = Clusters::start(1).await;
    let state = clusters.folder().to_owned();
    let file = state.join("install.sh");
    std::fs::write(&file, format!("trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{}", script(&document, way))).expect("written");
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let helm_folder = helm.and_then(Path::parent).map(|folder| format!("{}:", folder.display())).unwrap_or_default();
    let path = format!("{}:{helm_folder}{}", programs(&state), std::env::var("PATH").unwrap_or_default());
    let mut bash = clusters.command("bash");
    bash.args(["-euxo", "pipefail"]).arg(&file).env("PATH", path).env("STATE", &state);
    bash.env("CONTROL", CONTROL).env("MEMBER", "member1").env("WEBHOOK", free.to_string());
    bash.env("CERTIFICATE", state.join("document.crt"));
    if way == WAYS[0] {
        review_in_sandbox(&clusters);
        ran(&mut bash).await.done();
    } else {
        let run = ran(&mut bash);
        let pods = async {
            while !state.join("installed").exists() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            let pods = Pods::start(&clusters).await;
            std::fs::write(state.join("running"), "").expect("written");
            pods
        };
        let mut run = std::pin::pin!(run);
        let _pods = tokio::select! {
            ended = &mut run => panic!("it ended before anything was installed: {ended:#?}"),
            pods = pods => pods,
        };
        run.await.done();
    }
    for gone in ["namespace/flotilla-system", "customresourcedefinition/works.work.karmada.io", "clusterrole/flotilla-controllers"] {
        assert_eq!(clusters.get(CONTROL, &[gone]).await, None, "{gone} is left after the last line");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn elsewhere() {
    check(WAYS[0], None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_helm() {
    if needs_real_servers("with_helm") {
        check(WAYS[1], helm("").as_deref()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_helm() {
    check(WAYS[2], None).await;
}

#[test]
fn each_way_has_its_lines() {
    let document = std::fs::read_to_string(root().join("docs/install.md")).expect("it is in the checkout");
    for (way, line) in WAYS.iter().zip(["flotilla controllers", "helm --kube-context", "flotilla init"]) {
        let script = script(&document, way);
        assert!(script.contains(line) && script.contains("flotilla join") && script.contains("flotilla unjoin"), "{way}:\n{script}");
        assert_eq!(script.contains("helm "), *way == "With helm", "{way}:\n{script}");
    }
    println!("the servers are {}", if is_real() { "real" } else { "of the sandbox" });
}
