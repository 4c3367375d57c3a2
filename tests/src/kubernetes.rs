//! Real API servers for the suites: one etcd, and a kube-apiserver with a kube-controller-manager for the control plane and each member.
//!
//! The programs come from `tests/kubernetes/build`. Everything listens on loopback with TLS; RBAC and the audit log are on. Each process
//! hangs on a pipe of this one: it ends with it, whatever ends it.

use flotilla_sandbox::kubeconfig::{self, Context};
use flotilla_sandbox::sandbox::CONTROL;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Error};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Longest wait until a server answers.
const PATIENCE: Duration = Duration::from_secs(90);
/// Runs a program until standard input ends, then kills it: what it would tidy up nobody needs.
const UNTIL_INPUT_ENDS: &str = r#"folder=$0; exec 9<"$folder"; flock --shared 9; "$@" </dev/null & running=$!; cat >/dev/null; kill -KILL "$running"; wait "$running" 2>/dev/null"#;
/// Removes the folder once standard input has ended, and with it all that run in the folder.
const REMOVE_WHEN_INPUT_ENDS: &str = r#"cat >/dev/null; exec 9<"$0"; flock 9; rm -rf "$0""#;
/// What a control plane does by itself: no workloads.
const CONTROL_CONTROLLERS: &str = "namespace-controller,garbage-collector-controller,serviceaccount-controller,serviceaccount-token-controller,legacy-serviceaccount-token-cleaner-controller,root-ca-certificate-publisher-controller,clusterrole-aggregation-controller";
/// All but what needs kubelets that answer, or clouds.
const MEMBER_CONTROLLERS: &str = "*,-node-ipam-controller,-persistentvolume-binder-controller,-persistentvolume-attach-detach-controller,-horizontal-pod-autoscaler-controller";
const AUDIT_POLICY: &str = "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules:\n- level: None\n  nonResourceURLs: [\"/livez*\", \"/readyz*\", \"/healthz*\"]\n- level: Metadata\n";

/// A control plane and members. They end when this is dropped.
pub struct Servers {
    servers: Vec<Server>,
    // Before what waits for them.
    _processes: Vec<Process>,
    _removing: Process,
    folder: PathBuf,
}

/// One cluster.
#[derive(Debug, Clone)]
pub struct Server {
    access: Context,
    audit_log: PathBuf,
}

impl Server {
    /// `flotilla`, `member1`, ….
    pub fn name(&self) -> &str {
        &self.access.name
    }

    /// Endpoint, certificate authority and an administrator's token.
    pub fn access(&self) -> &Context {
        &self.access
    }

    /// A client with all rights, whose requests the audit log shows under this User-Agent.
    pub fn client(&self, agent: &str) -> kube::Client {
        self.client_of(&self.access.token, agent)
    }

    /// A client with the rights of whoever has this token.
    pub fn client_of(&self, token: &str, agent: &str) -> kube::Client {
        let mut config = kube::Config::new(self.access.url.parse().expect("made by us"));
        let authority = CertificateDer::from_pem_slice(self.access.authority.as_bytes()).expect("made by us");
        config.root_cert = Some(vec![authority.to_vec()]);
        config.auth_info.token = Some(token.to_owned().into());
        config.headers.push((http::header::USER_AGENT, agent.parse().expect("an agent is ASCII")));
        kube::Client::try_from(config).expect("a complete configuration")
    }

    /// The audit log: a JSON event a line, without health checks.
    pub fn audit_log(&self) -> &Path {
        &self.audit_log
    }
}

impl Servers {
    /// Starts a control plane and this many members, `member1` first, and waits until all of them answer.
    ///
    /// # Errors
    /// When the programs are missing and cannot be built, or a server does not come up; says what it printed last.
    pub fn start(members: usize) -> io::Result<Self> {
        Self::start_prepared(members, |_| Ok(()))
    }

    /// The same; `prepare` is given the control plane before its controllers start. They notice later definitions after half a minute.
    ///
    /// # Errors
    /// As above, and those of `prepare`.
    pub fn start_prepared(members: usize, prepare: impl FnOnce(&Server) -> io::Result<()>) -> io::Result<Self> {
        Self::launch(members, prepare, true)
    }

    /// Starts an API server alone: nothing changes but by requests.
    ///
    /// # Errors
    /// As above.
    pub fn start_without_controllers() -> io::Result<Self> {
        Self::launch(0, |_| Ok(()), false)
    }

