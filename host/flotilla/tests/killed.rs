//! Controllers that are killed at any moment, while users go on creating, scaling, editing and deleting: whoever comes after them
//! finishes what they began, doubles nothing, and deletes nothing that nobody asked to be deleted.
//!
//! What is random comes from a seed that is printed; `FLOTILLA_SEED` gives another.

mod support;

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use support::{CONTROL, Program, Sandbox};

const MEMBERS: [&str; 3] = ["member1", "member2", "member3"];
/// How often the controllers are killed.
const KILLS: usize = 24;
/// Longest life of controllers, in milliseconds. They need about 200 to start.
const LIFE: u64 = 1_200;
/// Templates that there are at most at once.
const TEMPLATES: usize = 12;
/// Templates that are made at least, one after the other.
const ENOUGH: u64 = 20;
/// How long nothing must be written for it to count as settled.
const QUIET: Duration = Duration::from_secs(3);

/// Divided alike over the members, or whole in each: a template's name says which.
const POLICIES: &str = "
apiVersion: policy.karmada.io/v1alpha1
kind: PropagationPolicy
metadata: {name: divided}
spec:
  resourceSelectors: [{apiVersion: apps/v1, kind: Deployment, labelSelector: {matchLabels: {spread: divided}}}]
  placement:
    clusterAffinity: {clusterNames: [member1, member2, member3]}
    replicaScheduling:
      replicaSchedulingType: Divided
      replicaDivisionPreference: Weighted
      weightPreference: {staticWeightList: [{targetCluster: {clusterNames: [member1, member2, member3]}, weight: 1}]}
---
apiVersion: policy.karmada.io/v1alpha1
kind: PropagationPolicy
metadata: {name: whole}
spec:
  resourceSelectors: [{apiVersion: apps/v1, kind: Deployment, labelSelector: {matchLabels: {spread: whole}}}]
  placement: {clusterAffinity: {clusterNames: [member1, member2, member3]}}
";

fn deployment(name: &str, spread: &str, replicas: u64) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, labels: {{spread: {spread}}}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec: {{containers: [{{name: main, image: 'nginx:1.27', resources: {{requests: {{cpu: 1m}}}}}}]}}
"
    )
}

/// Numbers that a seed determines (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// What users want by now: the replicas of each template, in all members together. A name is used once.
#[derive(Default)]
struct Wanted {
    templates: BTreeMap<String, u64>,
    made: u64,
}

impl Wanted {
    /// Replicas in each member.
    fn in_each(name: &str, replicas: u64) -> u64 {
        if name.starts_with("divided") { replicas / MEMBERS.len() as u64 } else { replicas }
    }

    /// One user does one thing.
    fn act(&mut self, sandbox: &Sandbox, numbers: &mut Numbers) {
        let chosen = numbers.below(self.templates.len().max(1) as u64) as usize;
        let chosen = self.templates.keys().nth(chosen).cloned();
        // Divides evenly, and leaves something for each member.
        let replicas = 3 * (1 + numbers.below(3));
        match (numbers.below(10), chosen) {
            (0..=3, Some(name)) => {
                sandbox.kubectl(CONTROL, &format!("scale deployment {name} --replicas={replicas}")).done();
                self.templates.insert(name, replicas);
            }
            (4, Some(name)) => {
                sandbox.kubectl(CONTROL, &format!("delete deployment {name} --wait=false")).done();
                self.templates.remove(&name);
            }
            (5..=6, Some(name)) => {
                // It may not be there yet: then nobody has edited it.
                let member = MEMBERS[numbers.below(3) as usize];
                sandbox.kubectl(member, &format!("scale deployment {name} --replicas=7"));
            }
            (_, Some(_)) if self.templates.len() >= TEMPLATES => {}
            _ => {
                let spread = ["divided", "whole"][numbers.below(2) as usize];
                let name = format!("{spread}-{}", self.made);
                self.made += 1;
                sandbox.kubectl_on(CONTROL, "create", &deployment(&name, spread, replicas)).done();
                self.templates.insert(name, replicas);
            }
        }
    }
}

/// `kubectl get --watch` on the Deployments of a member: what was ever there and what was ever deleted.
struct Witness {
    process: Child,
    reader: Option<std::thread::JoinHandle<Seen>>,
}

/// Deployments by name: the uids under which they were seen, and whether one was deleted.
type Seen = BTreeMap<String, (BTreeSet<String>, bool)>;