    fn launch(members: usize, prepare: impl FnOnce(&Server) -> io::Result<()>, with_controllers: bool) -> io::Result<Self> {
        let programs = programs()?;
        let folder = tempfile::Builder::new().prefix("flotilla-kubernetes-").tempdir()?.keep();
        let removing = Process::removing(&folder)?;
        let mut processes = Vec::new();
        let secrets = Secrets::new(&folder)?;
        let etcd = start_etcd(&programs, &folder, &mut processes)?;
        let names = std::iter::once(CONTROL.to_owned()).chain((1..=members).map(|number| format!("member{number}")));
        let mut servers = Vec::new();
        for (number, name) in names.enumerate() {
            let cluster = Starting { programs: &programs, folder: &folder, secrets: &secrets, name: &name, number };
            servers.push(cluster.start_api_server(&etcd, &mut processes)?);
        }
        servers.iter().try_for_each(|server| server.await_ready(&folder))?;
        prepare(&servers[0])?;
        for (number, server) in servers.iter().enumerate().filter(|_| with_controllers) {
            let cluster = Starting { programs: &programs, folder: &folder, secrets: &secrets, name: server.name(), number };
            processes.push(cluster.start_controllers(server)?);
        }
        let servers = Self { servers, _processes: processes, _removing: removing, folder };
        kubeconfig::write(&servers.kubeconfig(), &servers.servers.iter().map(|server| server.access.clone()).collect::<Vec<_>>())?;
        Ok(servers)
    }

    /// The control plane.
    pub fn control(&self) -> &Server {
        &self.servers[0]
    }

    /// The members, `member1` first.
    pub fn members(&self) -> &[Server] {
        &self.servers[1..]
    }

    /// A kubeconfig with a context for each cluster; the control plane's is the current one.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }
}