impl Witness {
    fn start(sandbox: &Sandbox, member: &str) -> Self {
        let mut command = Command::new("kubectl");
        command.args(["--context", member, "get", "deployments", "-n", "default", "--watch", "--output-watch-events", "-o", "json"]);
        command.env("KUBECONFIG", sandbox.path("kubeconfig")).env("KUBECACHEDIR", sandbox.path("cache"));
        let mut process = command.stdout(Stdio::piped()).spawn().expect("kubectl is in the PATH");
        let output = process.stdout.take().expect("a pipe");
        Self { process, reader: Some(std::thread::spawn(move || seen(output))) }
    }

    fn end(mut self) -> Seen {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it runs");
        self.reader.take().expect("ends once").join().expect("it reads what kubectl prints")
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        // It has ended when the test went well.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn seen(output: ChildStdout) -> Seen {
    let mut seen = Seen::new();
    // The last event may be cut off where kubectl was killed.
    for event in serde_json::Deserializer::from_reader(output).into_iter::<Value>().map_while(Result::ok) {
        let metadata = &event["object"]["metadata"];
        let [name, uid] = ["name", "uid"].map(|field| metadata[field].as_str().expect("an object has it").to_owned());
        let (uids, deleted) = seen.entry(name).or_default();
        uids.insert(uid);
        *deleted |= event["type"] == "DELETED";
    }
    seen
}

/// Makes a control plane of the first cluster, the others its members.
fn install(sandbox: &Sandbox) {
    let flotilla = |words: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flotilla"));
        let output =
            command.args(words.split(' ')).arg("--kubeconfig").arg(sandbox.path("kubeconfig")).output().expect("the program starts");
        assert!(output.status.success(), "`flotilla {words}`: {}", String::from_utf8_lossy(&output.stderr));
    };
    flotilla("init --crds-only");
    MEMBERS.iter().for_each(|member| flotilla(&format!("join {member} --wait false")));
}

/// Starts controllers of a process of their own.
fn controllers(sandbox: &Sandbox, number: usize) -> Program {
    let kubeconfig = sandbox.path("kubeconfig").display().to_string();
    // A Lease that a killed process holds would keep the next one waiting.
    let args = ["controllers", "--kubeconfig", &kubeconfig, "--leader-elect=false", "--health-address", "0"];
    Program::start(&args, sandbox.path(&format!("controllers-{number}.log")))
}

/// Users act, controllers are killed; the last ones live on.
fn suffer(sandbox: &Sandbox, numbers: &mut Numbers) -> (Wanted, Program) {
    let lives: Vec<Duration> = (0..KILLS).map(|_| Duration::from_millis(numbers.below(LIFE))).collect();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let users = scope.spawn(|| {
            let mut wanted = Wanted::default();
            while !done.load(Ordering::SeqCst) || wanted.made < ENOUGH {
                wanted.act(sandbox, numbers);
            }
            wanted
        });
        let mut at_work = 0;
        for (number, life) in lives.into_iter().enumerate() {
            let mut running = controllers(sandbox, number);
            std::thread::sleep(life);
            running.kill();
            at_work += usize::from(running.said().contains("the controllers run"));
        }
        println!("{at_work} of {KILLS} were killed after they had started");
        done.store(true, Ordering::SeqCst);
        let last = controllers(sandbox, KILLS);
        (users.join().expect("users can do what they do"), last)
    })
}

/// Every object of a cluster, as `resource namespace/name uid resourceVersion`. Members are probed all the time, so that what
/// probes write is no news.
fn everything(sandbox: &Sandbox, cluster: &str) -> BTreeSet<String> {
    let kinds = sandbox.kubectl(cluster, "api-resources --verbs=list -o name").done();
    let kinds: Vec<&str> = kinds.lines().filter(|kind| !kind.starts_with("clusters.") && !kind.starts_with("leases.")).collect();
    let all = sandbox.kubectl(cluster, &format!("get {} -A -o json", kinds.join(","))).done();
    let all: Value = serde_json::from_str(&all).expect("JSON");
    let text = |item: &Value, field: &str| item["metadata"][field].as_str().unwrap_or_default().to_owned();
    all["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|item| {
            let [namespace, name, uid, version] = ["namespace", "name", "uid", "resourceVersion"].map(|field| text(item, field));
            format!("{} {namespace}/{name} {uid} {version}", item["kind"].as_str().unwrap_or_default())
        })
        .collect()
}

/// Waits until nothing is written any more; returns everything there is, by cluster.
fn settled(sandbox: &Sandbox) -> BTreeMap<&'static str, BTreeSet<String>> {
    let look = || [CONTROL].into_iter().chain(MEMBERS).map(|cluster| (cluster, everything(sandbox, cluster))).collect();
    let started = Instant::now();
    let (mut last, mut since): (BTreeMap<_, _>, _) = (look(), Instant::now());
    while since.elapsed() < QUIET {
        let now = look();
        if now != last {
            (last, since) = (now, Instant::now());
        }
        assert!(started.elapsed() < Duration::from_secs(120), "it does not settle");
    }
    last
}

/// Waits until each member has what is wanted and nothing else, and the templates say so.
fn check_members(sandbox: &Sandbox, wanted: &Wanted) {
    let lines = |line: &dyn Fn(&str, u64) -> String| {
        let lines: Vec<String> = wanted.templates.iter().map(|(name, replicas)| line(name, *replicas)).collect();
        lines.join("\n")
    };
    let template = "jsonpath={range@.items[*]}{.metadata.name}={.spec.replicas}/{.status.readyReplicas}{\"\\n\"}{end}";
    let in_each = lines(&|name, replicas| {
        let replicas = Wanted::in_each(name, replicas);
        format!("{name}={replicas}/{replicas}")
    });
    println!("wanted in each member:\n{in_each}");
    for member in MEMBERS {
        sandbox.prints(member, &format!("get deployments -l spread -o {template}"), &in_each);
    }
    let sums = lines(&|name, replicas| format!("{name}={replicas}/{}", Wanted::in_each(name, replicas) * MEMBERS.len() as u64));
    sandbox.prints(CONTROL, &format!("get deployments -o {template}"), &sums);
}

/// One binding for each template and one Work for each of its members.
fn check_nothing_is_doubled(sandbox: &Sandbox, wanted: &Wanted) {
    let expected =
        |count: usize| -> String { wanted.templates.keys().flat_map(|name| vec![name.as_str(); count]).collect::<Vec<_>>().join(" ") };
    sandbox.prints(CONTROL, "get resourcebindings -o jsonpath={.items[*].spec.resource.name}", &expected(1));
    let mut expected: Vec<String> = expected(MEMBERS.len()).split(' ').map(str::to_owned).collect();
    expected.sort();
    sandbox.until(CONTROL, "get works -A -o jsonpath={range@.items[*]}{.spec.workload.manifests[0].kind}:{.spec.workload.manifests[0].metadata.name}{\"\\n\"}{end}", |works| {
        let mut works: Vec<&str> = works.lines().filter_map(|work| work.strip_prefix("Deployment:")).collect();
        works.sort_unstable();
        works == expected
    });
}

#[test]
fn killed_controllers_lose_and_double_nothing() {
    let seed = std::env::var("FLOTILLA_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_127);
    println!("FLOTILLA_SEED={seed}");
    let mut numbers = Numbers(seed);
    let sandbox = Sandbox::start(&["--members", "3", "--nodes", "8", "--without-controllers"]);
    install(&sandbox);
    sandbox.kubectl_on(CONTROL, "create", POLICIES).done();
    // A Deployment of the member's own is none of ours.
    sandbox.kubectl_on("member1", "create", &deployment("own", "own", 2).replace("spread: own", "team: own")).done();
    let witnesses = MEMBERS.map(|member| Witness::start(&sandbox, member));

    let (wanted, mut running) = suffer(&sandbox, &mut numbers);
    println!("{} templates were created, {} are left", wanted.made, wanted.templates.len());
    check_members(&sandbox, &wanted);
    check_nothing_is_doubled(&sandbox, &wanted);

    let before = settled(&sandbox);
    running.kill();
    let _again = controllers(&sandbox, KILLS + 1);
    // They are awake: what is edited is put back.
    let (name, replicas) = wanted.templates.iter().next().expect("some are left");
    let member = "member2";
    sandbox.kubectl(member, &format!("scale deployment {name} --replicas=8")).done();
    sandbox.prints(member, &format!("get deployment {name} -o jsonpath={{.spec.replicas}}"), &Wanted::in_each(name, *replicas).to_string());
    let after = settled(&sandbox);
    for cluster in [CONTROL].into_iter().chain(MEMBERS) {
        let written: Vec<&String> =
            after[cluster].symmetric_difference(&before[cluster]).filter(|line| !line.contains(name.as_str())).collect();
        assert_eq!(written, Vec::<&String>::new(), "{cluster}: written after a restart though nothing changed");
    }

    for (member, witness) in MEMBERS.into_iter().zip(witnesses) {
        for (deployment, (uids, deleted)) in witness.end() {
            assert_eq!(uids.len(), 1, "{member}: {deployment} was made more than once");
            let stays = deployment == "own" || wanted.templates.contains_key(&deployment);
            assert!(!(deleted && stays), "{member}: {deployment} was deleted, nobody asked for it");
        }
    }
}