impl Server {
    fn await_ready(&self, folder: &Path) -> io::Result<()> {
        let log = folder.join(format!("{}.log", self.name()));
        let started = Instant::now();
        let (host, url) = (self.access.url.trim_start_matches("https://"), format!("{}/readyz", self.access.url));
        loop {
            // curl is where CI is; a client of our own would need a runtime here.
            let answer = Command::new("curl")
                .args(["--silent", "--max-time", "2", "--cacert"])
                .arg(folder.join("ca.crt"))
                .args(["--header", &format!("Authorization: Bearer {}", self.access.token), &url])
                .output()?;
            if answer.stdout == b"ok" {
                return Ok(());
            }
            if started.elapsed() > PATIENCE {
                let text = fs::read_to_string(&log).unwrap_or_default();
                let last: Vec<&str> = text.lines().rev().take(15).collect();
                return Err(Error::other(format!(
                    "kube-apiserver of {} at {host} does not answer; it printed last:\n{}",
                    self.name(),
                    last.join("\n")
                )));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// A child process that ends with this one, even if this one is killed.
struct Process(Child);

impl Process {
    /// Starts a program that works in `folder`.
    fn start(program: &Path, arguments: &[String], folder: &Path, log: &str) -> io::Result<Self> {
        let output = fs::File::create(folder.join(log))?;
        let mut command = Command::new("bash");
        command.args(["-c", UNTIL_INPUT_ENDS]).arg(folder).arg(program).args(arguments).stdout(output.try_clone()?).stderr(output);
        Ok(Self(command.stdin(Stdio::piped()).spawn()?))
    }

    /// Starts what removes `folder` in the end.
    fn removing(folder: &Path) -> io::Result<Self> {
        let mut command = Command::new("bash");
        Ok(Self(command.args(["-c", REMOVE_WHEN_INPUT_ENDS]).arg(folder).stdin(Stdio::piped()).spawn()?))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // Nothing is left to be done about a process that cannot be waited for.
        let _ = self.0.wait();
    }
}

/// The folder with the programs; built if need be.
fn programs() -> io::Result<PathBuf> {
    let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("kubernetes/build");
    let output = Command::new(&build).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(Error::other(format!("{} could not provide the programs", build.display())));
    }
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}

/// What all servers of a fleet share: an authority, a certificate, the key of service accounts, tokens.
struct Secrets {
    authority: String,
    token: String,
}

impl Secrets {
    fn new(folder: &Path) -> io::Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        params.distinguished_name.push(DnType::CommonName, "flotilla tests");
        let key = KeyPair::generate().map_err(Error::other)?;
        fs::write(folder.join("ca.key"), key.serialize_pem())?;
        let authority = CertifiedIssuer::self_signed(params, key).map_err(Error::other)?;
        fs::write(folder.join("ca.crt"), authority.pem())?;
        let mut params =
            CertificateParams::new(["localhost", "127.0.0.1", "kubernetes.default.svc"].map(str::to_owned)).map_err(Error::other)?;
        params.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().map_err(Error::other)?;
        let certificate = params.signed_by(&key, &authority).map_err(Error::other)?;
        fs::write(folder.join("server.crt"), certificate.pem())?;
        fs::write(folder.join("server.key"), key.serialize_pem())?;
        let accounts = KeyPair::generate().map_err(Error::other)?;
        fs::write(folder.join("accounts.key"), accounts.serialize_pem())?;
        fs::write(folder.join("accounts.pub"), accounts.public_key_pem())?;
        fs::write(folder.join("audit.yaml"), AUDIT_POLICY)?;
        let token = uuid::Uuid::new_v4().simple().to_string();
        let controllers = format!("{token}-controllers");
        let tokens =
            format!("{token},admin,admin,system:masters\n{controllers},system:kube-controller-manager,controllers,system:masters\n");
        fs::write(folder.join("tokens.csv"), tokens)?;
        Ok(Self { authority: authority.pem(), token })
    }

    fn controllers_token(&self) -> String {
        format!("{}-controllers", self.token)
    }
}

fn start_etcd(programs: &Path, folder: &Path, processes: &mut Vec<Process>) -> io::Result<String> {
    let [client, peer] = [free_port()?, free_port()?].map(|port| format!("http://127.0.0.1:{port}"));
    let arguments = [
        format!("--data-dir={}", folder.join("etcd").display()),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=default={peer}"),
        // What a test writes need not outlive the machine.
        "--unsafe-no-fsync".to_owned(),
        "--log-level=warn".to_owned(),
    ];
    processes.push(Process::start(&programs.join("etcd"), &arguments, folder, "etcd.log")?);
    Ok(client)
}

/// A cluster that is being started.
struct Starting<'a> {
    programs: &'a Path,
    folder: &'a Path,
    secrets: &'a Secrets,
    name: &'a str,
    number: usize,
}

impl Starting<'_> {
    fn start_api_server(&self, etcd: &str, processes: &mut Vec<Process>) -> io::Result<Server> {
        let (port, file) = (free_port()?, |name: &str| self.folder.join(name).display().to_string());
        let audit_log = self.folder.join(format!("{}.audit", self.name));
        // It is there before anything is written to it.
        fs::File::create(&audit_log)?;
        let arguments = [
            format!("--etcd-servers={etcd}"),
            format!("--etcd-prefix=/{}", self.name),
            format!("--secure-port={port}"),
            "--bind-address=127.0.0.1".to_owned(),
            "--advertise-address=127.0.0.1".to_owned(),
            "--endpoint-reconciler-type=none".to_owned(),
            format!("--tls-cert-file={}", file("server.crt")),
            format!("--tls-private-key-file={}", file("server.key")),
            format!("--token-auth-file={}", file("tokens.csv")),
            "--authorization-mode=Node,RBAC".to_owned(),
            format!("--service-account-issuer=https://{}.flotilla.test", self.name),
            format!("--service-account-key-file={}", file("accounts.pub")),
            format!("--service-account-signing-key-file={}", file("accounts.key")),
            format!("--service-cluster-ip-range=10.{}.0.0/16", 100 + self.number),
            format!("--audit-policy-file={}", file("audit.yaml")),
            format!("--audit-log-path={}", audit_log.display()),
            "--audit-log-mode=blocking".to_owned(),
        ];
        processes.push(Process::start(&self.programs.join("kube-apiserver"), &arguments, self.folder, &format!("{}.log", self.name))?);
        let url = format!("https://127.0.0.1:{port}");
        let access =
            Context { name: self.name.to_owned(), url, authority: self.secrets.authority.clone(), token: self.secrets.token.clone() };
        Ok(Server { access, audit_log })
    }

    fn start_controllers(&self, server: &Server) -> io::Result<Process> {
        let kubeconfig = self.folder.join(format!("{}.controllers.kubeconfig", self.name));
        kubeconfig::write(&kubeconfig, &[Context { token: self.secrets.controllers_token(), ..server.access.clone() }])?;
        let file = |name: &str| self.folder.join(name).display().to_string();
        let arguments = [
            format!("--kubeconfig={}", kubeconfig.display()),
            format!("--controllers={}", if self.number == 0 { CONTROL_CONTROLLERS } else { MEMBER_CONTROLLERS }),
            "--leader-elect=false".to_owned(),
            "--secure-port=0".to_owned(),
            format!("--service-account-private-key-file={}", file("accounts.key")),
            format!("--root-ca-file={}", file("ca.crt")),
            "--kube-api-qps=200".to_owned(),
            "--kube-api-burst=400".to_owned(),
            // The simulated kubelet has no heartbeat.
            "--node-monitor-grace-period=24h".to_owned(),
        ];
        Process::start(&self.programs.join("kube-controller-manager"), &arguments, self.folder, &format!("{}.controllers.log", self.name))
    }
}

/// A port that nobody listens on, and that was given to nobody in this process before: who got one may not listen yet.
fn free_port() -> io::Result<u16> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().expect("no code panics while it holds this");
    loop {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        if given.insert(port) {
            return Ok(port);
        }
    }
}
